//! How far a topic of letters is dealt with.

use std::collections::BTreeSet;

use super::fate::Fate;
use super::letter::Letter;
use super::standing::Record;
use crate::record::Partition;
use crate::source::Offsets;

/// Before which offset of each partition all letters are dealt with, as far as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    to: Offsets,
    /// Partitions with a letter that is not dealt with: what is behind it waits.
    stopped: BTreeSet<Partition>,
    /// Records that are not dealt with. Their letters may be there more than once.
    open: BTreeSet<(String, Record)>,
}

impl Passed {
    /// The next letter of its partition. Letters in a table pass nothing.
    pub fn add(&mut self, letter: &Letter, is_dealt_with: bool) {
        if !is_dealt_with {
            self.open.insert((letter.topic.clone(), letter.key()));
        }
        self.pass(letter, is_dealt_with);
    }

    /// A further letter of a record.
    pub fn add_copy(&mut self, letter: &Letter) {
        let is_open = self.open.contains(&(letter.topic.clone(), letter.key()));
        self.pass(letter, !is_open);
    }

    /// All letters before these offsets were read.
    pub fn complete(&mut self, ends: &Offsets) {
        let free = ends.iter().filter(|(partition, _)| !self.stopped.contains(partition));
        self.to.extend(free);
    }

    /// What may be committed.
    pub fn offsets(&self) -> &Offsets {
        &self.to
    }

    fn pass(&mut self, letter: &Letter, is_dealt_with: bool) {
        let Some(message) = letter.message else { return };
        match is_dealt_with {
            false => _ = self.stopped.insert(message.partition),
            true if self.stopped.contains(&message.partition) => {}
            true => _ = self.to.insert(message.partition, message.offset.next()),
        }
    }
}

impl Fate {
    /// Whether a letter in a topic needs nobody any more. Its record is a row, or is not to be one.
    pub fn is_dealt_with(&self) -> bool {
        match self {
            Self::Row | Self::There | Self::Ignored(_) | Self::OtherTopic | Self::OtherGroup => {
                true
            }
            Self::Dead(_)
            | Self::Taken
            | Self::Gap
            | Self::Instances
            | Self::Tried
            | Self::Incomplete => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::tests::letter_at;
    use super::*;
    use crate::record::{Offset, Position};

    const PARTITIONS: i32 = 3;

    proptest! {
        /// Letters of few records, each of which is dealt with or not, in the partitions of a topic.
        #[test]
        fn no_letter_of_an_open_record_is_passed_and_every_other_one_before_it_is(
            letters in proptest::collection::vec((0..PARTITIONS, 0..6_i64, 1..3_i64), 0..40),
            open in proptest::collection::btree_set(0..6_i64, 0..3),
            tail in 0..3_i64,
        ) {
            let (mut passed, mut seen) = (Passed::default(), BTreeSet::new());
            let mut ends: BTreeMap<i32, i64> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
            let mut placed = Vec::new();
            for (partition, record, gap) in letters {
                let end = ends.get_mut(&partition).expect("a partition");
                let offset = *end + gap - 1;
                *end = offset + 1;
                let letter = letter_at(record, Position::new(partition, offset));
                match seen.insert(record) {
                    true => passed.add(&letter, !open.contains(&record)),
                    false => passed.add_copy(&letter),
                }
                placed.push((partition, offset, open.contains(&record)));
            }
            let before = passed.clone();
            let ends: Offsets =
                ends.into_iter().map(|(p, end)| (Partition(p), Offset(end + tail))).collect();
            passed.complete(&ends);
            for (partition, end) in &ends {
                let of = placed.iter().filter(|(p, ..)| *p == partition.0);
                let first_open = of.clone().filter(|(.., is_open)| *is_open).map(|(_, at, _)| *at).min();
                let last = of.filter(|(_, at, _)| first_open.is_none_or(|open| *at < open)).map(|(_, at, _)| at + 1).max();
                prop_assert_eq!(before.offsets().get(partition).map(|at| at.0), last);
                let reached = passed.offsets().get(partition).map(|at| at.0);
                prop_assert_eq!(reached, if first_open.is_some() { last } else { Some(end.0) });
            }
        }
    }
}
