//! TimescaleDB: the table as a hypertable, and the ages at which its chunks are compressed and
//! dropped.

use std::time::Duration;

use super::columns::{literal, quoted_name};
use super::errors::PgError;
use super::pool::Connection;
use super::table::one_at_a_time;
use crate::config::PostgresSettings;

/// What has to be done to a hypertable.
pub(super) enum Planned {
    /// The settings ask for none.
    Nothing,
    /// The settings ask for one, and the database has no TimescaleDB.
    NoTimescale,
    Changes(Vec<Change>),
}

/// A change of a hypertable.
pub(super) struct Change {
    statement: String,
    /// For people.
    pub phrase: String,
}

/// Makes the table a hypertable by its time column, and gives it the configured policies. Changes
/// nothing that is as configured. Without TimescaleDB in the database it only says so.
pub(super) async fn prepare(
    connection: &Connection,
    settings: &PostgresSettings,
) -> Result<(), PgError> {
    let table = &settings.table;
    match plan(connection, settings).await? {
        Planned::Nothing => {}
        Planned::NoTimescale => tracing::warn!(
            %table,
            "the database has no TimescaleDB: PG_TIME_COLUMN makes no hypertable of the table"
        ),
        Planned::Changes(changes) => {
            for Change { statement, phrase } in changes {
                one_at_a_time(connection, table, &statement).await?;
                tracing::info!(%table, change = phrase, "the hypertable is changed");
            }
        }
    }
    Ok(())
}

/// What has to be done so that the hypertable is as configured.
pub(super) async fn plan(
    connection: &Connection,
    settings: &PostgresSettings,
) -> Result<Planned, PgError> {
    let (table, Some(time)) = (&settings.table, &settings.time_column) else {
        return Ok(Planned::Nothing);
    };
    if !exists(connection, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").await? {
        return Ok(Planned::NoTimescale);
    }
    let mut changes = Vec::new();
    let named = format!(
        "hypertable_schema = {} AND hypertable_name = {}",
        literal(&table.schema),
        literal(&table.table)
    );
    let hypertables = "SELECT 1 FROM timescaledb_information.hypertables WHERE";
    if !exists(connection, &format!("{hypertables} {named}")).await? {
        let statement = format!(
            "SELECT create_hypertable({}, {}, if_not_exists => TRUE)",
            literal(&quoted_name(table)),
            literal(time)
        );
        changes.push(Change { statement, phrase: format!("make it a hypertable by {time}") });
    }
    if let Some(age) = settings.compress_after
        && !has_policy(connection, &named, "policy_compression", "compress_after", age).await?
    {
        let table_name = quoted_name(table);
        let regclass = literal(&table_name);
        let statement = format!(
            "ALTER TABLE {table_name} SET (timescaledb.compress); \
             SELECT remove_compression_policy({regclass}, if_exists => TRUE); \
             SELECT add_compression_policy({regclass}, {})",
            interval(age)
        );
        let phrase = format!("compress chunks after {}", in_words(age));
        changes.push(Change { statement, phrase });
    }
    if let Some(age) = settings.retention
        && !has_policy(connection, &named, "policy_retention", "drop_after", age).await?
    {
        let regclass = literal(&quoted_name(table));
        let statement = format!(
            "SELECT remove_retention_policy({regclass}, if_exists => TRUE); \
             SELECT add_retention_policy({regclass}, {})",
            interval(age)
        );
        changes.push(Change { statement, phrase: format!("drop chunks after {}", in_words(age)) });
    }
    Ok(Planned::Changes(changes))
}

/// `7 days`, `36 hours`.
fn in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    match (seconds % 86_400, seconds % 3_600) {
        (0, _) => format!("{} days", seconds / 86_400),
        (_, 0) => format!("{} hours", seconds / 3_600),
        _ => format!("{seconds} seconds"),
    }
}

/// Whether a policy of this kind has this age.
async fn has_policy(
    connection: &Connection,
    named: &str,
    procedure: &str,
    field: &str,
    age: Duration,
) -> Result<bool, PgError> {
    let statement = format!(
        "SELECT 1 FROM timescaledb_information.jobs WHERE {named} AND proc_name = '{procedure}' \
         AND (config ->> '{field}')::interval = {}",
        interval(age)
    );
    exists(connection, &statement).await
}

async fn exists(connection: &Connection, statement: &str) -> Result<bool, PgError> {
    let rows = connection.simple_query(statement).await;
    let rows = rows.map_err(PgError::of("look for a hypertable"))?;
    Ok(rows.iter().any(|row| matches!(row, tokio_postgres::SimpleQueryMessage::Row(_))))
}

fn interval(age: Duration) -> String {
    format!("INTERVAL '{} seconds'", age.as_secs())
}
