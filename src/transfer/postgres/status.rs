//! The status of a transfer into PostgreSQL: the table of runs, the leases, and the staging tables.

use crate::config::PostgresTable;
use crate::sink::postgres::batch::{exists, leases, rows, staging_tables, text};
use crate::sink::postgres::{Connections, quoted_name};
use crate::stop::Stop;
use crate::transfer::runs::TABLE;
use crate::transfer::status::{Held, Left, PastRun, Status};

/// The time of a column in microseconds since the epoch.
fn micros(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000000)::bigint")
}

/// Reads the last runs of the transfer, and what there is of others.
pub async fn read(
    connections: &Connections,
    target: &PostgresTable,
    transfer: &str,
    last: u32,
) -> Result<Status, Stop> {
    let prefix = format!("{target} {transfer} ");
    let day = |lease: &str| lease.strip_prefix(&prefix)?.parse().ok();
    let held = leases(connections, target, &prefix).await?;
    let staging = staging_tables(connections, target, &prefix).await?;
    let left = staging.into_iter().filter(|table| {
        !held.iter().any(|lease| table.name.contains(&format!("_{}_", lease.holder)))
    });
    let left = left.filter_map(|table| {
        let day = day(&table.lease)?;
        Some(Left { day, table: target.beside(&table.name).to_string(), expires_ms: None })
    });
    let held = held.iter().filter_map(|lease| {
        let day = day(&lease.name)?;
        Some(Held { day, by: lease.about.clone(), expires_ms: lease.expires_ms })
    });
    let (left, held) = (left.collect(), held.collect());
    let table = target.beside(TABLE);
    let mut runs = Vec::new();
    if exists(connections, &table).await? {
        let query = format!(
            "SELECT run, mode, first_day, last_day, state, {}, {}, records_read, rows_staged, \
             records_rejected, records_ignored, rows_inserted, rows_updated, rows_deleted, \
             bytes_billed, fingerprint, job, program FROM {} WHERE transfer = {} AND target = {} \
             ORDER BY started_at DESC LIMIT {last}",
            micros("started_at"),
            micros("ended_at"),
            quoted_name(&table),
            text(transfer),
            text(&target.to_string()),
        );
        let found = rows(connections, "read the runs", &query).await?;
        runs = found.iter().map(|row| PastRun::of(row)).collect();
    }
    Ok(Status { runs, held, left, bytes_billed: None })
}
