//! What a run would do to a table of BigQuery.

use super::method::Method;
use crate::config::TableId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{JobError, Range, Select, Selected, TargetTable, count};
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
    let sql = count(&live.table, range);
    let selected = bigquery.select(Select {
        what: format!("count the rows of {}", live.table),
        project: &live.table.project,
        location: live.location(),
        sql: &sql,
        most_bytes_billed: Some(MOST_BYTES_BILLED),
    });
    let Selected { rows, bytes_billed } = match selected.await {
        Err(JobError::Failed { reason, .. }) if reason == "bytesBilledLimitExceeded" => {
            return Ok(Replaced::TooDear { most_billed: MOST_BYTES_BILLED });
        }
        selected => selected.map_err(|error| error.stop("the message is BigQuery's"))?,
    };
    let cell = rows.first().and_then(|row| row.first()).and_then(|cell| cell.as_str());
    let rows = cell.and_then(|cell| cell.parse().ok()).unwrap_or(0);
    Ok(Replaced::Counted { rows, bytes_billed })
}
