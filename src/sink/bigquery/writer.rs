//! A lane's writer: one task that owns a write stream and the connection to it.
//!
//! Requests are pipelined and answered in order. Whatever fails, one rule keeps the stream true:
//! a request is repeated on the same stream only with the same bytes at the same offset; if
//! anything about it has to change, all unsettled rows go to a fresh stream, because a late copy of
//! the old request could still land on the old one (docs/adr/0001-exactly-once.md).

mod beside;

use std::collections::{BTreeMap, VecDeque};
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
use super::BigQuery;
use super::append::{Append, Connection};
use super::descriptor::writer_schema;
use super::errors::{CallError, Verdict};
use crate::config::TableId;
use crate::pipeline::{Batch, BatchId, Reason};
use crate::retry::Backoff;
use crate::row::{RowBuffer, TableSchema};
use crate::sink::dead_letter::DeadLetters;
use crate::sink::{
    Command, Lane, LaneMode, Report, Reports, Reread, SinkError, StreamName, StreamPlace, Writer,
};
use crate::source::Position;

/// Requests on their way at once: what a lost connection makes us send again.
const PIPELINED: usize = 16;

/// Bytes on their way above which the next request waits. A connection of BigQuery carries ten
/// megabytes a second or so, and answers within half a second: with as much as that on the way it
/// never waits for us. One request at a time would be a round trip a megabyte.
const PIPELINED_BYTES: usize = 8 << 20;

/// BigQuery takes 20 MB a request. A larger batch is cut; a single row may be larger than this.
const REQUEST_BYTES: usize = 9 << 20;

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

/// One request's rows, from the batch to the acknowledgement.
#[derive(Debug, Clone)]
struct Part {
    batch: BatchId,
    rows: Arc<RowBuffer>,
    /// Row offset in the current stream, once sent there.
    offset: Option<u64>,
    /// Sent on an earlier connection too, so the stream may have it already.
    sent_before: bool,
    sent_at: Option<Instant>,
}

/// A batch not yet settled.
struct Open {
    id: BatchId,
    /// Requests not yet acknowledged.
    parts: usize,
    /// Dead-letter deliveries under way.
    deliveries: usize,
    /// Acknowledged parts, kept while others of the batch may still move to a fresh stream.
    acked: Vec<Arc<RowBuffer>>,
    place: Option<StreamPlace>,
    letters: Vec<Reason>,
}

struct Task {
    bigquery: BigQuery,
    parts: Parts,
    channel: Channel,
    schema: Bytes,
    buffered: bool,
    /// Where appends go: the default stream, or the lane's own once created.
    stream: Option<StreamName>,
    next_row: u64,
    connection: Option<Connection>,
    /// The connection's first request names stream and schema.
    introduced: bool,
    /// Unacknowledged requests in order; the first `in_air` of them are sent.
    queue: VecDeque<Part>,
    in_air: usize,
    open: VecDeque<Open>,
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
            next_row: 0,
            connection: None,
            introduced: false,
            queue: VecDeque::new(),
            in_air: 0,
            open: VecDeque::new(),
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
        let mut open = Open {
            id: batch.id,
            parts: 0,
            deliveries: 0,
            acked: Vec::new(),
            place: None,
            letters: Vec::new(),
        };
        if !batch.rows.is_empty() {
            for rows in batch.rows.split(REQUEST_BYTES) {
                open.parts += 1;
                self.queue.push_back(Part::new(batch.id, Arc::new(rows)));
            }
        }
        if !batch.letters.is_empty() {
            open.deliveries = 1;
            self.deliver(batch.id, batch.letters);
        }
        self.open.push_back(open);
        self.settle();
    }

    /// Sends what may be sent: opens the stream and the connection when there is something to send.
    async fn pump(&mut self) -> Result<(), SinkError> {
        if self.resume_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.resume_at = None;
        while self.in_air < self.queue.len().min(PIPELINED) && !self.has_enough_in_air() {
            let Some(stream) = self.stream.clone() else {
                match self.bigquery.create_stream(&self.channel, &self.parts.table).await {
                    Ok(name) => {
                        self.stream = Some(StreamName(Arc::from(name)));
                        self.next_row = 0;
                    }
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
            let part = &mut self.queue[self.in_air];
            let offset = *part.offset.get_or_insert(self.next_row);
            self.next_row = self.next_row.max(offset + part.rows.len() as u64);
            part.sent_at = Some(Instant::now());
            connection.send(Append {
                stream: (!self.introduced).then(|| stream.0.clone()),
                schema: (!self.introduced).then(|| self.schema.clone()),
                offset: self.buffered.then_some(offset),
                rows: part.rows.clone(),
            });
            self.introduced = true;
            self.in_air += 1;
        }
        Ok(())
    }

    fn has_enough_in_air(&self) -> bool {
        let bytes: usize = self.queue.iter().take(self.in_air).map(|part| part.rows.bytes()).sum();
        bytes >= PIPELINED_BYTES
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
            None if self.in_air == 0 => {
                self.disconnect();
                return Ok(());
            }
            None => CallError::no_answer("append to", &on),
        };
        if self.in_air == 0 {
            self.disconnect();
            return Ok(());
        }
        self.failed(error)
    }

    /// The oldest request is in the stream.
    fn acknowledged(&mut self) {
        let Some(part) = self.queue.pop_front() else { return };
        self.in_air = self.in_air.saturating_sub(1);
        self.backoff.reset();
        self.slow.reset();
        self.fresh_in_a_row = 0;
        if let Some(sent_at) = part.sent_at {
            self.bigquery.metrics().append_seconds.observe(sent_at.elapsed().as_secs_f64());
        }
        let place = match (&self.stream, part.offset) {
            (Some(stream), Some(offset)) if self.buffered => {
                Some(StreamPlace { stream: stream.clone(), rows: offset + part.rows.len() as u64 })
            }
            _ => None,
        };
        if let Some(open) = self.open.iter_mut().find(|open| open.id == part.batch) {
            open.parts -= 1;
            open.acked.push(part.rows);
            open.place = place;
        }
        self.settle();
    }

    /// `row_errors`: nothing of the oldest request was written. The bad rows become dead letters,
    /// the others are sent again: in the default stream behind the rest, else on a fresh stream.
    fn refuse_rows(&mut self, errors: &[RowError]) -> Result<(), SinkError> {
        let Some(mut part) = self.queue.pop_front() else { return Ok(()) };
        self.in_air = self.in_air.saturating_sub(1);
        let positions = part.rows.positions();
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
        part.rows = Arc::new(part.rows.without(&bad));
        (part.offset, part.sent_before) = (None, false);
        if let Some(open) = self.open.iter_mut().find(|open| open.id == part.batch) {
            open.deliveries += 1;
            if part.rows.is_empty() {
                open.parts -= 1;
            }
        }
        self.deliver_refused(part.batch, refused);
        if !part.rows.is_empty() {
            if self.buffered { self.queue.push_front(part) } else { self.queue.push_back(part) }
        }
        if self.buffered {
            self.fresh_stream();
        }
        self.settle();
        Ok(())
    }

    /// Decides what becomes of a failed call.
    fn failed(&mut self, error: CallError) -> Result<(), SinkError> {
        match error.verdict() {
            Verdict::AlreadyExists if self.queue.front().is_some_and(|part| part.sent_before) => {
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
        tracing::warn!(error = %error, pause_ms, unanswered = self.in_air, "append again");
        self.bigquery.metrics().append_retries.inc();
        self.report(Report::Waiting);
        self.disconnect();
        self.resume_at = Some(Instant::now() + pause);
    }

    /// Everything unanswered will be sent again, the same bytes at the same offsets.
    fn disconnect(&mut self) {
        self.connection = None;
        for part in self.queue.iter_mut().take(self.in_air) {
            part.sent_before = true;
        }
        self.in_air = 0;
    }

    /// All unsettled rows go to a stream that no old request can reach. A batch of which a part
    /// was acknowledged goes whole: its place has to be in one stream.
    fn fresh_stream(&mut self) {
        self.disconnect();
        self.stream = None;
        self.next_row = 0;
        for part in &mut self.queue {
            (part.offset, part.sent_before) = (None, false);
        }
        for open in self.open.iter_mut().rev().filter(|open| open.parts > 0) {
            open.place = None;
            open.parts += open.acked.len();
            let at = self.queue.iter().position(|part| part.batch == open.id).unwrap_or(0);
            for rows in open.acked.drain(..).rev() {
                self.queue.insert(at, Part::new(open.id, rows));
            }
        }
    }

    /// Reports what is wholly acknowledged and delivered. Dead letters may keep a batch back while
    /// later ones pass.
    fn settle(&mut self) {
        let mut index = 0;
        while index < self.open.len() {
            let open = &self.open[index];
            if open.parts > 0 || open.deliveries > 0 {
                index += 1;
                continue;
            }
            let Some(open) = self.open.remove(index) else { break };
            self.report(Report::Settled {
                batch: open.id,
                place: open.place,
                rows: open.acked.iter().map(|rows| rows.len()).sum(),
                bytes: open.acked.iter().map(|rows| rows.bytes()).sum(),
                letters: open.letters,
            });
        }
    }

    fn check_silence(&mut self) -> Result<(), SinkError> {
        let oldest = self.queue.front().filter(|_| self.in_air > 0).and_then(|part| part.sent_at);
        if oldest.is_some_and(|sent| sent.elapsed() >= self.parts.answer) {
            let on = self.stream.as_ref().map_or_else(String::new, |stream| stream.0.to_string());
            return self.failed(CallError::no_answer("append to", &on));
        }
        Ok(())
    }

    fn next_wake(&self) -> Option<Instant> {
        let silence = self.queue.front().filter(|_| self.in_air > 0).and_then(|part| part.sent_at);
        self.resume_at.or(silence.map(|sent| sent + self.parts.answer))
    }

    fn report(&self, report: Report) {
        self.parts.reports.send(self.parts.lane, report);
    }
}

impl Part {
    fn new(batch: BatchId, rows: Arc<RowBuffer>) -> Self {
        Self { batch, rows, offset: None, sent_before: false, sent_at: None }
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
