//! The status of a transfer into BigQuery: one query of the table of runs, and the names of tables.

use serde_json::Value;

use super::names::Names;
use crate::config::TableId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{Select, Selected, TargetTable, name, text};
use crate::stop::Stop;
use crate::transfer::days::execution_date;
use crate::transfer::runs::TABLE;
use crate::transfer::status::{Held, Left, PastRun, Status};

/// The most that the query may bill: a hundred times what years of runs take.
const MOST_BYTES_BILLED: u64 = 1 << 30;

/// The columns of the table of runs that are read, in order.
const COLUMNS: &str = "run, mode, first_day, last_day, state, UNIX_MICROS(started_at), \
                       UNIX_MICROS(ended_at), records_read, rows_staged, records_rejected, \
                       records_ignored, rows_inserted, rows_updated, rows_deleted, bytes_billed, \
                       fingerprint, job, program";

/// Reads the last runs of the transfer, and what there is of others. `now_ms` is the time in
/// milliseconds since the epoch.
pub async fn read(
    bigquery: &BigQuery,
    target: &TableId,
    transfer: &str,
    last: u32,
    now_ms: i64,
) -> Result<Status, Stop> {
    let runs = TableId { table: TABLE.to_owned(), ..target.clone() };
    let runs = bigquery.find_table(&runs).await?;
    let mut status = Status::default();
    // Not even the dataset may be there before the first run.
    if runs.is_none() && bigquery.find_table(target).await?.is_none() {
        return Ok(status);
    }
    let prefix = Names::of_transfer(target, transfer);
    let (mut leases, mut staging) = (Vec::new(), Vec::new());
    for table in bigquery.tables_named(target, &prefix).await? {
        // `20261121` of a lease, `20261121__holder_0` of what is staged.
        let rest = table.table.get(prefix.len()..).unwrap_or_default().to_owned();
        let (date, holder) = rest.split_once("__").unwrap_or((&rest, ""));
        let Ok(day) = execution_date(date) else { continue };
        // One that is gone by now is of a run that has ended.
        let Some(live) = bigquery.find_table(&table).await? else { continue };
        match holder {
            "" => leases.push((day, live)),
            holder => staging.push((day, holder.to_owned(), live)),
        }
    }
    let lasts = |lease: &TargetTable| lease.expires_ms().is_some_and(|at| at > now_ms);
    leases.retain(|(_, lease)| lasts(lease));
    let is_of_a_run = |holder: &str| {
        leases
            .iter()
            .filter_map(|(_, lease)| lease.holder())
            .any(|held| holder.strip_prefix(held).is_some_and(|attempt| attempt.starts_with('_')))
    };
    let left = staging.iter().filter(|(_, holder, _)| !is_of_a_run(holder));
    status.left = left
        .map(|(day, _, live)| Left {
            day: *day,
            table: live.table.to_string(),
            expires_ms: live.expires_ms(),
        })
        .collect();
    status.held = leases
        .iter()
        .map(|(day, lease)| Held {
            day: *day,
            by: lease.description().unwrap_or("another run").to_owned(),
            expires_ms: lease.expires_ms().unwrap_or(now_ms),
        })
        .collect();
    if let Some(live) = runs {
        let (runs, billed) = last_runs(bigquery, target, transfer, last, &live).await?;
        (status.runs, status.bytes_billed) = (runs, Some(billed));
    }
    Ok(status)
}

/// The rows of the table of runs, and the bytes that reading them has billed.
async fn last_runs(
    bigquery: &BigQuery,
    target: &TableId,
    transfer: &str,
    last: u32,
    runs: &TargetTable,
) -> Result<(Vec<PastRun>, u64), Stop> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {} WHERE transfer = {} AND target = {} ORDER BY started_at DESC \
         LIMIT {last}",
        name(&runs.table),
        text(transfer),
        text(&target.to_string()),
    );
    let selected = bigquery.select(Select {
        what: format!("read {}", runs.table),
        project: &target.project,
        location: runs.location(),
        sql: &sql,
        most_bytes_billed: Some(MOST_BYTES_BILLED),
    });
    let hint = "the message is BigQuery's";
    let Selected { rows, bytes_billed } = selected.await.map_err(|error| error.stop(hint))?;
    Ok((rows.iter().map(|row| past_run(row)).collect(), bytes_billed))
}

/// A row with [`COLUMNS`].
fn past_run(row: &[Value]) -> PastRun {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    PastRun::of(&row.iter().map(text).collect::<Vec<_>>())
}
