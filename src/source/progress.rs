//! The offset that each assigned partition has been read to.

use crate::record::{Offset, Partition, Position};

/// The offset of each assigned partition's next record.
///
/// While the group rebalances, librdkafka pauses all partitions on another thread and notes where
/// each stands. A poll at the same moment may return a record from that offset on, which is fetched
/// again when the partitions are resumed. Each record is held against the offset here, so that it
/// is returned once.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Indexed by partition number.
    next: Vec<i64>,
}

/// Greater than every record's offset.
const NOT_ASSIGNED: i64 = i64::MAX;

impl Progress {
    pub(super) fn assign(&mut self, partition: Partition, start: Offset) {
        let Ok(index) = usize::try_from(partition.0) else { return };
        if self.next.len() <= index {
            self.next.resize(index + 1, NOT_ASSIGNED);
        }
        self.next[index] = start.0;
    }

    pub(super) fn release(&mut self, partition: Partition) {
        if let Some(next) = self.next.get_mut(partition.0 as usize) {
            *next = NOT_ASSIGNED;
        }
    }

    /// Returns true if the record is new and its partition is assigned, and then moves the partition's
    /// next offset past it.
    #[inline]
    pub(super) fn take(&mut self, at: Position) -> bool {
        match self.next.get_mut(at.partition.0 as usize) {
            Some(next) if at.offset.0 >= *next => {
                *next = at.offset.0 + 1;
                true
            }
            _ => false,
        }
    }

    /// The offset of an assigned partition's next record.
    pub(super) fn next(&self, partition: Partition) -> Option<Offset> {
        let next = self.next.get(partition.0 as usize)?;
        (*next != NOT_ASSIGNED).then_some(Offset(*next))
    }

    /// Whether the record before `end` has been returned.
    pub(super) fn reaches(&self, partition: Partition, end: Offset) -> bool {
        self.next(partition).is_some_and(|next| next >= end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Assign(i32, i64),
        Release(i32),
        Record(i32, i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let partition = 0..3i32;
        let offset = 0..8i64;
        let step = prop_oneof![
            1 => (partition.clone(), offset.clone()).prop_map(|(p, o)| Step::Assign(p, o)),
            1 => partition.clone().prop_map(Step::Release),
            8 => (partition, offset).prop_map(|(p, o)| Step::Record(p, o)),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn records_of_assigned_partitions_are_taken_once_and_in_order(steps in steps()) {
            let mut progress = Progress::default();
            let mut plain: BTreeMap<i32, i64> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Assign(partition, start) => {
                        progress.assign(Partition(partition), Offset(start));
                        plain.insert(partition, start);
                    }
                    Step::Release(partition) => {
                        progress.release(Partition(partition));
                        plain.remove(&partition);
                    }
                    Step::Record(partition, offset) => {
                        let expected = plain.get(&partition).is_some_and(|next| offset >= *next);
                        prop_assert_eq!(progress.take(Position::new(partition, offset)), expected);
                        if expected {
                            plain.insert(partition, offset + 1);
                        }
                    }
                }
                for (partition, end) in (0..4).flat_map(|p| (0..9).map(move |end| (p, end))) {
                    let reached = plain.get(&partition).is_some_and(|next| *next >= end);
                    prop_assert_eq!(progress.reaches(Partition(partition), Offset(end)), reached);
                }
            }
        }
    }
}
