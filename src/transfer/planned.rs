//! What a run would do to its target, before it does anything.

use super::error::TransferError;
use super::request::Request;
use super::target::{Method, query, range};
use crate::config::{Duplicates, TableId, TransferSettings};
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{Job, JobError, Range, TargetTable, count};

/// The most that counting may bill. A day of a large table is far below, because only the date column
/// is read.
const MOST_BYTES_BILLED: u64 = 1 << 30;

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

/// Reads the target as it is, and counts the rows that are replaced.
pub async fn planned(
    bigquery: &BigQuery,
    settings: &TransferSettings,
    request: &Request,
    target: &TableId,
) -> Result<Planned, TransferError> {
    let Some(live) = bigquery.find_table(target).await? else {
        let replaced = Replaced::Counted { rows: 0, bytes_billed: 0 };
        return Ok(Planned { method: None, replaced });
    };
    let orders = settings.duplicates == Duplicates::Last && !settings.key.is_empty();
    let method = Method::choose(settings, request.mode, &request.days, &live, !orders)?;
    let range = range(settings, &request.days, &live);
    let replaced = match (range, live.rows()) {
        (None, Some(rows)) => Replaced::Counted { rows, bytes_billed: 0 },
        (range, _) => counted(bigquery, &live, range.as_ref()).await?,
    };
    Ok(Planned { method: Some(method.describe(target)), replaced })
}

async fn counted(
    bigquery: &BigQuery,
    live: &TargetTable,
    range: Option<&Range>,
) -> Result<Replaced, TransferError> {
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
