//! The status of a transfer into BigQuery: one query of the table of runs, and the names of tables.

use serde_json::Value;

use super::{Held, Left, PastRun, Status};
use crate::config::TableId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{Job, TargetTable, name, text};
use crate::stop::Stop;
use crate::transfer::days::execution_date;
use crate::transfer::names;
use crate::transfer::runs;
use crate::transfer::target;

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
    let runs = bigquery.find_table(&runs::table(target)).await?;
    let mut status = Status::default();
    // Not even the dataset may be there before the first run.
    if runs.is_none() && bigquery.find_table(target).await?.is_none() {
        return Ok(status);
    }
    let prefix = names::of_transfer(target, transfer);
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
    let mut configuration = target::query(&sql);
    configuration["query"]["maximumBytesBilled"] = MOST_BYTES_BILLED.to_string().into();
    let job = Job {
        what: format!("read {}", runs.table),
        project: &target.project,
        location: runs.location(),
        id: format!("generic_consumer_status_{:016x}", rand::random::<u64>()),
        configuration,
    };
    let hint = "the message is BigQuery's";
    let done = bigquery.run_job(&job).await.map_err(|error| error.stop(hint))?;
    let rows = bigquery.answer(&job, &done).await?;
    let runs = rows.iter().map(|row| past_run(row)).collect();
    Ok((runs, done.number("/query/totalBytesBilled")))
}

/// A row with [`COLUMNS`].
fn past_run(row: &[Value]) -> PastRun {
    let text = |column: usize| row.get(column).and_then(Value::as_str).unwrap_or_default();
    let known = |column: usize| text(column).parse::<u64>().ok();
    let number = |column| known(column).unwrap_or(0);
    let micros = |column: usize| text(column).parse().unwrap_or(0);
    PastRun {
        run: number(0),
        mode: text(1).to_owned(),
        first_day: text(2).to_owned(),
        last_day: text(3).to_owned(),
        state: text(4).to_owned(),
        started_micros: micros(5),
        ended_micros: micros(6),
        read: number(7),
        staged: number(8),
        rejected: number(9),
        ignored: number(10),
        inserted: number(11),
        updated: number(12),
        deleted: known(13),
        bytes_billed: known(14),
        fingerprint: text(15).to_owned(),
        job: text(16).to_owned(),
        program: text(17).to_owned(),
    }
}
