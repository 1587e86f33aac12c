//! Knows when a run that only catches up is done.

use std::collections::BTreeMap;

use super::flow::Until;
use super::ledger::Ledger;
use crate::record::{Offset, Partition};

/// The ends that a run reads to, and the partition that keeps it from being done.
#[derive(Debug)]
pub struct CatchUp {
    until: Until,
    /// Where this session begins to read each partition, and its end when it was first assigned.
    spans: BTreeMap<Partition, Span>,
    /// The partition that was still behind at the last check.
    behind: Option<Partition>,
}

/// The offsets of a partition that are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub start: Offset,
    pub end: Offset,
}

impl CatchUp {
    pub fn new(until: Until) -> Self {
        Self { until, spans: BTreeMap::new(), behind: None }
    }

    /// The partitions whose ends are needed and not known yet.
    pub fn unknown(&self, partitions: &[Partition]) -> Vec<Partition> {
        match self.until {
            Until::Stopped => Vec::new(),
            Until::CaughtUp => {
                partitions.iter().filter(|one| !self.spans.contains_key(one)).copied().collect()
            }
        }
    }

    pub fn note(&mut self, partition: Partition, span: Span) {
        self.spans.insert(partition, span);
    }

    /// How many offsets of the owned partitions are read and how many there are, up to the noted
    /// ends; `position` is where a partition stands. Offsets, because compaction, transaction markers
    /// and aborted records leave some without a record, and a live topic goes on beyond its end.
    pub fn progress(
        &self,
        ledger: &Ledger,
        position: impl Fn(Partition, Offset) -> Option<Offset>,
    ) -> (u64, u64) {
        let owned = self.spans.iter().filter(|(partition, _)| ledger.owns(**partition));
        let of_one = |(partition, span): (&Partition, &Span)| {
            let read = position(*partition, span.end).unwrap_or(span.start).min(span.end);
            let offsets = |to: Offset| u64::try_from(to.0 - span.start.0).unwrap_or(0);
            (offsets(read), offsets(span.end))
        };
        owned.map(of_one).fold((0, 0), |(read, all), (more, of)| (read + more, all + of))
    }

    /// Whether every partition that the ledger owns has reached its end; `reached` tells it of one.
    /// Never true of a run that goes on until it is stopped.
    pub fn is_done(
        &mut self,
        ledger: &Ledger,
        reached: impl Fn(Partition, Offset) -> bool,
    ) -> bool {
        if self.until == Until::Stopped {
            return false;
        }
        let spans = &self.spans;
        let is_behind = |partition: &Partition| {
            spans.get(partition).is_none_or(|span| !reached(*partition, span.end))
        };
        // One partition that is still behind decides. Checking a thousand of them every turn would
        // cost as much as reading does.
        if self.behind.is_some_and(|one| ledger.owns(one) && is_behind(&one)) {
            return false;
        }
        let last = self.behind.unwrap_or(Partition(0));
        let after_last = ledger.owned().filter(|one| *one > last);
        self.behind = after_last.chain(ledger.owned()).find(is_behind);
        self.behind.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::record::Reached;

    fn owning(partitions: &[Partition]) -> Ledger {
        let mut ledger = Ledger::default();
        for partition in partitions {
            ledger.assign(*partition, Reached::at(Offset(0)), None);
        }
        ledger
    }

    #[test]
    fn done_once_every_owned_partition_has_reached_its_end() {
        let mut catch_up = CatchUp::new(Until::CaughtUp);
        let partitions = [0, 1, 2].map(Partition);
        let ledger = owning(&partitions);
        assert_eq!(catch_up.unknown(&partitions), partitions);
        assert!(!catch_up.is_done(&ledger, |_, _| true), "no end is known");
        for partition in partitions {
            catch_up.note(partition, Span { start: Offset(0), end: Offset(10) });
        }
        assert!(catch_up.unknown(&partitions).is_empty());
        assert!(!catch_up.is_done(&ledger, |one, _| one != Partition(1)));
        let asked = Cell::new(0);
        let count = |_, _| {
            asked.set(asked.get() + 1);
            false
        };
        assert!(!catch_up.is_done(&ledger, count));
        assert_eq!(asked.get(), 1, "one that is behind decides for all");
        let without_it = owning(&[Partition(0), Partition(2)]);
        assert!(catch_up.is_done(&without_it, |_, end| end == Offset(10)));
    }

    /// A live topic goes on beyond the noted end, and a partition may be given up.
    #[test]
    fn progress_counts_offsets_up_to_the_noted_ends_of_owned_partitions() {
        let mut catch_up = CatchUp::new(Until::CaughtUp);
        let ledger = owning(&[0, 1, 2].map(Partition));
        assert_eq!(catch_up.progress(&ledger, |_, _| None), (0, 0));
        for partition in [0, 1, 2, 3] {
            let start = Offset(100 * i64::from(partition));
            catch_up.note(Partition(partition), Span { start, end: Offset(start.0 + 10) });
        }
        let position = |partition: Partition, _| match partition.0 {
            0 => Some(Offset(4)),
            1 => Some(Offset(5_000)),
            _ => None,
        };
        assert_eq!(catch_up.progress(&ledger, position), (4 + 10, 30));
        assert_eq!(catch_up.progress(&owning(&[Partition(0)]), position), (4, 10));
    }

    #[test]
    fn a_run_until_stopped_needs_no_ends_and_is_never_done() {
        let mut catch_up = CatchUp::new(Until::Stopped);
        assert!(catch_up.unknown(&[Partition(0)]).is_empty());
        assert!(!catch_up.is_done(&Ledger::default(), |_, _| true));
    }
}
