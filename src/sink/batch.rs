//! A batch: the rows and dead letters of one append, and the offsets that it settles.

use super::dead_limit::DeadLimit;
use crate::record::{DeadLetter, Offset, Partition, Reached};
use crate::row::RowBuffer;

/// Number of a batch: unique and ascending within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// Offsets of one partition that a batch covers without a gap, from `first` to what is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub partition: Partition,
    pub first: Offset,
    pub reached: Reached,
}

/// Rows and dead letters of contiguous offsets: one span in a lane of one partition, in the lane
/// for all partitions one span for each partition that has records in it.
#[derive(Debug, Clone)]
pub struct Batch {
    pub id: BatchId,
    pub spans: Vec<Span>,
    pub rows: RowBuffer,
    pub letters: Vec<DeadLetter>,
    /// The oldest timestamp of a record that became one of the rows, in milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
    /// With [`Durability::Stored`](super::Durability::Stored): what is stored next to the offset after the batch.
    pub note: String,
    /// How many of its records may be dead letters.
    pub limit: DeadLimit,
}

impl Batch {
    /// Bytes to count against the limit in flight until the batch is settled. Rows count two and a
    /// half times, because freed memory stays in the allocator for a while (docs/performance.md).
    pub fn bytes(&self) -> usize {
        self.rows.bytes() * 5 / 2 + self.letters.iter().map(DeadLetter::bytes).sum::<usize>()
    }
}
