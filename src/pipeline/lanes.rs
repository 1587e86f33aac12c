//! The open lanes: their writers, and the batches that these have not settled yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::record::Partition;
use crate::sink::{
    Batch, BatchId, Command, Lane, Promise, Report, Reports, Sink, Span, Start, Writer,
};

/// The writers that a session has opened, by partition; `None` is the lane for all partitions.
pub struct Lanes {
    sink: Arc<dyn Sink>,
    open: HashMap<Option<Partition>, OpenLane>,
    in_flight: HashMap<BatchId, InFlight>,
    in_flight_bytes: usize,
    epoch: u64,
    reports: Receiver<(Lane, Report)>,
    report_to: Reports,
}

struct OpenLane {
    lane: Lane,
    writer: Writer,
}

/// A batch that its writer has.
struct InFlight {
    bytes: usize,
    lane: Lane,
    settles: Settles,
}

/// What a batch settles.
#[derive(Debug, Default)]
pub struct Settles {
    pub spans: Vec<Span>,
    /// The oldest timestamp of its rows' records, in milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
}

impl Lanes {
    /// Reports wake the thread that calls this.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let (report_to, reports) = Reports::to_this_thread();
        Self {
            sink,
            open: HashMap::new(),
            in_flight: HashMap::new(),
            in_flight_bytes: 0,
            epoch: 0,
            reports,
            report_to,
        }
    }

    /// Opens a lane in place of the one that had its partition before.
    pub fn open(&mut self, partition: Option<Partition>, start: Start) {
        self.epoch += 1;
        let lane = Lane { partition, epoch: self.epoch };
        let writer = self.sink.open(lane, start, self.report_to.clone());
        self.open.insert(partition, OpenLane { lane, writer });
    }

    pub fn is_open(&self, partition: Option<Partition>) -> bool {
        self.open.contains_key(&partition)
    }

    /// Ends the lane of a partition and forgets what its writer has not settled.
    pub fn close(&mut self, partition: Partition) {
        let Some(closed) = self.open.remove(&Some(partition)) else { return };
        self.in_flight.retain(|_, batch| batch.lane != closed.lane);
        self.in_flight_bytes = self.in_flight.values().map(|batch| batch.bytes).sum();
    }

    /// Closes all lanes and waits until their writers have ended, or for `patience`: what they do last
    /// would otherwise be cut off by the end of the process.
    pub fn end(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let ended =
            std::mem::replace(self, Self { epoch: self.epoch, ..Self::new(self.sink.clone()) });
        let Self { open, reports, report_to, .. } = ended;
        drop((open, report_to));
        let left = || deadline.saturating_duration_since(Instant::now());
        // The channel disconnects with the last writer.
        while reports.recv_timeout(left()).is_ok() {}
    }

    /// Hands a batch to the lane's writer.
    pub fn append(&mut self, partition: Option<Partition>, batch: Batch) {
        let Some(OpenLane { lane, writer }) = self.open.get(&partition) else { return };
        let bytes = batch.bytes();
        self.in_flight_bytes += bytes;
        let settles = Settles { spans: batch.spans.clone(), oldest_ms: batch.oldest_ms };
        let in_flight = InFlight { bytes, lane: *lane, settles };
        self.in_flight.insert(batch.id, in_flight);
        writer.send(Command::Append(batch));
    }

    /// Has the promised rows of a partition made visible.
    pub fn flush(&self, partition: Partition, promise: Promise) {
        self.send(partition, Command::Flush(promise));
    }

    /// No commit of the partition names the promise's series any more.
    pub fn retire(&self, partition: Partition, promise: Promise) {
        self.send(partition, Command::Retire(promise));
    }

    fn send(&self, partition: Partition, command: Command) {
        if let Some(open) = self.open.get(&Some(partition)) {
            open.writer.send(command);
        }
    }

    /// What a batch settles that its writer is done with, so that it is no longer in flight.
    pub fn settle(&mut self, batch: BatchId) -> Settles {
        let Some(settled) = self.in_flight.remove(&batch) else { return Settles::default() };
        self.in_flight_bytes -= settled.bytes;
        settled.settles
    }

    /// The next report of an open lane, if one is there.
    pub fn next_report(&self) -> Option<(Option<Partition>, Report)> {
        while let Ok((lane, report)) = self.reports.try_recv() {
            if self.is_current(lane) {
                return Some((lane.partition, report));
            }
        }
        None
    }

    /// Waits for a report. One of a lane that is closed ends the wait too, and is dropped.
    pub fn wait_for_report(&self, patience: Duration) -> Option<(Option<Partition>, Report)> {
        match self.reports.recv_timeout(patience) {
            Ok((lane, report)) => self.is_current(lane).then_some((lane.partition, report)),
            // A sender is kept here, so the channel never disconnects.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// A lane of an earlier assignment counts no more; its batches were forgotten with it.
    fn is_current(&self, lane: Lane) -> bool {
        self.open.get(&lane.partition).is_some_and(|open| open.lane == lane)
    }

    /// Bytes of the batches in flight, as they count against the limit.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }
}
