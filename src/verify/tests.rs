//! Faults are planted into a table with a whole chain; exactly those are found.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::chain::{Place, Promised, read};
use crate::record::{Offset, Partition};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    Row,
    /// Ignored, filtered or dead: stepped over.
    Left,
    /// The sink refused its row.
    Letter,
    /// A row at which a chain begins.
    Begins,
    /// It was dead, and became a row after those around it.
    Redriven,
}

/// A row or letter of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    offset: i64,
    is_letter: bool,
    previous: Option<i64>,
}

fn table(records: &[Record]) -> Vec<Stored> {
    let mut previous = None;
    let mut stored: Vec<Stored> = Vec::new();
    for (offset, record) in (0..).zip(records) {
        if *record == Record::Left {
            continue;
        }
        if *record == Record::Begins {
            previous = None;
        }
        stored.push(Stored { offset, is_letter: *record == Record::Letter, previous });
        if *record != Record::Redriven {
            previous = Some(offset);
        }
    }
    // It names the row that the next one names, unless a chain begins there.
    let mut begins = false;
    for one in stored.iter_mut().rev() {
        match records[one.offset as usize] {
            Record::Redriven if begins => one.previous = None,
            Record::Redriven => {}
            _ => begins = one.previous.is_none(),
        }
    }
    stored
}

/// What the query returns.
fn places(stored: &[Stored]) -> Vec<Place> {
    let mut sorted = stored.to_vec();
    sorted.sort();
    let rows = stored.iter().filter(|one| !one.is_letter).count() as u64;
    let place = |index: usize| {
        let one = sorted[index];
        Place {
            partition: Partition(0),
            offset: Offset(one.offset),
            previous: one.previous.map(Offset),
            before: (index > 0).then(|| Offset(sorted[index - 1].offset)),
            is_letter: one.is_letter,
            rows,
        }
    };
    let last = sorted.len().saturating_sub(1);
    let is_told = |(index, place): &(usize, Place)| {
        let named_before = index.checked_sub(1).and_then(|before| sorted[before].previous);
        let is_expected = place.previous.is_some()
            && (place.previous == place.before
                || place.previous.map(|at| at.0) == named_before
                    && place.before != Some(place.offset));
        *index == last || *index == 0 || !is_expected
    };
    let told = (0..sorted.len()).map(place).enumerate().filter(is_told);
    told.map(|(_, place)| place).collect()
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let one = prop_oneof![
        8 => Just(Record::Row),
        3 => Just(Record::Left),
        1 => Just(Record::Letter),
        1 => Just(Record::Begins),
        2 => Just(Record::Redriven),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    #[test]
    fn planted_faults_are_found_and_nothing_else(
        records in records(),
        lost in proptest::collection::btree_set(0_usize..60, 0..6),
        twice in proptest::collection::btree_set(0_usize..60, 0..6),
    ) {
        let whole = table(&records);
        let is_row = |index: &&usize| whole.get(**index).is_some_and(|one| !one.is_letter);
        // No row names one that came later: while it is lost, it is a dead letter again.
        let is_named = |index: &&usize| {
            whole.get(**index).is_some_and(|one| records[one.offset as usize] != Record::Redriven)
        };
        let lost: BTreeSet<usize> =
            lost.iter().filter(is_row).filter(is_named).copied().collect();
        let twice: BTreeSet<usize> =
            twice.difference(&lost).copied().collect::<BTreeSet<_>>().iter().filter(is_row).copied().collect();
        let kept = whole.iter().enumerate().filter(|(index, _)| !lost.contains(index));
        let stored: Vec<Stored> = kept
            .flat_map(|(index, one)| vec![*one; 1 + usize::from(twice.contains(&index))])
            .collect();
        let mut chains = read(&places(&stored), false);
        let mut chain = chains.remove(&Partition(0)).unwrap_or_default();
        if let Some(last) = whole.last() {
            chain.promised(Promised::LastRow(Some(Offset(last.offset))));
        }
        let there: BTreeSet<Offset> = stored.iter().map(|one| Offset(one.offset)).collect();
        chain.settle(false, &there);

        let repeated: Vec<i64> = chain.repeated.iter().map(|one| one.offset.0).collect();
        let planted: Vec<i64> = twice.iter().map(|index| whole[*index].offset).collect();
        prop_assert_eq!(repeated, planted);

        let offsets = |span: &super::chain::Span| span.from.0..=span.to.0;
        for index in &lost {
            let offset = whole[*index].offset;
            let is_missing = chain.missing.iter().any(|one| offsets(&one.span).contains(&offset));
            let is_unproven = chain.unproven.iter().any(|span| offsets(span).contains(&offset));
            let is_at_the_end = chain.tail.is_some();
            prop_assert!(is_missing || is_unproven || is_at_the_end, "{offset} in {chain:?}");
        }
        for missing in &chain.missing {
            let named = missing.span.to.0;
            prop_assert!(lost.iter().any(|index| whole[*index].offset == named), "{chain:?}");
        }
        let end = |all: &[Stored]| all.last().map(|one| one.offset);
        prop_assert_eq!(chain.tail.is_some(), end(&stored) != end(&whole));
        prop_assert_eq!(chain.rows, stored.iter().filter(|one| !one.is_letter).count() as u64);
    }
}
