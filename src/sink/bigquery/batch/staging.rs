//! A staging table. Rows go to one PENDING write stream of it: nobody sees them before the stream is
//! committed, and then all of them at once.

use std::time::{Duration, Instant};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use tonic::transport::Channel;

use crate::config::TableId;
use crate::error_chain::chain;
use crate::record::Position;
use crate::retry::Backoff;
use crate::row::{RowBuffer, TableSchema};
use crate::sink::BatchId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::appender::{ANSWER, Appended, Appender, Destination, StreamKind};
use crate::sink::bigquery::descriptor::writer_schema;
use crate::sink::bigquery::errors::{CallError, Verdict};
use crate::stop::Stop;

/// How long transient errors of the last calls are retried: longer than a quota takes to refill.
const RETRY_FOR: Duration = Duration::from_secs(900);

/// Rows that may wait for their acknowledgement, in bytes.
const IN_FLIGHT: usize = 32 << 20;

/// The rows of a run, on their way into its staging table.
pub struct Staging {
    bigquery: BigQuery,
    channel: Channel,
    table: TableId,
    appender: Appender,
    /// Number of the next batch.
    next: u64,
    /// Batches and bytes that are not acknowledged yet.
    waiting: Vec<(BatchId, usize)>,
    acknowledged: u64,
}

/// Why rows are not staged.
#[derive(Debug)]
pub enum StagingError {
    /// BigQuery does not take these rows: the position of each, and its message without values.
    /// Nothing was committed; all others have to be staged again.
    Refused(Vec<(Position, String)>),
    Stop(Stop),
}

impl From<Stop> for StagingError {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Staging {
    /// Rows of these columns go into `table`, which this program has just created.
    pub fn new(bigquery: BigQuery, table: TableId, columns: &TableSchema) -> Self {
        let to = Destination {
            table: table.clone(),
            schema: writer_schema(columns),
            created: Some(Instant::now()),
            stream: StreamKind::Pending,
            answer: ANSWER,
        };
        let channel = bigquery.channel();
        let appender = Appender::new(bigquery.clone(), channel.clone(), to);
        Self { bigquery, channel, table, appender, next: 0, waiting: Vec::new(), acknowledged: 0 }
    }

    /// Rows that BigQuery has acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Sends rows, and waits while too many are on their way.
    pub async fn append(&mut self, rows: RowBuffer) -> Result<(), StagingError> {
        if rows.is_empty() {
            return Ok(());
        }
        let id = BatchId(self.next);
        self.next += 1;
        self.waiting.push((id, rows.bytes()));
        self.appender.admit(id, rows, false);
        self.drain(IN_FLIGHT).await
    }

    /// Makes all rows visible, and returns their number.
    pub async fn commit(mut self) -> Result<u64, StagingError> {
        self.drain(0).await?;
        let Some(stream) = self.appender.stream().map(|stream| stream.0.to_string()) else {
            return Ok(0);
        };
        let (bigquery, channel) = (&self.bigquery, &self.channel);
        let rows = retried(|| bigquery.finalize(channel, &stream)).await?;
        if rows != self.acknowledged {
            return Err(StagingError::Stop(Stop {
                what: format!(
                    "commit the write stream of {}: it has {rows} rows, and {} were acknowledged",
                    self.table, self.acknowledged
                ),
                hint: "nothing was committed; start again, and report this if it goes on"
                    .to_owned(),
                source: None,
            }));
        }
        let table = &self.table;
        let refused =
            retried(|| bigquery.batch_commit(channel, table, vec![stream.clone()])).await?;
        // A commit whose answer was lost has happened.
        let committed = StorageErrorCode::StreamAlreadyCommitted as i32;
        match refused.into_iter().find(|error| error.code != committed) {
            None => Ok(rows),
            Some(error) => Err(StagingError::Stop(Stop::new(
                format!("commit the write stream of {table}"),
                "nothing was committed; start again, and report this if it goes on",
                error.error_message,
            ))),
        }
    }

    /// Sends and waits until at most so many bytes are unacknowledged.
    async fn drain(&mut self, bytes: usize) -> Result<(), StagingError> {
        loop {
            while let Some(settled) = self.appender.settled() {
                self.waiting.retain(|(id, _)| *id != settled.batch);
                self.acknowledged += settled.rows as u64;
            }
            let waiting: usize = self.waiting.iter().map(|(_, bytes)| bytes).sum();
            if self.waiting.is_empty() || (bytes > 0 && waiting <= bytes) {
                // What may be sent is sent all the same.
                if !self.waiting.is_empty() {
                    self.appender.send().await?;
                }
                return Ok(());
            }
            self.appender.send().await?;
            if let Appended::Refused { rows, .. } = self.appender.next().await? {
                let rows = rows.into_iter().map(|row| (row.at, row.message));
                return Err(StagingError::Refused(rows.collect()));
            }
        }
    }
}

/// Repeats a call while its errors are transient. The call may have had its effect already.
async fn retried<T, F>(call: impl Fn() -> F) -> Result<T, Stop>
where
    F: Future<Output = Result<T, CallError>>,
{
    let began = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(15));
    loop {
        let error = match call().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let hint = match error.verdict() {
            Verdict::Retry | Verdict::RetrySlowly | Verdict::NotFound(_)
                if began.elapsed() < RETRY_FOR =>
            {
                tracing::warn!(error = %chain(&error), "retrying");
                tokio::time::sleep(backoff.pause()).await;
                continue;
            }
            Verdict::Stop(hint) => hint,
            Verdict::Retry
            | Verdict::RetrySlowly
            | Verdict::NotFound(_)
            | Verdict::AlreadyExists
            | Verdict::FreshStream => "nothing was committed; start again",
        };
        return Err(error.stop(hint));
    }
}
