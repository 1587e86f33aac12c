//! What an appender has taken on and not yet settled: requests in the order in which they are sent,
//! and the batches they belong to. Plain data; the service and its errors are the appender's
//! business.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::record::Rejected;
use crate::row::RowBuffer;
use crate::sink::BatchId;
use crate::sink::bigquery::stream::{StreamName, StreamPlace};

/// The most unacknowledged requests. All of them are sent again when a connection breaks.
const PIPELINED: usize = 16;

/// Unacknowledged bytes above which the next request waits. A connection to BigQuery carries about
/// ten megabytes a second and answers within half a second, so with this much sent it never waits for
/// us. One request at a time would cost a round trip for every megabyte.
const PIPELINED_BYTES: usize = 8 << 20;

/// BigQuery takes 20 MB a request. A larger batch is cut; a single row may be larger than this.
pub const REQUEST_BYTES: usize = 9 << 20;

/// A batch of which every row is acknowledged and every dead letter durable.
#[derive(Debug)]
pub struct Settled {
    pub batch: BatchId,
    /// How many rows of the BUFFERED stream must be flushed for the whole batch to be visible. `None`
    /// on the default stream, and for a batch without rows.
    pub place: Option<StreamPlace>,
    pub rows: usize,
    /// Bytes of the rows as they were sent.
    pub bytes: usize,
    pub letters: Vec<Rejected>,
}

/// Requests and the batches they belong to.
#[derive(Default)]
pub(super) struct Unsettled {
    /// Unacknowledged requests in order; the first `unanswered` of them are sent.
    requests: VecDeque<Request>,
    unanswered: usize,
    batches: VecDeque<Open>,
    /// Row offset in the current stream of the next request that was never sent to it.
    next_row: u64,
}

/// One request's rows, until they are acknowledged.
struct Request {
    batch: BatchId,
    rows: Arc<RowBuffer>,
    /// Row offset in the current stream, once sent there.
    offset: Option<u64>,
    /// Sent on an earlier connection too, so that the stream may already have it.
    sent_before: bool,
    sent_at: Option<Instant>,
}

/// A batch not yet settled.
struct Open {
    id: BatchId,
    /// Requests not yet acknowledged.
    requests: usize,
    /// Dead-letter deliveries under way.
    deliveries: usize,
    /// Acknowledged rows, kept until the batch settles: if it moves to a fresh stream they are sent
    /// again, and its counts come from them.
    acked: Vec<Arc<RowBuffer>>,
    place: Option<StreamPlace>,
    letters: Vec<Rejected>,
}

impl Unsettled {
    /// Takes a batch on and cuts its rows into requests. `delivers`: dead letters of it are being
    /// delivered.
    pub(super) fn admit(&mut self, id: BatchId, rows: RowBuffer, delivers: bool) {
        let queued = self.requests.len();
        if !rows.is_empty() {
            let cut = rows.split(REQUEST_BYTES);
            self.requests.extend(cut.into_iter().map(|rows| Request::new(id, Arc::new(rows))));
        }
        self.batches.push_back(Open {
            id,
            requests: self.requests.len() - queued,
            deliveries: usize::from(delivers),
            acked: Vec::new(),
            place: None,
            letters: Vec::new(),
        });
    }

    /// Whether a request is waiting that may be sent now.
    pub(super) fn may_send(&self) -> bool {
        let unanswered = self.requests.range(..self.unanswered);
        let bytes: usize = unanswered.map(|request| request.rows.bytes()).sum();
        self.unanswered < self.requests.len().min(PIPELINED) && bytes < PIPELINED_BYTES
    }

    /// Returns the next request to send: its row offset in the stream, and its rows.
    pub(super) fn send(&mut self) -> Option<(u64, Arc<RowBuffer>)> {
        let request = self.requests.get_mut(self.unanswered)?;
        let offset = *request.offset.get_or_insert(self.next_row);
        self.next_row = self.next_row.max(offset + request.rows.len() as u64);
        request.sent_at = Some(Instant::now());
        self.unanswered += 1;
        Some((offset, request.rows.clone()))
    }

    /// Requests sent and not yet answered.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// When the oldest request in the air was sent.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.oldest_sent()?.sent_at
    }

    /// Whether the stream may have the oldest request in the air from an earlier connection.
    pub(super) fn oldest_was_sent_before(&self) -> bool {
        self.oldest_sent().is_some_and(|request| request.sent_before)
    }

    /// Batch and rows of the oldest request in the air.
    pub(super) fn oldest(&self) -> Option<(BatchId, Arc<RowBuffer>)> {
        self.oldest_sent().map(|request| (request.batch, request.rows.clone()))
    }

    /// The oldest request in the air is in the stream (`None`: the default stream, which has no
    /// offsets). Returns how long the answer took.
    pub(super) fn acknowledge(&mut self, stream: Option<&StreamName>) -> Option<Duration> {
        let Request { batch, rows, offset, sent_at, .. } = self.take_oldest_sent()?;
        let place = stream.zip(offset).map(|(stream, offset)| StreamPlace {
            stream: stream.clone(),
            rows: offset + rows.len() as u64,
        });
        if let Some(open) = self.batch(batch) {
            open.requests -= 1;
            open.acked.push(rows);
            open.place = place;
        }
        sent_at.map(|sent_at| sent_at.elapsed())
    }

    /// Nothing of the oldest request in the air was written. Its bad rows, by index, are being
    /// delivered as dead letters. The others are sent again, before all other requests or after.
    pub(super) fn refuse(&mut self, bad: &[usize], first: bool) {
        let Some(refused) = self.take_oldest_sent() else { return };
        let rows = refused.rows.without(bad);
        let nothing_left = rows.is_empty();
        if let Some(open) = self.batch(refused.batch) {
            open.deliveries += 1;
            open.requests -= usize::from(nothing_left);
        }
        let again = Request::new(refused.batch, Arc::new(rows));
        match first {
            _ if nothing_left => {}
            true => self.requests.push_front(again),
            false => self.requests.push_back(again),
        }
    }

    /// One delivery of dead letters of this batch is durable.
    pub(super) fn delivered(&mut self, batch: BatchId, letters: Vec<Rejected>) {
        if let Some(open) = self.batch(batch) {
            open.deliveries -= 1;
            open.letters.extend(letters);
        }
    }

    /// The connection is gone, and with it every answer: everything is to be sent again as it was.
    pub(super) fn unsend(&mut self) {
        for request in self.requests.range_mut(..self.unanswered) {
            request.sent_before = true;
        }
        self.unanswered = 0;
    }

    /// Everything goes to a fresh stream. A batch of which a part was acknowledged moves whole,
    /// because its place has to be in one stream.
    pub(super) fn start_over(&mut self) {
        self.unanswered = 0;
        self.next_row = 0;
        for request in &mut self.requests {
            (request.offset, request.sent_before) = (None, false);
        }
        for open in self.batches.iter_mut().rev().filter(|open| open.requests > 0) {
            open.place = None;
            open.requests += open.acked.len();
            let at = self.requests.iter().position(|request| request.batch == open.id).unwrap_or(0);
            for rows in open.acked.drain(..).rev() {
                self.requests.insert(at, Request::new(open.id, rows));
            }
        }
    }

    /// Removes and returns the next batch that is acknowledged and delivered as a whole. A batch that
    /// waits for its dead letters lets later ones pass.
    pub(super) fn settle(&mut self) -> Option<Settled> {
        let done = self.batches.iter().position(|open| open.requests == 0 && open.deliveries == 0);
        let open = self.batches.remove(done?)?;
        Some(Settled {
            batch: open.id,
            place: open.place,
            rows: open.acked.iter().map(|rows| rows.len()).sum(),
            bytes: open.acked.iter().map(|rows| rows.bytes()).sum(),
            letters: open.letters,
        })
    }

    fn oldest_sent(&self) -> Option<&Request> {
        self.requests.front().filter(|_| self.unanswered > 0)
    }

    /// Removes the oldest request in the air: it was answered.
    fn take_oldest_sent(&mut self) -> Option<Request> {
        self.unanswered = self.unanswered.checked_sub(1)?;
        self.requests.pop_front()
    }

    fn batch(&mut self, id: BatchId) -> Option<&mut Open> {
        self.batches.iter_mut().find(|open| open.id == id)
    }
}

impl Request {
    fn new(batch: BatchId, rows: Arc<RowBuffer>) -> Self {
        Self { batch, rows, offset: None, sent_before: false, sent_at: None }
    }
}
