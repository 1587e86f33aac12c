//! Stops a run whose records mostly become dead letters: a wrong contract must not empty a topic into
//! them.
//!
//! A batch is judged before it is handed to the sink. One bad record in a batch of one is no reason to
//! stop, so a batch of fewer than [`FEWEST`] records is judged together with what waits in the open
//! batches and with the batches that were sent last, until there are so many. A run that has not read so
//! many records is not judged. Records that are left out on purpose do not count: most of a topic may be
//! other events, and the few that are this domain's would never be noticed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Add;

use crate::config::Share;
use crate::record::Reason;
use crate::sink::{Batch, BatchId, DeadLimit};
use crate::stop::Stop;

/// The fewest records that are judged.
pub const FEWEST: usize = 100;

/// Judges the batches of a session.
#[derive(Debug)]
pub struct DeadShare {
    /// `None`: no batch is judged.
    most: Option<Share>,
    /// The last batches, of [`FEWEST`] records together or more.
    sent: VecDeque<(BatchId, Counted)>,
}

/// Records that are rows or dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub records: usize,
    pub letters: usize,
}

impl Counted {
    pub fn of(batch: &Batch) -> Self {
        let letters = batch.letters.len();
        Self { records: batch.rows.len() + letters, letters }
    }
}

impl Add for Counted {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { records: self.records + other.records, letters: self.letters + other.letters }
    }
}

impl DeadShare {
    pub fn new(most: Option<Share>) -> Self {
        Self { most, sent: VecDeque::new() }
    }

    /// Judges a batch and sets its limit. `open` counts what waits in other batches.
    pub fn admit(&mut self, batch: &mut Batch, open: impl FnOnce() -> Counted) -> Result<(), Stop> {
        let (Some(most), own) = (self.most, Counted::of(batch)) else { return Ok(()) };
        if own.records == 0 {
            return Ok(());
        }
        let mut others = Counted::default();
        if own.records < FEWEST {
            others = open();
            for (_, sent) in self.sent.iter().rev() {
                if own.records + others.records >= FEWEST {
                    break;
                }
                others = others + *sent;
            }
        }
        let all = own + others;
        if all.records >= FEWEST {
            let limit = DeadLimit::new(most, all.records, others.letters);
            limit.check(own.letters, || reasons(batch))?;
            batch.limit = limit;
        }
        self.sent.push_back((batch.id, own));
        let mut kept: usize = self.sent.iter().map(|(_, sent)| sent.records).sum();
        while let Some((_, first)) = self.sent.front()
            && kept - first.records >= FEWEST
        {
            kept -= first.records;
            self.sent.pop_front();
        }
        Ok(())
    }

    /// So many records of a batch became dead letters, also in the sink.
    pub fn settled(&mut self, batch: BatchId, letters: usize) {
        if let Some((_, sent)) = self.sent.iter_mut().find(|(id, _)| *id == batch) {
            sent.letters = letters;
        }
    }
}

/// Why the records of a batch are dead letters, and the first of them.
fn reasons(batch: &Batch) -> String {
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    for letter in &batch.letters {
        *counts.entry(letter.rejection.reason).or_default() += 1;
    }
    let mut counts: Vec<(Reason, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let each = counts.iter().map(|(reason, count)| format!("{count} {}", reason.code()));
    let each = each.collect::<Vec<_>>().join(", ");
    let first =
        batch.letters.first().map(|one| format!("; the first is {}: {}", one.at, one.rejection));
    format!("in the last batch {each}{}", first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{DeadLetter, Event, Position, Rejection};
    use crate::row::RowBuffer;

    /// A batch of these records; true ones are dead letters.
    fn batch(id: u64, records: &[bool]) -> Batch {
        let mut rows = RowBuffer::default();
        let mut letters = Vec::new();
        for (offset, dead) in (0..).zip(records) {
            let at = Position::new(0, offset);
            if *dead {
                let why = Rejection::new(Reason::WrongType, "a detail".to_owned(), None);
                letters.push(DeadLetter::of(&Event::unknown(at), why));
            } else {
                let Ok(()) = rows.push(at, |row| {
                    row.push(7);
                    Ok::<(), std::convert::Infallible>(())
                });
            }
        }
        Batch {
            id: BatchId(id),
            spans: Vec::new(),
            rows,
            oldest_ms: None,
            letters,
            note: String::new(),
            limit: DeadLimit::default(),
        }
    }

    fn records() -> impl Strategy<Value = Vec<bool>> {
        (0.0..1.0_f64).prop_flat_map(|share| {
            proptest::collection::vec(proptest::bool::weighted(share), 0..150)
        })
    }

    proptest! {
        /// What is let through never holds more than the share, whichever way the records were cut into
        /// batches: neither a batch of enough records, nor the last ones with the batches before.
        #[test]
        fn no_batch_of_enough_records_goes_beyond_the_share(
            batches in proptest::collection::vec(records(), 1..40),
            percent in 0..100_usize,
        ) {
            let share: Share = format!("{percent}%").parse().expect("a share");
            let mut judge = DeadShare::new(Some(share));
            let mut passed: Vec<Counted> = Vec::new();
            for (id, records) in (1..).zip(&batches) {
                let mut one = batch(id, records);
                let own = Counted::of(&one);
                let admitted = judge.admit(&mut one, Counted::default);
                // The naive rule: go back until there are enough.
                let mut all = own;
                for before in passed.iter().rev().take_while(|_| own.records < FEWEST) {
                    if all.records >= FEWEST { break; }
                    all = all + *before;
                }
                let judged = own.records > 0 && all.records >= FEWEST;
                let too_many = judged && share.is_exceeded(all.letters, all.records);
                prop_assert_eq!(admitted.is_err(), too_many, "{:?} of {:?}", own, all);
                if too_many { break; }
                passed.push(own);
                // A sink may make letters of as many rows as are left of the share.
                let others = all.letters - own.letters;
                let most = (own.letters..=own.records)
                    .take_while(|letters| !judged || !share.is_exceeded(others + letters, all.records))
                    .last();
                for letters in own.letters..=own.records {
                    let allowed = one.limit.check(letters, String::new).is_ok();
                    prop_assert_eq!(allowed, most.is_some_and(|most| letters <= most));
                }
            }
        }
    }

    #[test]
    fn what_waits_in_other_batches_counts_for_a_small_one() {
        let half: Share = "50%".parse().expect("a share");
        let dead = [true; 40];
        let mut judge = DeadShare::new(Some(half));
        let waiting = Counted { records: 80, letters: 80 };
        let stop = judge.admit(&mut batch(1, &dead), || waiting).expect_err("120 dead ones");
        assert!(stop.what.starts_with("120 of 120 records"), "{}", stop.what);
        let why = stop.source.expect("reasons").to_string();
        assert_eq!(why, "in the last batch 40 wrong_type; the first is 0@0: wrong_type: a detail");
        // Without them nobody knows yet.
        assert!(judge.admit(&mut batch(1, &dead), Counted::default).is_ok());
    }

    #[test]
    fn rows_that_the_sink_refused_count_for_the_batches_after() {
        let half: Share = "50%".parse().expect("a share");
        let mut judge = DeadShare::new(Some(half));
        let rows = [false; 60];
        assert!(judge.admit(&mut batch(1, &rows), Counted::default).is_ok());
        judge.settled(BatchId(1), 60);
        let mut second = batch(2, &rows[..50]);
        assert!(judge.admit(&mut second, Counted::default).is_err(), "60 of 110");
    }

    #[test]
    fn without_a_share_everything_passes() {
        let mut judge = DeadShare::new(None);
        let mut dead = batch(1, &[true; 1_000]);
        assert!(judge.admit(&mut dead, Counted::default).is_ok());
        assert!(dead.limit.check(1_000, String::new).is_ok());
    }
}
