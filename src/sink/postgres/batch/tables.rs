//! The tables of a batch job: its target, the runs, the leases, and staging tables like the target.

use std::time::Duration;

use super::asked::{Answer, BEGIN_LONG, ask};
use super::attempts::{Attempts, retried};
use super::lease::{self, Lease};
use super::reading::comment;
use super::staging::Staging;
use crate::config::{PostgresSettings, PostgresTable};
use crate::row::TableSchema;
use crate::sink::postgres::columns::{check_time, literal, quoted, quoted_name};
use crate::sink::postgres::copy::CopyInto;
use crate::sink::postgres::errors::PgError;
use crate::sink::postgres::hypertable;
use crate::sink::postgres::pool::{Connection, Connections, within};
use crate::sink::postgres::table::{self, Arranged, PrepareError};
use crate::stop::Stop;

/// What the tables of a batch job are made of.
#[derive(Clone, Copy)]
pub struct BatchParts<'a> {
    pub settings: &'a PostgresSettings,
    /// Whether the target is created, and given the columns that it lacks.
    pub manage: bool,
    pub columns: &'a TableSchema,
    /// The column by which rows of the target are looked for: a table that is created has an index by it.
    pub date_column: Option<&'a str>,
    /// The table of runs, and its columns.
    pub runs: (&'a str, &'a TableSchema),
    /// What the lease is for: no two jobs of the same name change anything at once.
    pub name: &'a str,
    /// This job's own: letters and digits.
    pub holder: &'a str,
    pub lease: Duration,
}

/// The tables of a batch job.
#[derive(Clone)]
pub struct BatchTables {
    pub(super) connections: Connections,
    pub(super) target: PostgresTable,
    pub(super) runs: PostgresTable,
    lease: Lease,
    rows: CopyInto,
    /// The beginning of the names of the staging tables of all jobs of this name.
    prefix: String,
}

impl BatchTables {
    /// Creates the tables that are missing, and adds the columns that the target lacks.
    pub async fn prepare(connections: Connections, parts: BatchParts<'_>) -> Result<Self, Stop> {
        let target = parts.settings.table.clone();
        let mut attempts = Attempts::of(format!("prepare the table {target}"));
        let rows = loop {
            match prepare(&connections, &parts).await {
                Ok(rows) => break rows,
                Err(PrepareError::Refused(stop)) => return Err(stop),
                Err(PrepareError::Postgres(error)) => attempts.pause(error).await?,
            }
        };
        let lease = Lease::new(
            connections.clone(),
            target.beside(lease::NAME),
            format!("{target} {}", parts.name),
            parts.holder,
            parts.lease,
        );
        let hash = xxhash_rust::xxh3::xxh3_64(lease.name.as_bytes());
        let prefix = format!("generic_consumer_stage_{hash:016x}_");
        let runs = target.beside(parts.runs.0);
        Ok(Self { connections, target, runs, lease, rows, prefix })
    }

    pub fn target(&self) -> &PostgresTable {
        &self.target
    }

    pub fn columns(&self) -> &TableSchema {
        self.rows.columns()
    }

    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Creates a staging table with the columns of the target, their types, defaults and checks, and
    /// `number` as a column of integers behind them. It is not logged: a server that has crashed finds
    /// it empty, which is noticed.
    pub async fn stage(&self, attempt: usize, number: Option<&str>) -> Result<Staging, Stop> {
        let name = format!("{}{}_{attempt}", self.prefix, self.lease.holder);
        let table = self.target.beside(name);
        let also = number.map_or(String::new(), |name| format!(", {} bigint", quoted(name)));
        let comment = comment(&self.lease.name);
        let create = format!(
            "BEGIN; CREATE UNLOGGED TABLE IF NOT EXISTS {table} (LIKE {target} INCLUDING DEFAULTS \
             INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING IDENTITY{also}); \
             COMMENT ON TABLE {table} IS {comment}; \
             UPDATE {leases} SET staged = 0 WHERE {mine}; COMMIT",
            table = quoted_name(&table),
            target = quoted_name(&self.target),
            comment = literal(&comment),
            leases = self.lease.table(),
            mine = self.lease.is_mine(),
        );
        self.asked("create a staging table", &create).await?;
        let rows = self.rows.to(&table, number);
        Ok(Staging::new(self.lease.clone(), self.target.clone(), table, rows))
    }

    /// Drops the staging tables that this job has created.
    pub async fn unstage(&self) -> Result<usize, Stop> {
        self.drop_staging(&format!("{}{}_", self.prefix, self.lease.holder)).await
    }

    /// Drops the staging tables of all jobs of this name, and returns their number. Waits for
    /// transactions that still use one.
    pub async fn cleanse(&self) -> Result<usize, Stop> {
        self.drop_staging(&self.prefix).await
    }

    async fn drop_staging(&self, prefix: &str) -> Result<usize, Stop> {
        let find = format!(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relkind = 'r' AND left(c.relname::text, {}) = {}",
            literal(&self.target.schema),
            prefix.len(),
            literal(prefix)
        );
        let found = self.asked("look for staging tables", &find).await?;
        let names: Vec<String> =
            found.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        for name in &names {
            let drop = format!("DROP TABLE IF EXISTS {}", quoted_name(&self.target.beside(name)));
            self.asked("drop a staging table", &drop).await?;
        }
        Ok(names.len())
    }

    /// The number that a query answers with, however long it takes.
    pub async fn counted(&self, operation: &'static str, query: &str) -> Result<u64, Stop> {
        let query = format!("{BEGIN_LONG}; {query}; COMMIT");
        let answer = retried(operation, || async {
            let connection = self.connections.get().await?;
            let answer = ask(&connection, operation, &query).await?;
            connection.give_back();
            Ok(answer)
        });
        Ok(answer.await?.number(0, 0).and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }

    /// Runs a statement that may be run twice.
    pub async fn execute(&self, operation: &'static str, statement: &str) -> Result<(), Stop> {
        self.asked(operation, statement).await.map(drop)
    }

    async fn asked(&self, operation: &'static str, statements: &str) -> Result<Answer, Stop> {
        retried(operation, || {
            within(operation, async {
                let connection = self.connections.get().await?;
                let answer = ask(&connection, operation, statements).await?;
                connection.give_back();
                Ok(answer)
            })
        })
        .await
    }

    /// Runs statements of the user's own, which may be run twice. They take the time that they need.
    pub async fn own_sql(&self, what: &str, text: &str, hint: &str) -> Result<(), Stop> {
        let ran = retried(what, || async {
            let connection = self.connections.get().await?;
            ask(&connection, "prepare the session", "SET statement_timeout = 0").await?;
            // The connection is not given back: nobody knows what the statements have set.
            ask(&connection, "run the statement", text).await
        });
        ran.await.map(drop).map_err(|stop| Stop { hint: hint.to_owned(), ..stop })
    }
}

/// Makes the tables ready.
async fn prepare(
    connections: &Connections,
    parts: &BatchParts<'_>,
) -> Result<CopyInto, PrepareError> {
    let BatchParts { settings, manage, columns, date_column, .. } = *parts;
    let target = &settings.table;
    if let Some(time) = &settings.time_column {
        check_time(columns, time).map_err(|error| {
            let hint = "PG_TIME_COLUMN names a column of the rows; those of files and queries have the \
                        columns of the contract alone";
            PrepareError::Refused(Stop::new(format!("make {target} a hypertable"), hint, error))
        })?;
    }
    let connection = connections.get().await?;
    let index = date_column.and_then(|name| columns.column(name)).map(|it| it.name.as_str());
    let arranged = match (settings.time_column.as_deref(), index) {
        (Some(time), _) => Arranged::ByTime(time),
        (None, Some(index)) => Arranged::ByIndex(index),
        (None, None) => Arranged::Freely,
    };
    let rows = table::prepare(&connection, target, columns, manage, arranged).await?;
    if manage {
        hypertable::prepare(&connection, settings).await?;
    }
    let (runs, columns) = parts.runs;
    let runs = target.beside(runs);
    table::prepare(&connection, &runs, columns, true, Arranged::Freely).await?;
    prepare_leases(&connection, &target.beside(lease::NAME)).await?;
    connection.give_back();
    Ok(rows)
}

async fn prepare_leases(connection: &Connection, leases: &PostgresTable) -> Result<(), PgError> {
    let operation = "look for the table of leases";
    let exists =
        format!("SELECT 1 WHERE to_regclass({}) IS NOT NULL", literal(&quoted_name(leases)));
    match ask(connection, operation, &exists).await?.rows.is_empty() {
        false => Ok(()),
        true => table::one_at_a_time(connection, leases, &lease::definition(leases)).await,
    }
}
