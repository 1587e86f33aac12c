//! What a run would do to its target, before it does anything.

use super::error::TransferError;
use super::request::Request;
use super::target::{Change, Database};
use super::{bigquery, postgres};
use crate::config::TransferSettings;
use crate::row::TableSchema;

/// What a run would do to its target.
#[derive(Debug, Clone)]
pub struct Planned {
    /// How the rows would reach the target. `None`: it is created first.
    pub method: Option<String>,
    pub replaced: Replaced,
}

/// The rows of the target that a run would replace, or among which it would merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    Counted {
        rows: u64,
        bytes_billed: u64,
    },
    /// Counting would bill more than this.
    TooDear {
        most_billed: u64,
    },
}

impl Planned {
    /// There is no target yet.
    pub(super) fn of_no_table() -> Self {
        Self { method: None, replaced: Replaced::Counted { rows: 0, bytes_billed: 0 } }
    }
}

/// Reads the target as it is, and counts the rows that are replaced. `columns` are those of the rows.
pub async fn planned(
    database: &Database,
    settings: &TransferSettings,
    request: &Request,
    columns: &TableSchema,
) -> Result<Planned, TransferError> {
    let change = Change::of(settings, request, &[]);
    let planned = match database {
        Database::BigQuery { bigquery, table } => {
            bigquery::planned(bigquery, table, &change).await?
        }
        Database::Postgres { connections, settings } => {
            postgres::planned(connections, &settings.table, columns, &change).await?
        }
    };
    Ok(planned)
}
