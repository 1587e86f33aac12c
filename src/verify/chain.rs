//! What the places say that a query over a table's chain has found.
//!
//! Each row names the row before it in its partition (`_kafka_previous`). Where it names the row that
//! is before it in the table, nothing is missing between the two. The query returns every other place,
//! and the first and the last row of each partition.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Offset, Partition};

/// A row, or the dead letter of a row that the sink refused, as the query returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub partition: Partition,
    pub offset: Offset,
    /// The row that it names as the one before. `None`: a chain begins here.
    pub previous: Option<Offset>,
    /// The row or letter that is before it in the table.
    pub before: Option<Offset>,
    pub is_letter: bool,
    /// Rows of the partition.
    pub rows: u64,
}

/// Offsets from `from` to `to`, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub from: Offset,
    pub to: Offset,
}

/// Rows that are not there: the last of the span for certain, each other one perhaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    pub span: Span,
    /// The row that names the last of them.
    pub named_by: Offset,
}

/// A row that is there more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    pub offset: Offset,
    pub copies: u64,
}

/// What the chain of one partition shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionChain {
    pub rows: u64,
    /// The first and the last row.
    pub ends: Option<Span>,
    pub repeated: Vec<Repeated>,
    pub missing: Vec<Missing>,
    /// Offsets before the beginning of a chain, of which the rows do not say whether they should be
    /// there. The first one has no beginning of its own: it is where the broker's log begins.
    pub unproven: Vec<Span>,
    /// Rows that name one further up: what stands between the two came later. Each has the row that
    /// it names and its own offset.
    pub stepped_over: Vec<(Offset, Offset)>,
    /// The last row or letter.
    pub reached: Option<Offset>,
    /// The last row that the committed offset promises, if the table does not have it.
    pub tail: Option<Offset>,
    /// Whether the committed offset has said which row is the last.
    pub tail_is_known: bool,
    /// Offsets between the last row and a committed offset that does not say so: somebody has set it.
    pub untold: Option<Span>,
}

/// What a committed offset says of the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promised {
    /// The last one; `None`: there are none.
    LastRow(Option<Offset>),
    /// Nothing: another program has set this offset.
    Untold(Offset),
}

/// The chains of all partitions.
pub type Chains = BTreeMap<Partition, PartitionChain>;

/// Reads places, which come in order of partition and offset. `is_part`: what is before the first of
/// them was not asked for.
pub fn read(places: &[Place], is_part: bool) -> Chains {
    let mut chains = Chains::new();
    for place in places {
        chains.entry(place.partition).or_default().take(place, is_part);
    }
    chains
}

impl PartitionChain {
    fn take(&mut self, place: &Place, is_part: bool) {
        let offset = place.offset;
        self.rows = place.rows;
        self.reached = Some(offset);
        if !place.is_letter {
            let from = self.ends.map_or(offset, |ends| ends.from);
            self.ends = Some(Span { from, to: offset });
        }
        match (place.previous, place.before) {
            // A letter may be written again, and a refused row may have been written after all.
            (_, Some(before)) if before == offset && place.is_letter => {}
            (_, Some(before)) if before == offset => self.repeat(offset),
            (Some(previous), Some(before)) if previous == before => {}
            (Some(previous), Some(before)) if previous < before => {
                self.stepped_over.push((previous, offset));
            }
            (Some(previous), before) => {
                // Of what is before a partition's first row, nothing is known but the row that it names.
                let first = if is_part { previous } else { Offset(0) };
                let from = before.map_or(first, Offset::next);
                let span = Span { from, to: previous };
                self.missing.push(Missing { span, named_by: offset });
            }
            (None, None) if is_part => {}
            (None, before) => {
                let from = before.map_or(Offset(0), Offset::next);
                if from < offset {
                    self.unproven.push(Span { from, to: Offset(offset.0 - 1) });
                }
            }
        }
    }

    fn repeat(&mut self, offset: Offset) {
        match self.repeated.last_mut() {
            Some(last) if last.offset == offset => last.copies += 1,
            _ => self.repeated.push(Repeated { offset, copies: 2 }),
        }
    }

    /// Rows of which only the whole table says whether they are there: those that a row names across
    /// others, and, where only a part was asked for, those that seem to be missing.
    pub fn doubtful(&self, is_part: bool) -> impl Iterator<Item = Offset> {
        let missing = self.missing.iter().map(|missing| missing.span.to);
        let named = self.stepped_over.iter().map(|(named, _)| *named);
        named.chain(missing.filter(move |_| is_part))
    }

    /// Says which of the doubtful rows are there.
    pub fn settle(&mut self, is_part: bool, there: &BTreeSet<Offset>) {
        if is_part {
            self.missing.retain(|missing| !there.contains(&missing.span.to));
        }
        let named = self.stepped_over.iter().filter(|(named, _)| !there.contains(named));
        self.missing.extend(
            named.map(|(named, by)| Missing {
                span: Span { from: *named, to: *named },
                named_by: *by,
            }),
        );
        self.missing.sort_by_key(|missing| missing.span);
        self.missing.dedup_by_key(|missing| missing.span.to);
    }

    /// Compares with what the committed offset promises.
    pub fn promised(&mut self, promised: Promised) {
        self.tail_is_known = matches!(promised, Promised::LastRow(_));
        match promised {
            Promised::LastRow(last_row) => {
                let is_there = |last_row: &Offset| self.reached >= Some(*last_row);
                self.tail = last_row.filter(|last_row| !is_there(last_row));
            }
            Promised::Untold(next) => {
                let from = self.reached.map_or(Offset(0), Offset::next);
                self.untold = (from < next).then(|| Span { from, to: Offset(next.0 - 1) });
            }
        }
    }

    /// Offsets of which nothing says whether their rows should be there.
    pub fn unproven(&self) -> impl Iterator<Item = Span> {
        self.unproven.iter().copied().chain(self.untold)
    }

    /// From behind what is there to the last row that is promised and is not.
    pub fn tail_span(&self) -> Option<Span> {
        let to = self.tail?;
        Some(Span { from: self.reached.map_or(Offset(0), Offset::next), to })
    }

    /// Whether every row that the chain names is there, once.
    pub fn is_complete(&self) -> bool {
        self.repeated.is_empty() && self.missing.is_empty() && self.tail.is_none()
    }
}
