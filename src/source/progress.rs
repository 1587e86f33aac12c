//! How far each assigned partition has been handed out.

use std::collections::HashMap;

use crate::clock::Clock;
use crate::record::{Offset, Partition, Position};

/// The offset from which each assigned partition goes on.
///
/// librdkafka pauses the partitions by itself while it rebalances, on a thread of its own; where
/// that meets a read under way, it fetches records again that were handed out already. Whoever
/// asks here before taking a record has each one once.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Indexed by partition.
    next: Vec<i64>,
}

/// Beyond every record's offset.
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

    /// Takes a record; false if it has been taken already or its partition is not assigned.
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

    /// Whether the last record before `end` has been taken.
    pub(super) fn reaches(&self, partition: Partition, end: Offset) -> bool {
        let next = self.next.get(partition.0 as usize);
        next.is_some_and(|next| *next != NOT_ASSIGNED && *next >= end.0)
    }
}

/// Where librdkafka's statistics found partitions fetched to, and nothing of them waiting: the one
/// way to learn that the last offsets have no record, compaction having removed it.
#[derive(Debug, Default)]
pub(super) struct RanDry {
    /// The offset fetched to, and whether two statistics in a row say so.
    found: HashMap<Partition, (i64, bool)>,
    /// Older statistics are of an earlier assignment: seconds since the epoch.
    since: i64,
}

impl RanDry {
    /// One statistics' word; `waiting`: records that are fetched and not handed over; `time`: its
    /// second since the epoch.
    pub(super) fn note(&mut self, partition: Partition, fetched_to: i64, waiting: i64, time: i64) {
        if time <= self.since {
            return;
        }
        if waiting > 0 {
            self.found.remove(&partition);
            return;
        }
        let again = self.found.get(&partition).is_some_and(|(before, _)| *before == fetched_to);
        self.found.insert(partition, (fetched_to, again));
    }

    /// The assignment changes now.
    pub(super) fn forget(&mut self) {
        self.found.clear();
        self.since = Clock::System.now_micros() / 1_000_000;
    }

    pub(super) fn at(&self, partition: Partition) -> Option<i64> {
        self.found.get(&partition).and_then(|(at, sure)| sure.then_some(*at))
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

    #[test]
    fn dry_is_what_two_statistics_found_so() {
        let (mut dry, partition) = (RanDry::default(), Partition(1));
        dry.forget();
        let now = dry.since;
        let mut told = |fetched_to, waiting, time| {
            dry.note(partition, fetched_to, waiting, time);
            dry.at(partition)
        };
        // Of the assignment before.
        assert_eq!(told(10, 0, now - 5), None);
        assert_eq!(told(10, 0, now), None);
        assert_eq!(told(10, 0, now + 5), None);
        assert_eq!(told(10, 0, now + 10), Some(10));
        assert_eq!(told(10, 3, now + 15), None);
        assert_eq!(told(12, 0, now + 20), None);
        assert_eq!(told(12, 0, now + 25), Some(12));
        assert_eq!(told(15, 0, now + 30), None);
        assert_eq!(told(15, 0, now + 35), Some(15));
        dry.forget();
        assert_eq!(dry.at(partition), None);
    }
}
