//! The database of a target, and what is asked of it before and beside a run.

use std::fmt;

use super::columns;
use super::error::TransferError;
use super::planned::Planned;
use super::request::Request;
use super::status::Status;
use super::target::Change;
use super::{bigquery, postgres};
use crate::config::{PostgresSettings, TableId, TransferSettings};
use crate::row::TableSchema;
use crate::sink::bigquery::BigQuery;
use crate::sink::postgres::Connections;
use crate::stop::Stop;

/// The database, reached but not touched yet, and the table there.
pub enum Database {
    BigQuery { bigquery: BigQuery, table: TableId },
    Postgres { connections: Connections, settings: PostgresSettings },
}

impl Database {
    /// What a run would do to the table. `of_rows` are the columns of the rows.
    pub async fn planned(
        &self,
        settings: &TransferSettings,
        request: &Request,
        of_rows: &TableSchema,
    ) -> Result<Planned, TransferError> {
        let key = columns::check(settings, request.mode, of_rows, &self.to_string())?;
        let change = Change::of(settings, request, &key);
        let planned = match self {
            Self::BigQuery { bigquery, table } => {
                bigquery::planned(bigquery, table, &change).await?
            }
            Self::Postgres { connections, settings } => {
                postgres::planned(connections, &settings.table, of_rows, &change).await?
            }
        };
        Ok(planned)
    }

    /// The last runs of the transfer, and what there is of others. `now_ms` is the time in milliseconds
    /// since the epoch.
    pub async fn status(&self, transfer: &str, last: u32, now_ms: i64) -> Result<Status, Stop> {
        match self {
            Self::BigQuery { bigquery, table } => {
                bigquery::status::read(bigquery, table, transfer, last, now_ms).await
            }
            Self::Postgres { connections, settings } => {
                postgres::status::read(connections, &settings.table, transfer, last).await
            }
        }
    }

    /// The table of dead letters.
    pub fn dead_letters(&self) -> String {
        match self {
            Self::BigQuery { table, .. } => table.dead_letters().to_string(),
            Self::Postgres { settings, .. } => settings.table.dead_letters().to_string(),
        }
    }
}

/// The table's full name.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BigQuery { table, .. } => table.fmt(f),
            Self::Postgres { settings, .. } => settings.table.fmt(f),
        }
    }
}
