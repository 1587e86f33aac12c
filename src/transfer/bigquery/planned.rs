//! What a run would do to a table of BigQuery.

use super::method::{Method, query};
use crate::config::TableId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{Job, JobError, Range, TargetTable, count};
use crate::stop::Stop;
use crate::transfer::planned::{Planned, Replaced};
use crate::transfer::target::Change;

/// The most that counting may bill. A day of a large table is far below, because only the date column
/// is read.
const MOST_BYTES_BILLED: u64 = 1 << 30;

/// Reads the table as it is, and counts the rows that are replaced.
pub async fn planned(
    bigquery: &BigQuery,
    target: &TableId,
    change: &Change<'_>,
) -> Result<Planned, Stop> {
    let Some(live) = bigquery.find_table(target).await? else { return Ok(Planned::of_no_table()) };
    let method = Method::choose(change, &live)?;
    let replaced = match (Method::range(change, &live), live.rows()) {
        (None, Some(rows)) => Replaced::Counted { rows, bytes_billed: 0 },
        (range, _) => counted(bigquery, &live, range.as_ref()).await?,
    };
    Ok(Planned { method: Some(method.describe(target)), replaced })
}

async fn counted(
    bigquery: &BigQuery,
    live: &TargetTable,
    range: Option<&Range>,
) -> Result<Replaced, Stop> {
    let mut configuration = query(&count(&live.table, range));
    configuration["query"]["maximumBytesBilled"] = MOST_BYTES_BILLED.to_string().into();
    let job = Job {
        what: format!("count the rows of {}", live.table),
        project: &live.table.project,
        location: live.location(),
        id: format!("generic_consumer_plan_{:016x}", rand::random::<u64>()),
        configuration,
    };
    let done = match bigquery.run_job(&job).await {
        Err(JobError::Failed { reason, .. }) if reason == "bytesBilledLimitExceeded" => {
            return Ok(Replaced::TooDear { most_billed: MOST_BYTES_BILLED });
        }
        done => done.map_err(|error| error.stop("the message is BigQuery's"))?,
    };
    let rows = bigquery.answer(&job, &done).await?;
    let cell = rows.first().and_then(|row| row.first()).and_then(|cell| cell.as_str());
    Ok(Replaced::Counted {
        rows: cell.and_then(|cell| cell.parse().ok()).unwrap_or(0),
        bytes_billed: done.number("/query/totalBytesBilled"),
    })
}
