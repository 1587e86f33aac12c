//! Knows when a run that only catches up is done.

use std::collections::BTreeMap;

use super::flow::Until;
use super::ledger::Ledger;
use crate::record::{Offset, Partition};

/// The ends that a run reads to, and the partition that keeps it from being done.
#[derive(Debug)]
pub struct CatchUp {
    until: Until,
    /// End of each partition when it was first assigned.
    ends: BTreeMap<Partition, Offset>,
    /// The partition that was still behind at the last check.
    behind: Option<Partition>,
}

impl CatchUp {
    pub fn new(until: Until) -> Self {
        Self { until, ends: BTreeMap::new(), behind: None }
    }

    /// The partitions whose ends are needed and not known yet.
    pub fn unknown(&self, partitions: &[Partition]) -> Vec<Partition> {
        match self.until {
            Until::Stopped => Vec::new(),
            Until::CaughtUp => {
                partitions.iter().filter(|one| !self.ends.contains_key(one)).copied().collect()
            }
        }
    }

    pub fn note_ends(&mut self, ends: Vec<(Partition, Offset)>) {
        self.ends.extend(ends);
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
        let ends = &self.ends;
        let is_behind = |partition: &Partition| {
            ends.get(partition).is_none_or(|end| !reached(*partition, *end))
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
        catch_up.note_ends(partitions.iter().map(|one| (*one, Offset(10))).collect());
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

    #[test]
    fn a_run_until_stopped_needs_no_ends_and_is_never_done() {
        let mut catch_up = CatchUp::new(Until::Stopped);
        assert!(catch_up.unknown(&[Partition(0)]).is_empty());
        assert!(!catch_up.is_done(&Ledger::default(), |_, _| true));
    }
}
