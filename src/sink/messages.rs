//! What the pipeline and a writer say to each other.

use super::batch::{Batch, BatchId};
use super::promise::Promise;
use crate::record::{Offset, Partition, Rejected};
use crate::stop::Stop;
use crate::telemetry::Waits;

/// What a lane does first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing is left to do for the owner before.
    Fresh,
    /// Make these rows visible: the committed offset promises them.
    Flush(Promise),
}

/// One writer's identity. Reports of an earlier assignment of the same partition are told from those
/// of the current one by the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    /// `None`: the one lane for all partitions.
    pub partition: Option<Partition>,
    pub epoch: u64,
}

/// What a sink with [`Durability::Stored`](super::Durability::Stored) keeps of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffset {
    /// The next offset to read.
    pub next: Offset,
    /// The metadata that the offset's commit to Kafka carried; empty where there was none.
    pub note: String,
}

/// What a writer is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Append the rows and make the dead letters durable; answered by [`Report::Settled`]. With
    /// [`Durability::Stored`](super::Durability::Stored) the offset after the batch is stored in the same step, so batches
    /// without rows come too.
    Append(Batch),
    /// Make the promised rows visible; answered by [`Report::Flushed`].
    Flush(Promise),
    /// No commit names a promise of this series any more: what it needed may be given up, at the latest
    /// when the lane is closed, unless rows have gone to the series since. Best effort, not answered.
    Retire(Promise),
}

/// What a writer reports.
#[derive(Debug)]
pub enum Report {
    /// The partition may be committed from here on: what the owner before promised is visible.
    Ready {
        /// [`Durability::Stored`](super::Durability::Stored): where the sink says that reading resumes. It wins over the group's
        /// offset. `None`: nothing of the partition is stored yet.
        stored: Option<StoredOffset>,
    },
    /// Every row of the batch is acknowledged and every dead letter durable.
    Settled {
        batch: BatchId,
        /// [`Durability::Promised`](super::Durability::Promised): the batch's rows and all before them; `None` where it had none.
        promise: Option<Promise>,
        rows: usize,
        /// Bytes of the rows as they were sent.
        bytes: usize,
        /// The batch's dead letters, those of rows that the sink refused included.
        letters: Vec<Rejected>,
    },
    /// The promised rows are visible.
    Flushed(Promise),
    /// The sink is throttling or unreachable and the writer retries. Counts as progress for the
    /// liveness probe: throttled is not stuck.
    Waiting(Waits),
    /// Another instance has taken the partition over in the sink: nothing of this lane will be
    /// stored any more.
    Fenced,
    /// The lane cannot go on. Outages are never reported so; they are retried.
    Failed(Stop),
}
