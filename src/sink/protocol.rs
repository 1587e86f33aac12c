//! What a sink has to say and do.

use super::batch::{Batch, BatchId};
use super::promise::{Promise, SinkName};
use super::reports::{Reports, Writer};
use crate::record::{Offset, Partition, Reason};
use crate::stop::Stop;

/// A place to write rows to, shared by all lanes.
pub trait Sink: Send + Sync {
    /// Name in the metadata of offset commits. Never changes: old commits carry it.
    fn name(&self) -> SinkName;

    /// Where the rows are, for people: `project.dataset.table`.
    fn target(&self) -> String;

    /// What an acknowledged batch is worth. Constant during a run.
    fn durability(&self) -> Durability;

    /// Starts the writer of a lane on the current tokio runtime. A lane of one partition reports
    /// [`Report::Ready`] before anything else.
    fn open(&self, lane: Lane, start: Start, reports: Reports) -> Writer;
}

/// What acknowledged rows are. It decides where progress is kept, and who keeps an instance that
/// lost its partitions without knowing it (a zombie) from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Visible at once. The group's offset is committed afterwards, so a crash in between repeats
    /// rows: at-least-once. Nobody fences; a zombie repeats rows. One lane for all partitions.
    Visible,
    /// Durable and invisible until flushed. The offset commit carries a [`Promise`] of the rows;
    /// then they are flushed. Kafka fences: the commit carries the member's generation, and rows
    /// that no commit promises stay invisible. One lane a partition.
    Promised,
    /// Stored in one step with the partition's next offset. The sink's offset decides where reading
    /// resumes; the group's follows for those who watch lag. The sink fences: it refuses the writer
    /// of an earlier owner ([`Report::Fenced`]). One lane a partition.
    Stored,
}

impl Durability {
    /// Whether every partition has a lane of its own.
    pub fn has_lane_per_partition(self) -> bool {
        match self {
            Self::Visible => false,
            Self::Promised | Self::Stored => true,
        }
    }
}

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

/// What a writer is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Append the rows and make the dead letters durable; answered by [`Report::Settled`]. With
    /// [`Durability::Stored`] the offset behind the batch is stored in the same step, so batches
    /// without rows come too.
    Append(Batch),
    /// Make the promised rows visible; answered by [`Report::Flushed`].
    Flush(Promise),
    /// No commit names a promise of this series any more: what it needed may be given up. Best
    /// effort, not answered.
    Retire(Promise),
}

/// What a writer reports.
#[derive(Debug)]
pub enum Report {
    /// The partition may be committed from here on: what the owner before promised is visible.
    Ready {
        /// [`Durability::Stored`]: the next offset to read, where the sink has one. It wins over the
        /// group's.
        resume: Option<Offset>,
    },
    /// Every row of the batch is acknowledged and every dead letter durable.
    Settled {
        batch: BatchId,
        /// [`Durability::Promised`]: the batch's rows and all before them; `None` where it had none.
        promise: Option<Promise>,
        rows: usize,
        /// Bytes of the rows as they were sent.
        bytes: usize,
        /// Reasons of the batch's dead letters, those of rows that the sink refused included.
        letters: Vec<Reason>,
    },
    /// The promised rows are visible.
    Flushed(Promise),
    /// The sink asks to wait or is away, and the writer retries: throttled is not stuck.
    Waiting,
    /// Another instance has taken the partition over in the sink: nothing of this lane will be
    /// stored any more.
    Fenced,
    /// The lane cannot go on. Outages are never reported so; they are retried.
    Failed(Stop),
}
