//! A lane's writer: one task that owns a write stream and the connection to it.
//!
//! Requests are pipelined and answered in order. Whatever fails, one rule keeps the stream true:
//! a request is repeated on the same stream only with the same bytes at the same offset; if
//! anything about it has to change, all unsettled rows go to a fresh stream, because a late copy of
//! the old request could still land on the old one (docs/adr/0001-exactly-once.md).

mod beside;
mod unsettled;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::Response;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{AppendRowsResponse, RowError};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::Channel;

use self::beside::Beside;
use self::unsettled::Unsettled;
use super::BigQuery;
use super::append::{Append, Connection};
use super::descriptor::writer_schema;
use super::errors::{CallError, Verdict};
use crate::config::TableId;
use crate::record::Position;
use crate::retry::Backoff;
use crate::row::TableSchema;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::{
    Batch, Command, Lane, LaneMode, Report, Reports, Reread, SinkError, StreamName, Writer,
};

/// An append that is not answered for so long never will be (seen with other clients: a connection
/// that takes requests and answers none).
pub const ANSWER: Duration = Duration::from_secs(60);

/// A fresh stream that fails in its turn this often without one acknowledged request between means
/// that something else is wrong.
const FRESH_STREAMS: u32 = 5;

/// What a writer is made of.
pub struct Parts {
    pub lane: Lane,
    pub mode: LaneMode,
    pub table: TableId,
    pub schema: Arc<TableSchema>,
    pub letters: DeadLetters,
    pub reread: Arc<dyn Reread>,
    pub reports: Reports,
    /// How long an append may stay unanswered: [`ANSWER`], less in tests.
    pub answer: Duration,
}

/// Starts the task; it ends with the handle or with a permanent error, which it reports.
pub fn spawn(bigquery: BigQuery, parts: Parts) -> Writer {
    let (commands, inbox) = unbounded_channel();
    tokio::spawn(async move {
        let (lane, reports) = (parts.lane, parts.reports.clone());
        if let Err(error) = Task::new(bigquery, parts).run(inbox).await {
            reports.send(lane, Report::Failed(error));
        }
    });
    Writer::new(commands)
}

struct Task {
    bigquery: BigQuery,
    parts: Parts,
    channel: Channel,
    schema: Bytes,
    buffered: bool,
    /// Where appends go: the default stream, or the lane's own once created.
    stream: Option<StreamName>,
    connection: Option<Connection>,
    /// The connection's first request names stream and schema.
    introduced: bool,
    unsettled: Unsettled,
    beside: JoinSet<Result<Beside, SinkError>>,
    backoff: Backoff,
    slow: Backoff,
    resume_at: Option<Instant>,
    fresh_in_a_row: u32,
}

impl Task {
    fn new(bigquery: BigQuery, parts: Parts) -> Self {
        let buffered = matches!(parts.mode, LaneMode::Buffered { .. });
        let default = StreamName(Arc::from(format!("{}/streams/_default", parts.table.path())));
        Self {
            channel: bigquery.channel(),
            schema: writer_schema(&parts.schema),
            buffered,
            stream: (!buffered).then_some(default),
            connection: None,
            introduced: false,
            unsettled: Unsettled::default(),
            beside: JoinSet::new(),
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(10)),
            slow: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            resume_at: None,
            fresh_in_a_row: 0,
            bigquery,
            parts,
        }
    }

    async fn run(mut self, mut inbox: UnboundedReceiver<Command>) -> Result<(), SinkError> {
        if let LaneMode::Buffered { recover } = self.parts.mode.clone() {
            match recover {
                Some(place) => self.flush(place, Beside::Recovered),
                None => self.report(Report::Recovered),
            }
        }
        loop {
            self.pump().await?;
            let wake = self.next_wake();
            tokio::select! {
                command = inbox.recv() => match command {
                    None => return Ok(()),
                    Some(Command::Append(batch)) => self.admit(batch),
                    Some(Command::Flush(place)) => {
                        let done = Beside::Flushed(place.clone());
                        self.flush(place, done);
                    }
                    Some(Command::Finalize(stream)) => self.finalize(stream),
                },
                answer = next_answer(&mut self.connection) => self.answered(answer)?,
                Some(done) = self.beside.join_next(), if !self.beside.is_empty() => {
                    match done {
                        Ok(done) => self.finished(done?),
                        Err(error) => return Err(SinkError {
                            what: "run a write task".to_owned(),
                            hint: "please report this with the log around it".to_owned(),
                            source: Some(Box::new(error)),
                        }),
                    }
                }
                () = sleep_until(wake), if wake.is_some() => self.check_silence()?,
            }
        }
    }

    /// Takes a batch on: its rows join the queue, its dead letters leave at once.
    fn admit(&mut self, batch: Batch) {
        self.unsettled.admit(batch.id, batch.rows, !batch.letters.is_empty());
        if !batch.letters.is_empty() {
            self.deliver(batch.id, batch.letters);
        }
        self.settle();
    }

    /// Sends what may be sent: opens the stream and the connection when there is something to send.
    async fn pump(&mut self) -> Result<(), SinkError> {
        if self.resume_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.resume_at = None;
        while self.unsettled.may_send() {
            let Some(stream) = self.stream.clone() else {
                match self.bigquery.create_stream(&self.channel, &self.parts.table).await {
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
                schema: (!self.introduced).then(|| self.schema.clone()),
                offset: self.buffered.then_some(offset),
                rows,
            });
            self.introduced = true;
        }
        Ok(())
    }

    fn answered(
        &mut self,
        answer: Option<Result<AppendRowsResponse, Status>>,
    ) -> Result<(), SinkError> {
        let on = self.stream.as_ref().map_or_else(String::new, |stream| stream.0.to_string());
        let error = match answer {
            Some(Ok(response)) if !response.row_errors.is_empty() => {
                return self.refuse_rows(&response.row_errors);
            }
            Some(Ok(response)) => match response.response {
                Some(Response::Error(status)) => CallError::in_band("append to", &on, &status),
                Some(Response::AppendResult(_)) | None => {
                    self.acknowledged();
                    return Ok(());
                }
            },
            Some(Err(status)) => CallError::of_status("append to", &on, &status),
            // Idle connections are closed by the service; with nothing on its way that is no fault.
            None if self.unsettled.in_air() == 0 => {
                self.disconnect();
                return Ok(());
            }
            None => CallError::no_answer("append to", &on),
        };
        if self.unsettled.in_air() == 0 {
            self.disconnect();
            return Ok(());
        }
        self.failed(error)
    }

    /// The oldest request is in the stream.
    fn acknowledged(&mut self) {
        let own_stream = self.stream.as_ref().filter(|_| self.buffered);
        let Some(waited) = self.unsettled.acknowledge(own_stream) else { return };
        self.backoff.reset();
        self.slow.reset();
        self.fresh_in_a_row = 0;
        self.bigquery.metrics().append_seconds.observe(waited.as_secs_f64());
        self.settle();
    }

    /// `row_errors`: nothing of the oldest request was written. The bad rows become dead letters,
    /// the others are sent again: in the default stream behind the rest, else on a fresh stream.
    fn refuse_rows(&mut self, errors: &[RowError]) -> Result<(), SinkError> {
        let Some((batch, positions)) = self.unsettled.oldest() else { return Ok(()) };
        let errors: BTreeMap<usize, &RowError> = errors
            .iter()
            .filter_map(|error| Some((usize::try_from(error.index).ok()?, error)))
            .filter(|(index, _)| *index < positions.len())
            .collect();
        let bad: Vec<usize> = errors.keys().copied().collect();
        let refused: Vec<(Position, String)> = errors
            .iter()
            .map(|(index, error)| (positions[*index], error.message.clone()))
            .collect();
        if refused.is_empty() {
            return Err(SinkError {
                what: format!("append to {}", self.parts.table),
                hint: "BigQuery refuses rows it does not name; please report this".to_owned(),
                source: None,
            });
        }
        tracing::warn!(rows = refused.len(), table = %self.parts.table, "bigquery refuses rows");
        self.unsettled.refuse(&bad, self.buffered);
        self.deliver_refused(batch, refused);
        if self.buffered {
            self.fresh_stream();
        }
        self.settle();
        Ok(())
    }

    /// Decides what becomes of a failed call.
    fn failed(&mut self, error: CallError) -> Result<(), SinkError> {
        match error.verdict() {
            Verdict::AlreadyExists if self.unsettled.oldest_was_sent_before() => {
                self.acknowledged();
                return Ok(());
            }
            Verdict::AlreadyExists | Verdict::FreshStream if self.buffered => {
                self.fresh_in_a_row += 1;
                if self.fresh_in_a_row > FRESH_STREAMS {
                    return Err(error.stop("fresh write streams fail one after the other"));
                }
                tracing::warn!(error = %error, "going on with a fresh write stream");
                self.fresh_stream();
            }
            Verdict::AlreadyExists | Verdict::FreshStream => {
                return Err(error.stop("the default stream knows no offsets; please report this"));
            }
            Verdict::Retry => self.again_after(&error, false),
            Verdict::RetrySlowly => self.again_after(&error, true),
            Verdict::Stop(hint) => return Err(error.stop(hint)),
        }
        Ok(())
    }

    fn again_after(&mut self, error: &CallError, slowly: bool) {
        let pause = if slowly { self.slow.pause() } else { self.backoff.pause() };
        let pause_ms = pause.as_millis() as u64;
        tracing::warn!(error = %error, pause_ms, unanswered = self.unsettled.in_air(), "append again");
        self.bigquery.metrics().append_retries.inc();
        self.report(Report::Waiting);
        self.disconnect();
        self.resume_at = Some(Instant::now() + pause);
    }

    /// Everything unanswered will be sent again, the same bytes at the same offsets.
    fn disconnect(&mut self) {
        self.connection = None;
        self.unsettled.unsend();
    }

    /// All unsettled rows go to a stream that no old request can reach.
    fn fresh_stream(&mut self) {
        self.connection = None;
        self.stream = None;
        self.unsettled.start_over();
    }

    fn settle(&mut self) {
        while let Some(settled) = self.unsettled.settle() {
            self.report(settled);
        }
    }

    fn check_silence(&mut self) -> Result<(), SinkError> {
        if self.unsettled.waits_since().is_some_and(|sent| sent.elapsed() >= self.parts.answer) {
            let on = self.stream.as_ref().map_or_else(String::new, |stream| stream.0.to_string());
            return self.failed(CallError::no_answer("append to", &on));
        }
        Ok(())
    }

    fn next_wake(&self) -> Option<Instant> {
        let silent = self.unsettled.waits_since().map(|since| since + self.parts.answer);
        self.resume_at.or(silent)
    }

    fn report(&self, report: Report) {
        self.parts.reports.send(self.parts.lane, report);
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

#[cfg(all(test, feature = "local"))]
#[path = "writer_tests/mod.rs"]
mod tests;
