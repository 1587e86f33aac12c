//! The ledger: how far each partition has settled, and so what may be committed.
//!
//! Every batch opens its spans in offset order; they settle in any order. Only the contiguous
//! settled head is ever offered for a commit, so nothing overtakes an unwritten row. A commit's
//! metadata can name one series of promises only. So the head also stops where the rows move to
//! another series, until the rows of the series before it are visible.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::record::{Offset, Partition, Reached};
use crate::sink::{BatchId, Promise, Span};

/// What a commit says of one partition: everything before `reached` is settled, and `promise`,
/// where there is one, names the rows that are durable but not yet visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPoint {
    pub reached: Reached,
    pub promise: Option<Promise>,
}

/// The accounts of all partitions that this instance owns.
#[derive(Debug, Default)]
pub struct Ledger {
    partitions: BTreeMap<Partition, Account>,
}

#[derive(Debug)]
struct Account {
    /// Batches not yet committed, in offset order.
    open: VecDeque<Entry>,
    /// The last commit that the committer accepted; at first, where the partition was assigned.
    committed: CommitPoint,
    /// Ordered to be flushed and not yet acknowledged.
    flush_due: Option<Promise>,
    /// The rows of the current series that are known to be visible.
    visible: Option<Promise>,
    /// What the owner before promised is visible, so a commit may replace its metadata.
    ready: bool,
    /// A promise that the last accepted commit no longer names, while an open batch may still have
    /// rows of its series: they are acknowledged, and a later commit will name them.
    unnamed: Option<Promise>,
    /// A promise whose series no commit will name again.
    retired: Option<Promise>,
}

#[derive(Debug)]
struct Entry {
    batch: BatchId,
    reached: Reached,
    opened: Instant,
    settled: Option<Settled>,
}

impl Entry {
    /// An entry that moves the offset without a batch.
    fn nothing_to_write(reached: Reached) -> Self {
        let settled = Some(Settled { promise: None });
        Self { batch: NO_BATCH, reached, opened: Instant::now(), settled }
    }
}

#[derive(Debug, Clone)]
struct Settled {
    promise: Option<Promise>,
}

/// Below the number of every batch.
const NO_BATCH: BatchId = BatchId(0);

impl Ledger {
    /// Takes a partition on at its committed offset. Nothing of it is committed before
    /// [`Ledger::ready`]; `promise` is what the committed metadata names.
    pub fn assign(&mut self, partition: Partition, start: Reached, promise: Option<Promise>) {
        let account = Account {
            open: VecDeque::new(),
            committed: CommitPoint { reached: start, promise },
            flush_due: None,
            visible: None,
            ready: false,
            unnamed: None,
            retired: None,
        };
        self.partitions.insert(partition, account);
    }

    /// The partition may be committed from here on.
    pub fn ready(&mut self, partition: Partition) {
        if let Some(account) = self.partitions.get_mut(&partition) {
            account.ready = true;
        }
    }

    /// The group has no offset of the partition yet, or another one than the sink keeps: where it
    /// begins is to be committed.
    pub fn begin(&mut self, partition: Partition) {
        let Some(account) = self.partitions.get_mut(&partition) else { return };
        let start = account.committed.reached;
        account.open.push_front(Entry::nothing_to_write(start));
    }

    /// Moves an idle partition's offset to `next`, where nothing before it is a record: transaction
    /// markers and aborted records have offsets too.
    pub fn skip(&mut self, partition: Partition, next: Offset) {
        let Some(account) = self.partitions.get_mut(&partition) else { return };
        let committed = account.committed.reached;
        if account.ready && account.open.is_empty() && next > committed.next {
            let reached = Reached { next, ..committed };
            account.open.push_back(Entry::nothing_to_write(reached));
        }
    }

    /// The last commit, once nothing is outstanding.
    pub fn last_point(&self, partition: Partition) -> Option<&CommitPoint> {
        let account = self.partitions.get(&partition)?;
        (account.ready && account.flush_due.is_none()).then_some(&account.committed)
    }

    /// The offset that the group has committed, as far as this instance knows.
    pub fn committed_offset(&self, partition: Partition) -> Option<Offset> {
        Some(self.partitions.get(&partition)?.committed.reached.next)
    }

    /// When the last record before that offset was written, in milliseconds since the epoch.
    pub fn last_committed_ms(&self, partition: Partition) -> Option<i64> {
        self.partitions.get(&partition)?.committed.reached.last?.timestamp_ms
    }

    pub fn is_ready(&self, partition: Partition) -> bool {
        self.partitions.get(&partition).is_some_and(|account| account.ready)
    }

    /// Whether every batch of the partition is settled.
    pub fn is_settled(&self, partition: Partition) -> bool {
        let settled = |account: &Account| account.open.iter().all(|entry| entry.settled.is_some());
        self.partitions.get(&partition).is_some_and(settled)
    }

    /// Where to read next, as long as nothing was read since the assignment.
    pub fn start(&self, partition: Partition) -> Option<Reached> {
        let account = self.partitions.get(&partition)?;
        let committed = account.committed.reached;
        Some(account.open.front().map_or(committed, |entry| entry.reached))
    }

    /// Forgets a partition that somebody else owns now.
    pub fn release(&mut self, partition: Partition) {
        self.partitions.remove(&partition);
    }

    pub fn owned(&self) -> impl Iterator<Item = Partition> + '_ {
        self.partitions.keys().copied()
    }

    pub fn owns(&self, partition: Partition) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Opens a span. Spans of a partition come in offset order, each where the one before ended or
    /// after a gap (compaction, transaction markers).
    pub fn open(&mut self, batch: BatchId, span: Span, now: Instant) {
        if let Some(account) = self.partitions.get_mut(&span.partition) {
            let reached = span.reached;
            account.open.push_back(Entry { batch, reached, opened: now, settled: None });
        }
    }

    /// Everything of the batch in this partition is acknowledged: rows, dead letters, ignored.
    pub fn settle(&mut self, batch: BatchId, partition: Partition, promise: Option<Promise>) {
        let Some(account) = self.partitions.get_mut(&partition) else { return };
        // Batches ascend within a partition, so a late report is found by bisection.
        if let Ok(index) = account.open.binary_search_by(|entry| entry.batch.cmp(&batch)) {
            account.open[index].settled = Some(Settled { promise });
        }
    }

    /// What may be committed now, if that is more than what was.
    pub fn commit_point(&self, partition: Partition) -> Option<CommitPoint> {
        self.partitions.get(&partition)?.commit_point()
    }

    /// A last commit once all is settled and visible: the same offset without a promise. Then the
    /// next owner has nothing to flush, and the sink may forget what the promise named.
    pub fn clean_point(&self, partition: Partition) -> Option<CommitPoint> {
        let account = self.partitions.get(&partition)?;
        let idle = account.ready && account.flush_due.is_none() && account.open.is_empty();
        (idle && account.committed.promise.is_some())
            .then_some(CommitPoint { reached: account.committed.reached, promise: None })
    }

    /// The committer accepted `point`. Returns what to flush now.
    pub fn committed(&mut self, partition: Partition, point: CommitPoint) -> Option<Promise> {
        let account = self.partitions.get_mut(&partition)?;
        while account.open.front().is_some_and(|entry| entry.reached.next <= point.reached.next) {
            account.open.pop_front();
        }
        let before = std::mem::replace(&mut account.committed, point).promise;
        let named = account.committed.promise.as_ref();
        if let Some(before) = before.or_else(|| account.unnamed.take())
            && !named.is_some_and(|after| after.is_of_series(&before))
        {
            account.stop_naming(before);
        }
        account.flush_due.clone_from(&account.committed.promise);
        account.flush_due.clone()
    }

    /// The promised rows are visible.
    pub fn flushed(&mut self, partition: Partition, promise: Promise) {
        let Some(account) = self.partitions.get_mut(&partition) else { return };
        if account.flush_due.as_ref() == Some(&promise) {
            account.flush_due = None;
            account.visible = Some(promise);
        }
    }

    /// Returns, once, a promise whose series no commit will name again.
    pub fn take_retired(&mut self, partition: Partition) -> Option<Promise> {
        self.partitions.get_mut(&partition)?.retired.take()
    }

    /// The last committed offset (at first, where the partition was assigned); `None` while a flush or
    /// the promise of the previous owner is outstanding.
    pub fn finished(&self, partition: Partition) -> Option<Offset> {
        let account = self.partitions.get(&partition)?;
        (account.ready && account.flush_due.is_none()).then_some(account.committed.reached.next)
    }

    /// Nothing is open, committed but invisible, or waiting to become ready.
    pub fn is_idle(&self, partition: Partition) -> bool {
        self.partitions.get(&partition).is_none_or(|account| {
            account.open.is_empty() && account.flush_due.is_none() && account.ready
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
    /// The accepted commit no longer names this promise. Rows go to one series after the other. So
    /// where it names another one, or nothing is open, no batch has rows of the series.
    #[cold]
    fn stop_naming(&mut self, before: Promise) {
        if self.committed.promise.is_some() || self.open.is_empty() {
            self.retired = Some(before);
        } else {
            self.unnamed = Some(before);
        }
    }

    fn commit_point(&self) -> Option<CommitPoint> {
        if !self.ready || self.flush_due.is_some() {
            return None;
        }
        let mut head: Option<(Reached, Option<&Promise>)> = None;
        for entry in &self.open {
            let Some(settled) = &entry.settled else { break };
            let promise = settled.promise.as_ref().filter(|promise| !self.is_visible(promise));
            let promise = match (head.and_then(|(_, promised)| promised), promise) {
                (Some(before), Some(now)) if !now.is_of_series(before) => break,
                (before, now) => now.or(before),
            };
            head = Some((entry.reached, promise));
        }
        head.map(|(reached, promise)| CommitPoint { reached, promise: promise.cloned() })
    }

    fn is_visible(&self, promise: &Promise) -> bool {
        self.visible.as_ref().is_some_and(|visible| visible.covers(promise))
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
