//! The ledger: how far each partition has settled, and so what may be committed.
//!
//! Every batch opens its spans in offset order; they settle in any order. Only the contiguous
//! settled head is ever offered for a commit, so nothing overtakes an unwritten row. In
//! exactly-once the head also stops where the rows move to another write stream, until the rows of
//! the stream before it are visible: one commit's metadata can name one stream only.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::record::{Offset, Partition};
use crate::sink::{BatchId, Span, StreamName, StreamPlace};

/// What a commit says of one partition: everything before `offset` is settled, and `promise`, where
/// there is one, names the rows that are durable but not yet visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPoint {
    pub offset: Offset,
    pub promise: Option<StreamPlace>,
}

/// The books of all partitions this instance owns.
#[derive(Debug, Default)]
pub struct Ledger {
    partitions: BTreeMap<Partition, Account>,
}

#[derive(Debug)]
struct Account {
    /// Batches not yet committed, in offset order.
    open: VecDeque<Entry>,
    /// End of the last settled head that was committed.
    committed: CommitPoint,
    /// A flush was ordered and not yet acknowledged.
    flush_due: Option<StreamPlace>,
    /// Rows of the current stream known to be visible.
    visible: Option<StreamPlace>,
    /// The previous owner's rows are visible: a commit may replace its metadata.
    recovered: bool,
    /// A stream that the last commit no longer named, once that commit is acknowledged.
    retired: Option<StreamName>,
}

#[derive(Debug)]
struct Entry {
    batch: BatchId,
    next: Offset,
    opened: Instant,
    settled: Option<Settled>,
}

#[derive(Debug, Clone)]
struct Settled {
    place: Option<StreamPlace>,
}

impl Ledger {
    /// Takes a partition on at its committed offset. Nothing of it may be committed before
    /// [`Ledger::recovered`]; `promise` is what the committed metadata names.
    pub fn assign(&mut self, partition: Partition, start: Offset, promise: Option<StreamPlace>) {
        let account = Account {
            open: VecDeque::new(),
            committed: CommitPoint { offset: start, promise },
            flush_due: None,
            visible: None,
            recovered: false,
            retired: None,
        };
        self.partitions.insert(partition, account);
    }

    pub fn recovered(&mut self, partition: Partition) {
        if let Some(account) = self.partitions.get_mut(&partition) {
            account.recovered = true;
        }
    }

    pub fn is_recovered(&self, partition: Partition) -> bool {
        self.partitions.get(&partition).is_some_and(|account| account.recovered)
    }

    /// Forgets a partition: it belongs to someone else now.
    pub fn release(&mut self, partition: Partition) {
        self.partitions.remove(&partition);
    }

    pub fn owned(&self) -> impl Iterator<Item = Partition> + '_ {
        self.partitions.keys().copied()
    }

    pub fn owns(&self, partition: Partition) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Opens a span. Spans of a partition come in offset order, each where the last one ended or
    /// after a gap (compaction, transaction markers).
    pub fn open(&mut self, batch: BatchId, span: Span, now: Instant) {
        if let Some(account) = self.partitions.get_mut(&span.partition) {
            account.open.push_back(Entry { batch, next: span.next, opened: now, settled: None });
        }
    }

    /// Everything of the batch in this partition is acknowledged: rows, dead letters, ignored.
    pub fn settle(&mut self, batch: BatchId, partition: Partition, place: Option<StreamPlace>) {
        let Some(account) = self.partitions.get_mut(&partition) else { return };
        // Batches rise in number within a partition, so a late answer is found by bisection.
        if let Ok(index) = account.open.binary_search_by(|entry| entry.batch.cmp(&batch)) {
            account.open[index].settled = Some(Settled { place });
        }
    }

    /// What may be committed now, if that is more than what was.
    pub fn commit_point(&self, partition: Partition) -> Option<CommitPoint> {
        self.partitions.get(&partition)?.commit_point()
    }

    /// A last commit once all is settled and visible: the same offset, no promise, so that the
    /// next owner has nothing to flush and an old stream may be forgotten by BigQuery.
    pub fn clean_point(&self, partition: Partition) -> Option<CommitPoint> {
        let account = self.partitions.get(&partition)?;
        let idle = account.recovered && account.flush_due.is_none() && account.open.is_empty();
        (idle && account.committed.promise.is_some())
            .then_some(CommitPoint { offset: account.committed.offset, promise: None })
    }

    /// The broker acknowledged `point`; answers with the rows to flush.
    pub fn committed(&mut self, partition: Partition, point: CommitPoint) -> Option<StreamPlace> {
        let account = self.partitions.get_mut(&partition)?;
        while account.open.front().is_some_and(|entry| entry.next <= point.offset) {
            account.open.pop_front();
        }
        let before = account.committed.promise.take().map(|promise| promise.stream);
        let after = point.promise.as_ref().map(|promise| promise.stream.clone());
        if before.is_some() && before != after {
            account.retired = before;
        }
        account.flush_due = point.promise.clone();
        account.committed = point;
        account.flush_due.clone()
    }

    /// Rows up to `place` are visible.
    pub fn flushed(&mut self, partition: Partition, place: StreamPlace) {
        let Some(account) = self.partitions.get_mut(&partition) else { return };
        if account.flush_due.as_ref() == Some(&place) {
            account.flush_due = None;
            account.visible = Some(place);
        }
    }

    /// A stream that may be finalized, told once: no commit names it any more. The lane's current
    /// stream comes out too once a clean commit dropped its name; the caller keeps that one open.
    pub fn take_retired(&mut self, partition: Partition) -> Option<StreamName> {
        self.partitions.get_mut(&partition)?.retired.take()
    }

    /// Offset up to which the partition is settled, committed and (as far as rows go) visible.
    pub fn finished(&self, partition: Partition) -> Option<Offset> {
        let account = self.partitions.get(&partition)?;
        (account.recovered && account.flush_due.is_none()).then_some(account.committed.offset)
    }

    /// Nothing is open, committed but invisible, or unrecovered.
    pub fn is_idle(&self, partition: Partition) -> bool {
        self.partitions.get(&partition).is_none_or(|account| {
            account.open.is_empty() && account.flush_due.is_none() && account.recovered
        })
    }

    /// When the oldest unsettled batch was opened.
    pub fn oldest_unsettled(&self) -> Option<Instant> {
        self.partitions
            .values()
            .filter_map(|account| account.open.iter().find(|entry| entry.settled.is_none()))
            .map(|entry| entry.opened)
            .min()
    }
}

impl Account {
    fn commit_point(&self) -> Option<CommitPoint> {
        if !self.recovered || self.flush_due.is_some() {
            return None;
        }
        let mut head: Option<CommitPoint> = None;
        for entry in &self.open {
            let Some(settled) = &entry.settled else { break };
            let promise = settled.place.clone().filter(|place| !self.is_visible(place));
            let promised = head.as_ref().and_then(|point| point.promise.as_ref());
            let promise = match (promised, promise) {
                (Some(before), Some(now)) if before.stream != now.stream => break,
                (before, now) => now.or_else(|| before.cloned()),
            };
            head = Some(CommitPoint { offset: entry.next, promise });
        }
        head
    }

    fn is_visible(&self, place: &StreamPlace) -> bool {
        self.visible
            .as_ref()
            .is_some_and(|seen| seen.stream == place.stream && place.rows <= seen.rows)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
