//! What one Kafka client has read, and what it is to reach.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::record::{Offset, Partition};
use crate::results::store::Batch;
use crate::source::{Topic, TopicReader};

/// What one client reads.
pub(super) struct Reading {
    pub reader: TopicReader,
    pub topic: Topic,
    /// What is to be reached next; at first where the partitions ended when reading began.
    pub goal: Option<Goal>,
    /// When the last goal was reached, or could not be set.
    pub reached: Instant,
    pub next: BTreeMap<Partition, Offset>,
    pub batch: Batch,
    pub bytes: usize,
    /// When the batch's first record came.
    pub since: Option<Instant>,
    pub measured: Instant,
    pub has_caught_up: bool,
}

/// Ends of the partitions: once they are reached, the store has what the topic had when they were
/// asked for.
pub(super) struct Goal {
    pub ends: BTreeMap<Partition, Offset>,
    pub asked_ms: i64,
}

impl Reading {
    pub fn partitions(&self) -> Vec<Partition> {
        (0..).take(self.topic.partitions).map(Partition).collect()
    }

    /// The offset before which everything of the partition was read.
    pub fn position(&self, partition: Partition) -> Offset {
        let read = self.next.get(&partition).copied();
        self.reader.position(partition).max(read).unwrap_or(Offset(0))
    }
}
