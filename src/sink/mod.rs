//! Where rows and dead letters go, and the words in which the pipeline and a writer talk.
//!
//! A [`Writer`] is a task that owns one *lane*: in exactly-once one partition with its BUFFERED
//! write stream, in at-least-once the table's default stream for all partitions together. It is
//! told what to append and what to flush, and reports back; it never decides what is committed.

mod batch;
pub mod bigquery;
pub mod dead_letter;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};

pub use batch::{Batch, BatchId, Span};

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedSender;

use crate::record::{DeadLetter, Partition, Position, Reason};

/// Which writer speaks: reports of an earlier assignment of the same partition are told apart by
/// their epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    /// `None`: the one lane of at-least-once.
    pub partition: Option<Partition>,
    pub epoch: u64,
}

/// Full name of a write stream: `projects/P/datasets/D/tables/T/streams/S`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName(pub Arc<str>);

/// A place in a write stream: its first `rows` rows. `rows` is never 0; `FlushRows` takes the
/// offset of the last of them, `rows - 1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPlace {
    pub stream: StreamName,
    pub rows: u64,
}

/// Where a lane's rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneMode {
    /// At-least-once: the default stream, rows visible once acknowledged.
    Default,
    /// Exactly-once: a fresh BUFFERED stream, made when the first row comes. Before anything else
    /// `recover`, what the committed offset's metadata names, is flushed again.
    Buffered { recover: Option<StreamPlace> },
}

/// What a writer is told.
#[derive(Debug)]
pub enum Command {
    /// Append the rows and make the dead letters durable; answered by [`Report::Settled`].
    Append(Batch),
    /// Make rows visible; answered by [`Report::Flushed`].
    Flush(StreamPlace),
    /// Best effort: no commit names this stream any more.
    Finalize(StreamName),
}

/// What a writer says.
#[derive(Debug)]
pub enum Report {
    /// Rows of the previous owner are visible; from here on a commit may replace its metadata.
    Recovered,
    /// Every row of the batch is acknowledged and every dead letter durable.
    Settled {
        batch: BatchId,
        /// The batch's last row in the lane's stream; `None` in the default stream, and where the
        /// batch had no rows.
        place: Option<StreamPlace>,
        rows: usize,
        bytes: usize,
        /// Dead letters of the batch, with those that BigQuery's `row_errors` added.
        letters: Vec<Reason>,
    },
    Flushed(StreamPlace),
    /// BigQuery asks to wait, or is away: the writer tries again. Throttled is not stuck.
    Waiting,
    /// Nothing more will be written on this lane: a permanent error. Outages are retried inside.
    Failed(SinkError),
}

/// Where writers report. The thread that made it reads the reports between polls, and is woken for
/// them from its wait for records.
#[derive(Debug, Clone)]
pub struct Reports {
    to: Sender<(Lane, Report)>,
    reader: Thread,
}

impl Reports {
    /// To the thread that calls this.
    pub fn here() -> (Self, Receiver<(Lane, Report)>) {
        let (to, reports) = channel();
        (Self { to, reader: thread::current() }, reports)
    }

    /// To nobody once the reader is gone: so will the writer be.
    pub fn send(&self, lane: Lane, report: Report) {
        let _ = self.to.send((lane, report));
        self.reader.unpark();
    }
}

/// A permanent error with what a person can do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct SinkError {
    /// The operation and what it was done on.
    pub what: String,
    pub hint: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Handle of a writer task. Dropping it ends the task and abandons what was not acknowledged.
#[derive(Debug)]
pub struct Writer {
    commands: UnboundedSender<Command>,
}

impl Writer {
    pub fn new(commands: UnboundedSender<Command>) -> Self {
        Self { commands }
    }

    /// Never blocks: the pipeline bounds the bytes in flight. A writer that has ended has already
    /// reported why, so nothing is said here.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Reads records again by position, for dead letters of rows that BigQuery refused: the raw value
/// is not kept while a row is in flight.
#[async_trait]
pub trait Reread: Send + Sync {
    /// The record at `at`, without its rejection; `None` where the broker no longer has it.
    async fn reread(&self, at: Position) -> Option<DeadLetter>;
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_report_ends_its_readers_wait() {
        let (reports, waiting) = Reports::here();
        let lane = Lane { partition: None, epoch: 1 };
        let began = Instant::now();
        let writer = thread::spawn(move || reports.send(lane, Report::Waiting));
        while waiting.try_recv().is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "still parked");
            thread::park_timeout(Duration::from_secs(60));
        }
        writer.join().unwrap();
    }
}
