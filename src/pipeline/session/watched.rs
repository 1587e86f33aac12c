//! How events came to their end, which the watchers are told once it is committed: until then it may
//! come differently.

use std::collections::{BTreeMap, VecDeque};

use crate::pipeline::ledger::Ledger;
use crate::record::{Offset, Partition, Position, Rejected, Rejection, Transcoded};
use crate::steps::Watchers;

/// The ends of events that are not committed.
pub(super) struct Watched {
    watchers: Watchers,
    /// In the order of the offsets; dead letters with their reason.
    ended: BTreeMap<Partition, VecDeque<(Offset, Option<Rejection>)>>,
}

impl Watched {
    pub(super) fn new(watchers: Watchers) -> Self {
        Self { watchers, ended: BTreeMap::new() }
    }

    /// An event is about to be worked on, or is rejected before.
    pub(super) fn received(&self, at: Position, payload: &[u8]) {
        self.watchers.tell(|watcher| watcher.received(at, payload));
    }

    /// Notes that an event comes to its end, unless it is left out.
    pub(super) fn ends(&mut self, at: Position, became: &Transcoded) {
        if !matches!(became, Transcoded::Ignored(_)) {
            self.ended.entry(at.partition).or_default().push_back((at.offset, None));
        }
    }

    /// Tells what has been committed since the last call. `rejected` has what became a dead letter
    /// since then, also in the sink.
    pub(super) fn tell_committed(&mut self, rejected: Vec<Rejected>, ledger: &Ledger) {
        for Rejected { at, rejection } in rejected {
            let Some(ended) = self.ended.get_mut(&at.partition) else { continue };
            if let Ok(place) = ended.binary_search_by_key(&at.offset, |(offset, _)| *offset) {
                ended[place].1 = Some(rejection);
            }
        }
        for (partition, ended) in &mut self.ended {
            let Some(committed) = ledger.committed_offset(*partition) else { continue };
            let told = ended.partition_point(|(offset, _)| *offset < committed);
            for (offset, rejection) in ended.drain(..told) {
                let at = Position { partition: *partition, offset };
                match rejection {
                    None => self.watchers.tell(|watcher| watcher.published(at)),
                    Some(why) => self.watchers.tell(|watcher| watcher.failed(at, &why)),
                }
            }
        }
    }

    /// The partition is given up.
    pub(super) fn release(&mut self, partition: Partition) {
        self.ended.remove(&partition);
        self.watchers.tell(|watcher| watcher.given_up(partition));
    }
}
