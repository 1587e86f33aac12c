//! Parts of a topic that are read again, to replace rows that a table does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::topic::{describe, read_parts, records};
use crate::record::{Offset, Partition, Position};
use crate::source::{Part, TopicError, TopicParts};
use crate::transfer::intake::{HandOn, Intake};

/// Parts of one partition that are no further apart are read without a break: beginning to read costs more
/// than so many records.
const NEAR: i64 = 10_000;

/// A part of a topic that is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAgain {
    pub part: Part,
    /// The row before the part's first one, where it is known that none is missing between them.
    pub previous: Option<Offset>,
}

/// The topic, and what of it is read again.
pub struct PartsSource {
    topic: TopicParts,
    /// In order of partition and offset; none touches another.
    again: Vec<ReadAgain>,
    /// What is read for them.
    parts: Vec<Part>,
    letters: Arc<BTreeSet<Position>>,
    /// When the rows are written, in microseconds since the epoch.
    now_micros: i64,
}

impl PartsSource {
    /// `letters`: where dead letters stand already.
    pub fn new(
        topic: TopicParts,
        again: Vec<ReadAgain>,
        letters: BTreeSet<Position>,
        now_micros: i64,
    ) -> Self {
        let again = joined(again, 0);
        let parts = joined(again.clone(), NEAR).iter().map(|one| one.part).collect();
        Self { topic, again, parts, letters: Arc::new(letters), now_micros }
    }

    /// At most so many records: transaction markers and compacted records are counted too.
    pub fn records(&self) -> u64 {
        self.again.iter().map(|one| records(&one.part)).sum()
    }

    pub fn describe(&self) -> Vec<String> {
        self.again.iter().map(|one| describe(&self.topic, &one.part)).collect()
    }

    /// Reads all parts, from their beginning.
    pub fn read(&self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), TopicError> {
        intake.know_letters(self.letters.clone());
        let mut begun: BTreeMap<Partition, Offset> = BTreeMap::new();
        read_parts(&self.topic, &self.parts, intake, hand_on, |intake, event| {
            let Some(one) = part_of(&self.again, event.at) else { return };
            let Part { partition, from, .. } = one.part;
            if begun.insert(partition, from) != Some(from) {
                intake.begin_chain(partition, one.previous);
            }
            intake.take_again(event, self.now_micros);
        })
    }
}

/// The part that has this position.
fn part_of(again: &[ReadAgain], at: Position) -> Option<&ReadAgain> {
    let begins_before =
        |one: &ReadAgain| (one.part.partition, one.part.from) <= (at.partition, at.offset);
    let last = again.partition_point(begins_before).checked_sub(1)?;
    let one = again.get(last)?;
    (one.part.partition == at.partition && at.offset < one.part.to).then_some(one)
}

/// The parts in order, those that overlap or are no further apart than this as one.
fn joined(mut again: Vec<ReadAgain>, apart: i64) -> Vec<ReadAgain> {
    again.sort_by_key(|one| (one.part.partition, one.part.from));
    let mut joined: Vec<ReadAgain> = Vec::with_capacity(again.len());
    for one in again.into_iter().filter(|one| one.part.from < one.part.to) {
        match joined.last_mut() {
            Some(last)
                if last.part.partition == one.part.partition
                    && one.part.from.0 - last.part.to.0 <= apart =>
            {
                last.part.to = last.part.to.max(one.part.to);
            }
            _ => joined.push(one),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(partition: i32, from: i64, to: i64, previous: Option<i64>) -> ReadAgain {
        let part = Part { partition: Partition(partition), from: Offset(from), to: Offset(to) };
        ReadAgain { part, previous: previous.map(Offset) }
    }

    #[test]
    fn parts_near_each_other_are_one_and_keep_the_row_before_the_first() {
        let all = vec![
            again(1, 50, 60, Some(49)),
            again(0, 30_000, 30_001, Some(29_000)),
            again(0, 10, 20, Some(9)),
            again(0, 25, 30, Some(24)),
            again(0, 40, 40, Some(39)),
        ];
        let far = again(0, 30_000, 30_001, Some(29_000));
        let other = again(1, 50, 60, Some(49));
        assert_eq!(joined(all.clone(), NEAR), [again(0, 10, 30, Some(9)), far, other]);
        let two = [again(0, 10, 20, Some(9)), again(0, 25, 30, Some(24))];
        assert_eq!(joined(all, 0)[..2], two);
    }

    proptest! {
        /// What is read for the parts holds each of their offsets once, and no other is taken.
        #[test]
        fn the_offsets_of_the_parts_are_taken_once(
            all in proptest::collection::vec((0_i32..2, 0_i64..60, 0_i64..20), 0..12),
            apart in 0_i64..20,
        ) {
            let all: Vec<ReadAgain> = all
                .into_iter()
                .map(|(partition, from, length)| again(partition, from, from + length, None))
                .collect();
            let taken = joined(all.clone(), 0);
            let read = joined(taken.clone(), apart);
            let holds = |one: &ReadAgain, at: Position| {
                let Part { partition, from, to } = one.part;
                partition == at.partition && from <= at.offset && at.offset < to
            };
            for at in (0..2).flat_map(|p| (0..100).map(move |o| Position::new(p, o))) {
                let wanted = all.iter().any(|one| holds(one, at));
                prop_assert_eq!(part_of(&taken, at).is_some(), wanted, "{}", at);
                let times = read.iter().filter(|one| holds(one, at)).count();
                prop_assert!(times <= 1 && (times == 1 || !wanted), "{}", at);
            }
        }
    }
}
