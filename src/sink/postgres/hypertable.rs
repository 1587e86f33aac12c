//! TimescaleDB: the table as a hypertable, and the ages at which its chunks are compressed and
//! dropped.

use std::time::Duration;

use super::columns::{literal, quoted_name};
use super::errors::PgError;
use super::pool::Connection;
use super::table::one_at_a_time;
use crate::config::PostgresSettings;

/// Makes the table a hypertable by its time column, and gives it the configured policies. Changes
/// nothing that is as configured. Without TimescaleDB in the database it only says so.
pub(super) async fn prepare(
    connection: &Connection,
    settings: &PostgresSettings,
) -> Result<(), PgError> {
    let (table, Some(time)) = (&settings.table, &settings.time_column) else { return Ok(()) };
    if !exists(connection, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").await? {
        tracing::warn!(
            %table,
            "the database has no TimescaleDB: PG_TIME_COLUMN makes no hypertable of the table"
        );
        return Ok(());
    }
    let named = format!(
        "hypertable_schema = {} AND hypertable_name = {}",
        literal(&table.schema),
        literal(&table.table)
    );
    let hypertables = "SELECT 1 FROM timescaledb_information.hypertables WHERE";
    if !exists(connection, &format!("{hypertables} {named}")).await? {
        let make = format!(
            "SELECT create_hypertable({}, {}, if_not_exists => TRUE)",
            literal(&quoted_name(table)),
            literal(time)
        );
        one_at_a_time(connection, table, &make).await?;
        tracing::info!(%table, time, "the table is a hypertable");
    }
    if let Some(age) = settings.compress_after
        && !has_policy(connection, &named, "policy_compression", "compress_after", age).await?
    {
        let table_name = quoted_name(table);
        let regclass = literal(&table_name);
        let change = format!(
            "ALTER TABLE {table_name} SET (timescaledb.compress); \
             SELECT remove_compression_policy({regclass}, if_exists => TRUE); \
             SELECT add_compression_policy({regclass}, {})",
            interval(age)
        );
        one_at_a_time(connection, table, &change).await?;
    }
    if let Some(age) = settings.retention
        && !has_policy(connection, &named, "policy_retention", "drop_after", age).await?
    {
        let regclass = literal(&quoted_name(table));
        let change = format!(
            "SELECT remove_retention_policy({regclass}, if_exists => TRUE); \
             SELECT add_retention_policy({regclass}, {})",
            interval(age)
        );
        one_at_a_time(connection, table, &change).await?;
    }
    Ok(())
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
