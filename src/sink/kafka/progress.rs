//! Where a partition's next offset is kept in the cluster that rows are written to.
//!
//! A group keeps offsets of topics that exist in its own cluster, and of no others. So where the
//! topic that is read is in another cluster, each of its partitions has a group of its own there,
//! which keeps the offset at partition 0 of the topic of rows.

use crate::record::Partition;

/// Which offsets of which group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// The group that reads, and the topic that it reads.
    pub group: String,
    pub source: String,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Rows are written to the cluster that is read: the group's own offsets.
    SameCluster,
    /// They are written to this topic of another cluster.
    Elsewhere { rows: String },
}

/// An offset that a group keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

impl Progress {
    pub fn slot(&self, partition: Partition) -> Slot {
        match &self.place {
            Place::SameCluster => Slot {
                group: self.group.clone(),
                topic: self.source.clone(),
                partition: partition.0,
            },
            Place::Elsewhere { rows } => Slot {
                group: format!("{}/{}/{partition}", self.group, self.source),
                topic: rows.clone(),
                partition: 0,
            },
        }
    }

    /// Whoever has it last owns the partition.
    pub fn transactional_id(&self, partition: Partition) -> String {
        format!("{}/{}/{partition}", self.group, self.source)
    }

    /// How a person sets an offset.
    pub fn setting(&self) -> String {
        match &self.place {
            Place::SameCluster => "kafka-consumer-groups --reset-offsets".to_owned(),
            Place::Elsewhere { .. } => format!(
                "while no instance runs, delete the group of the partition in the cluster that is \
                 written to, kafka-consumer-groups --delete --group {}/{}/<partition>, and set the \
                 offset of {} where it reads, kafka-consumer-groups --reset-offsets",
                self.group, self.source, self.group
            ),
        }
    }
}
