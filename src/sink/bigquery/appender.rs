//! The append loop: batches of rows go to one write stream, requests are pipelined and answered in
//! order, and whatever fails is retried as its error asks for. Lanes use it for rows, and the
//! dead-letter table for letters.
//!
//! One invariant holds, whatever fails: a request is repeated on the same stream only with
//! the same bytes at the same offset. If anything about it has to change, all unsettled rows go to a
//! fresh stream, because a late copy of the old request could still arrive on the old one
//! (docs/adr/0001-exactly-once.md).

mod unsettled;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::Response;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{AppendRowsResponse, RowError};
use tonic::Status;
use tonic::transport::Channel;

pub use self::unsettled::Settled;
use self::unsettled::Unsettled;
use super::append::{Append, Connection};
use super::client::BigQuery;
use super::errors::{CHECK_TABLE, CallError, Missing, Verdict};
use super::row_error;
use super::stream::StreamName;
use crate::config::TableId;
use crate::error_chain::chain;
use crate::record::{Position, Rejected};
use crate::retry::Backoff;
use crate::row::RowBuffer;
use crate::sink::BatchId;
use crate::stop::Stop;
use crate::telemetry::Waits;

#[cfg(all(test, feature = "local"))]
pub use self::unsettled::REQUEST_BYTES;

/// Timeout of an append. Some connections accept requests and never answer; after this time the
/// appender opens another.
pub const ANSWER: Duration = Duration::from_secs(60);

/// Fresh streams that fail one after the other, without an acknowledged request in between, mean
/// that something else is wrong.
pub const FRESH_STREAMS: u32 = 5;

const STAGE_AGAIN: &str =
    "a PENDING write stream cannot be continued, and nothing of it was committed: start again";

/// How long a table or a stream may be unknown to some of BigQuery's servers after its creation. Users
/// report up to a minute.
const PROPAGATION: Duration = Duration::from_secs(300);

/// The kind of stream that rows go to. Streams other than the default one are created when the first
/// row comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// The default stream: rows are visible at once and have no offsets.
    Default,
    /// Rows are visible once they are flushed.
    Buffered,
    /// Rows are visible once the stream is committed as a whole. So it is never left for a fresh one:
    /// what it has would not be committed, or be committed twice.
    Pending,
}

impl StreamKind {
    /// Whether a row's place is given by an offset, so that a request can be repeated.
    pub fn has_offsets(self) -> bool {
        match self {
            Self::Default => false,
            Self::Buffered | Self::Pending => true,
        }
    }
}

/// Where the rows go.
#[derive(Debug, Clone)]
pub struct Destination {
    pub table: TableId,
    /// The encoded `ProtoSchema` of the rows.
    pub schema: Bytes,
    /// When the table was created, where that is known.
    pub created: Option<Instant>,
    pub stream: StreamKind,
    /// How long an append may stay unanswered: [`ANSWER`], less in tests.
    pub answer: Duration,
}

impl Destination {
    /// Whether the table was created so recently that some servers may not find it yet.
    pub fn is_new(&self) -> bool {
        self.created.is_some_and(|created| created.elapsed() < PROPAGATION)
    }
}

/// What a step of the loop brought.
#[derive(Debug)]
pub enum Appended {
    /// The oldest request is in the stream; how long its answer took.
    Acknowledged(Duration),
    /// A call failed and will be repeated after a pause.
    Retrying(Waits),
    /// BigQuery refuses these rows of a batch. The batch's other rows are sent again; these are to
    /// become dead letters, see [`Appender::delivered`].
    Refused { batch: BatchId, rows: Vec<RefusedRow> },
    /// The owner has nothing to do.
    Nothing,
}

/// A row that BigQuery does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    pub at: Position,
    /// As it was sent.
    pub row: Vec<u8>,
    /// BigQuery's message without the row's values.
    pub message: String,
}

/// One write stream at a time, the connection to it, and the batches not yet settled.
pub struct Appender {
    bigquery: BigQuery,
    to: Destination,
    channel: Channel,
    /// The default stream, or the current BUFFERED one once it is created.
    stream: Option<StreamName>,
    connection: Option<Connection>,
    /// The connection's first request has named stream and schema.
    introduced: bool,
    unsettled: Unsettled,
    backoff: Backoff,
    /// For quotas, and for schema changes that have not arrived everywhere.
    slow_backoff: Backoff,
    resume_at: Option<Instant>,
    fresh_in_a_row: u32,
    /// When the first of the fresh streams in a row was not found.
    not_found_since: Option<Instant>,
}

impl Appender {
    pub fn new(bigquery: BigQuery, channel: Channel, to: Destination) -> Self {
        let default = StreamName(Arc::from(format!("{}/streams/_default", to.table.path())));
        Self {
            channel,
            stream: (!to.stream.has_offsets()).then_some(default),
            connection: None,
            introduced: false,
            unsettled: Unsettled::default(),
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(10)),
            slow_backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            resume_at: None,
            fresh_in_a_row: 0,
            not_found_since: None,
            bigquery,
            to,
        }
    }

    /// Takes a batch on. `delivers`: dead letters of it are being delivered, which
    /// [`Appender::delivered`] will confirm.
    pub fn admit(&mut self, batch: BatchId, rows: RowBuffer, delivers: bool) {
        self.unsettled.admit(batch, rows, delivers);
    }

    /// One delivery of dead letters of this batch is durable.
    pub fn delivered(&mut self, batch: BatchId, letters: Vec<Rejected>) {
        self.unsettled.delivered(batch, letters);
    }

    /// Returns the next batch whose rows are all acknowledged and whose letters are delivered.
    pub fn settled(&mut self) -> Option<Settled> {
        self.unsettled.settle()
    }

    /// The stream that rows go to; `None` before one was created.
    pub fn stream(&self) -> Option<&StreamName> {
        self.stream.as_ref()
    }

    /// Whether rows still go to this stream.
    pub fn is_on(&self, stream: &StreamName) -> bool {
        self.stream.as_ref() == Some(stream)
    }

    /// Sends what may be sent: creates the stream and opens the connection when there is something
    /// to send. To be called before each [`Appender::next`], and not to be cancelled.
    pub async fn send(&mut self) -> Result<Appended, Stop> {
        if self.resume_at.is_some_and(|at| Instant::now() < at) {
            return Ok(Appended::Nothing);
        }
        self.resume_at = None;
        while self.unsettled.may_send() {
            let Some(stream) = self.stream.clone() else {
                match self
                    .bigquery
                    .create_stream(&self.channel, &self.to.table, self.to.stream)
                    .await
                {
                    Ok(name) => self.stream = Some(StreamName(Arc::from(name))),
                    Err(error) => return self.failed(error),
                }
                continue;
            };
            let Some(connection) = &self.connection else {
                match self.bigquery.append(&self.channel, &stream.0).await {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        self.introduced = false;
                    }
                    Err(error) => return self.failed(error),
                }
                continue;
            };
            let Some((offset, rows)) = self.unsettled.send() else { break };
            connection.send(Append {
                stream: (!self.introduced).then(|| stream.0.clone()),
                schema: (!self.introduced).then(|| self.to.schema.clone()),
                offset: self.to.stream.has_offsets().then_some(offset),
                rows,
            });
            self.introduced = true;
        }
        Ok(Appended::Nothing)
    }

    /// Waits for the next answer, or for the time to retry. May be cancelled.
    pub async fn next(&mut self) -> Result<Appended, Stop> {
        let wake = self.next_wake();
        tokio::select! {
            answer = next_answer(&mut self.connection) => self.answered(answer),
            () = sleep_until(wake), if wake.is_some() => self.check_silence(),
        }
    }

    fn answered(
        &mut self,
        answer: Option<Result<AppendRowsResponse, Status>>,
    ) -> Result<Appended, Stop> {
        let on = self.stream_name();
        let error = match answer {
            Some(Ok(response)) if !response.row_errors.is_empty() => {
                return self.refuse_rows(&response.row_errors);
            }
            Some(Ok(response)) => match response.response {
                Some(Response::Error(status)) => CallError::in_band("append to", &on, &status),
                Some(Response::AppendResult(_)) | None => return Ok(self.acknowledged()),
            },
            Some(Err(status)) => CallError::of_status("append to", &on, &status),
            None => CallError::no_answer("append to", &on),
        };
        if self.unsettled.unanswered() == 0 {
            // The service closes idle connections, which is no failure.
            self.disconnect();
            return Ok(Appended::Nothing);
        }
        self.failed(error)
    }

    /// The oldest request is in the stream.
    fn acknowledged(&mut self) -> Appended {
        let stream = self.stream.as_ref().filter(|_| self.to.stream.has_offsets());
        let Some(waited) = self.unsettled.acknowledge(stream) else { return Appended::Nothing };
        self.backoff.reset();
        self.slow_backoff.reset();
        self.fresh_in_a_row = 0;
        self.not_found_since = None;
        Appended::Acknowledged(waited)
    }

    /// `row_errors`: nothing of the oldest request was written. Its good rows are sent again: on the
    /// default stream after the others, else on a fresh stream.
    fn refuse_rows(&mut self, errors: &[RowError]) -> Result<Appended, Stop> {
        let Some((batch, sent)) = self.unsettled.oldest() else {
            return Ok(Appended::Nothing);
        };
        let errors: BTreeMap<usize, &RowError> = errors
            .iter()
            .filter_map(|error| Some((usize::try_from(error.index).ok()?, error)))
            .collect();
        let mut bad = Vec::new();
        let mut rows = Vec::new();
        for (index, (at, row)) in sent.rows().enumerate() {
            if let Some(error) = errors.get(&index) {
                bad.push(index);
                let message = row_error::detail(&error.message, &self.to.schema);
                rows.push(RefusedRow { at, row: row.to_vec(), message });
            }
        }
        if rows.is_empty() {
            return Err(Stop {
                what: format!("append to {}", self.to.table),
                hint: "BigQuery refuses rows that it does not name; please report this".to_owned(),
                source: None,
            });
        }
        tracing::warn!(rows = rows.len(), table = %self.to.table, "bigquery refuses rows");
        match self.to.stream {
            StreamKind::Default => self.unsettled.refuse(&bad, false),
            StreamKind::Buffered => {
                self.unsettled.refuse(&bad, true);
                self.fresh_stream();
            }
            // The owner stages all rows but these again.
            StreamKind::Pending => {}
        }
        Ok(Appended::Refused { batch, rows })
    }

    /// Decides what becomes of a failed call.
    fn failed(&mut self, error: CallError) -> Result<Appended, Stop> {
        match error.verdict() {
            Verdict::AlreadyExists if self.unsettled.oldest_was_sent_before() => {
                Ok(self.acknowledged())
            }
            Verdict::AlreadyExists | Verdict::FreshStream
                if self.to.stream == StreamKind::Pending =>
            {
                Err(error.stop(STAGE_AGAIN))
            }
            Verdict::AlreadyExists | Verdict::FreshStream if self.to.stream.has_offsets() => {
                self.fresh_in_a_row += 1;
                if self.fresh_in_a_row > FRESH_STREAMS {
                    return Err(error.stop("five fresh write streams failed in a row: check BigQuery's status, start again, and report this with the message if it goes on"));
                }
                tracing::warn!(error = %chain(&error), "continuing with a fresh write stream");
                self.fresh_stream();
                Ok(Appended::Nothing)
            }
            Verdict::AlreadyExists | Verdict::FreshStream => {
                Err(error.stop("BigQuery returned an error that the default stream has no reason for; please report this with the message"))
            }
            Verdict::Retry => Ok(self.retry(&error, false)),
            Verdict::RetrySlowly => Ok(self.retry(&error, true)),
            Verdict::NotFound(missing) => self.not_found(error, missing),
            Verdict::Stop(hint) => Err(error.stop(hint)),
        }
    }

    /// A table is waited for while it is new. A BUFFERED stream is replaced by a fresh one, whose
    /// creation fails if it is the table that does not exist: at once the first time, because a
    /// stream without traffic expires, and then after pauses, because servers may not know a stream
    /// yet that we have just created.
    fn not_found(&mut self, error: CallError, missing: Missing) -> Result<Appended, Stop> {
        let on_stream =
            self.to.stream.has_offsets() && self.stream.is_some() && missing != Missing::Table;
        if !on_stream {
            let is_new = self.to.is_new();
            return if is_new {
                Ok(self.retry(&error, true))
            } else {
                Err(error.stop(CHECK_TABLE))
            };
        }
        if self.to.stream == StreamKind::Pending {
            return Err(error.stop(STAGE_AGAIN));
        }
        let Some(since) = self.not_found_since else {
            self.not_found_since = Some(Instant::now());
            tracing::warn!(error = %chain(&error), "continuing with a fresh write stream");
            self.fresh_stream();
            return Ok(Appended::Nothing);
        };
        if since.elapsed() >= PROPAGATION {
            return Err(error.stop("write streams that were just created are not found"));
        }
        let retrying = self.retry(&error, true);
        self.fresh_stream();
        Ok(retrying)
    }

    fn retry(&mut self, error: &CallError, slowly: bool) -> Appended {
        let pause = if slowly { self.slow_backoff.pause() } else { self.backoff.pause() };
        let pause_ms = pause.as_millis() as u64;
        let unanswered = self.unsettled.unanswered();
        tracing::warn!(error = %chain(error), pause_ms, unanswered, "retrying appends");
        self.disconnect();
        self.resume_at = Some(Instant::now() + pause);
        Appended::Retrying(error.waits())
    }

    /// Everything unanswered will be sent again, the same bytes at the same offsets.
    fn disconnect(&mut self) {
        self.connection = None;
        self.unsettled.unsend();
    }

    /// All unsettled rows will go to a stream that no earlier request can reach.
    fn fresh_stream(&mut self) {
        self.connection = None;
        self.stream = None;
        self.unsettled.start_over();
    }

    fn check_silence(&mut self) -> Result<Appended, Stop> {
        if self.unsettled.waits_since().is_some_and(|sent| sent.elapsed() >= self.to.answer) {
            let on = self.stream_name();
            return self.failed(CallError::no_answer("append to", &on));
        }
        Ok(Appended::Nothing)
    }

    fn next_wake(&self) -> Option<Instant> {
        let silent = self.unsettled.waits_since().map(|since| since + self.to.answer);
        self.resume_at.or(silent)
    }

    fn stream_name(&self) -> String {
        self.stream.as_ref().map_or_else(String::new, |stream| stream.0.to_string())
    }
}

async fn next_answer(
    connection: &mut Option<Connection>,
) -> Option<Result<AppendRowsResponse, Status>> {
    match connection {
        Some(connection) => connection.answer().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}
