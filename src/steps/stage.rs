//! Records on their way through the steps: work on them goes on side by side, and each partition's
//! records leave in the order of their offsets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;

use crate::record::{Event, OwnedEvent, Partition, Rejection};
use crate::stop::Stop;

/// Bytes that a record counts for while it is worked on, besides its own: enough that a few hundred
/// wait in the default limit. What is worked on at the same time has a limit of its own.
const EXPECTED_BYTES: usize = 256 << 10;

/// What is done with an event.
pub trait Work: Send + Sync {
    /// Works on an event until there is an outcome. Outages are waited for. The work is dropped
    /// where the event's partition is given up, so it changes nothing that others see.
    /// `decoded` is the event's value with its decoded fields, if its contract has such.
    fn run(
        self: Arc<Self>,
        event: Arc<OwnedEvent>,
        decoded: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<Outcome, Stop>>;
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Left out; the index is that of the plan's labels.
    Ignored(usize),
    Rejected(Box<Rejection>),
    /// The event's value is replaced by this JSON text.
    Report(Vec<u8>),
}

/// An event that has come to its end here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub event: Arc<OwnedEvent>,
    pub outcome: Outcome,
}

/// The records of the owned partitions that are under way.
pub struct Stage {
    work: Arc<dyn Work>,
    done: Receiver<Done>,
    to_done: Sender<Done>,
    /// Who takes the finished events.
    reader: Thread,
    queues: BTreeMap<Partition, VecDeque<Slot>>,
    /// Partitions whose first record is finished.
    ready: BTreeSet<Partition>,
    next_ticket: u64,
    bytes: usize,
}

struct Done {
    partition: Partition,
    ticket: u64,
    result: Result<Outcome, Stop>,
}

struct Slot {
    ticket: u64,
    event: Arc<OwnedEvent>,
    since: Instant,
    /// As they count against the limit.
    bytes: usize,
    outcome: Option<Outcome>,
    task: Option<AbortHandle>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Stage {
    /// Whoever makes it takes the finished events: their thread is woken for them.
    pub fn new(work: Arc<dyn Work>) -> Self {
        let (to_done, done) = channel();
        Self {
            work,
            done,
            to_done,
            reader: thread::current(),
            queues: BTreeMap::new(),
            ready: BTreeSet::new(),
            next_ticket: 0,
            bytes: 0,
        }
    }

    /// Whether a record of this partition is under way.
    pub fn holds(&self, partition: Partition) -> bool {
        self.queues.get(&partition).is_some_and(|queue| !queue.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        // Each record counts for at least its own bytes.
        self.bytes == 0
    }

    /// Bytes of what is under way, as they count against the limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the oldest record is under way.
    pub fn oldest(&self) -> Option<Instant> {
        self.queues.values().filter_map(VecDeque::front).map(|slot| slot.since).min()
    }

    /// Begins to work on a record, on the current tokio runtime.
    pub fn begin(&mut self, event: &Event<'_>, decoded: Option<Vec<u8>>, now: Instant) {
        let event = Arc::new(OwnedEvent::of(event));
        let (partition, ticket) = (event.at.partition, self.next_ticket);
        let bytes = event.bytes() + decoded.as_ref().map_or(0, Vec::len) + EXPECTED_BYTES;
        let work = Arc::clone(&self.work).run(Arc::clone(&event), decoded);
        let (done, reader) = (self.to_done.clone(), self.reader.clone());
        let task = tokio::spawn(async move {
            let result = work.await;
            // Nobody listens where the session has ended.
            let _ = done.send(Done { partition, ticket, result });
            reader.unpark();
        });
        self.push(Slot {
            ticket,
            event,
            since: now,
            bytes,
            outcome: None,
            task: Some(task.abort_handle()),
        });
    }

    /// Lets a record wait for those before it whose outcome is known already.
    pub fn pass(&mut self, event: &Event<'_>, outcome: Outcome, now: Instant) {
        let event = Arc::new(OwnedEvent::of(event));
        let (ticket, bytes) = (self.next_ticket, event.bytes());
        self.push(Slot { ticket, event, since: now, bytes, outcome: Some(outcome), task: None });
    }

    fn push(&mut self, slot: Slot) {
        self.next_ticket += 1;
        self.bytes += slot.bytes;
        let partition = slot.event.at.partition;
        let queue = self.queues.entry(partition).or_default();
        if queue.is_empty() && slot.outcome.is_some() {
            self.ready.insert(partition);
        }
        queue.push_back(slot);
    }

    /// The next event that is finished and has no unfinished one before it in its partition.
    pub fn next_finished(&mut self) -> Result<Option<Finished>, Stop> {
        while let Ok(done) = self.done.try_recv() {
            self.note(done)?;
        }
        let Some(partition) = self.ready.first().copied() else { return Ok(None) };
        let finished = self.queues.get_mut(&partition).and_then(|queue| {
            let mut slot = queue.pop_front()?;
            self.bytes -= slot.bytes;
            if queue.front().is_none_or(|next| next.outcome.is_none()) {
                self.ready.remove(&partition);
            }
            let outcome = slot.outcome.take()?;
            Some(Finished { event: Arc::clone(&slot.event), outcome })
        });
        Ok(finished)
    }

    fn note(&mut self, Done { partition, ticket, result }: Done) -> Result<(), Stop> {
        let Some(queue) = self.queues.get_mut(&partition) else { return Ok(()) };
        // What was released is not there any more, even if its partition came back.
        let Ok(index) = queue.binary_search_by_key(&ticket, |slot| slot.ticket) else {
            return Ok(());
        };
        let outcome = result?;
        let slot = &mut queue[index];
        if let Outcome::Report(report) = &outcome {
            let bytes = slot.event.bytes() + report.len();
            self.bytes = self.bytes - slot.bytes + bytes;
            slot.bytes = bytes;
        }
        slot.outcome = Some(outcome);
        slot.task = None;
        if index == 0 {
            self.ready.insert(partition);
        }
        Ok(())
    }

    /// Gives up what is under way in a partition: its next owner reads it again.
    pub fn release(&mut self, partition: Partition) {
        let queue = self.queues.remove(&partition).unwrap_or_default();
        self.bytes -= queue.iter().map(|slot| slot.bytes).sum::<usize>();
        self.ready.remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;
    use tokio::sync::oneshot;

    use super::*;
    use crate::record::Position;

    /// Ends each event when the test says so, in the order in which the test says so.
    #[derive(Default)]
    struct OnCommand(Mutex<BTreeMap<(i32, i64), oneshot::Sender<()>>>);

    impl Work for OnCommand {
        fn run(
            self: Arc<Self>,
            event: Arc<OwnedEvent>,
            _: Option<Vec<u8>>,
        ) -> BoxFuture<'static, Result<Outcome, Stop>> {
            let (end, ended) = oneshot::channel();
            let at = (event.at.partition.0, event.at.offset.0);
            self.0.lock().expect("a lock").insert(at, end);
            Box::pin(async move {
                let _ = ended.await;
                Ok(Outcome::Report(format!("{at:?}").into_bytes()))
            })
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Begin(i32),
        Pass(i32),
        /// Ends one of the events that are worked on.
        End(prop::sample::Index),
        Release(i32),
        Take,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0..3).prop_map(Act::Begin),
            2 => (0..3).prop_map(Act::Pass),
            4 => any::<prop::sample::Index>().prop_map(Act::End),
            1 => (0..3).prop_map(Act::Release),
            2 => Just(Act::Take),
        ];
        prop::collection::vec(act, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever ends first: a partition's events are taken once each, in order, without a hole;
        /// none that was released; and nothing counts any more when all are taken.
        #[test]
        fn each_partitions_events_leave_in_order(acts in acts()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                let work = Arc::new(OnCommand::default());
                let mut stage = Stage::new(work.clone());
                let mut expected: BTreeMap<i32, VecDeque<i64>> = BTreeMap::new();
                let mut offsets = [0_i64; 3];
                let end = |at: (i32, i64)| {
                    let ended = work.0.lock().expect("a lock").remove(&at);
                    ended.map(|ended| ended.send(()))
                };
                for act in acts.into_iter().chain([Act::Take]) {
                    match act {
                        Act::Begin(partition) | Act::Pass(partition) => {
                            let offset = &mut offsets[partition as usize];
                            let event = Event::unknown(Position::new(partition, *offset));
                            match act {
                                Act::Begin(_) => stage.begin(&event, None, Instant::now()),
                                _ => stage.pass(&event, Outcome::Ignored(0), Instant::now()),
                            }
                            expected.entry(partition).or_default().push_back(*offset);
                            *offset += 1;
                        }
                        Act::End(index) => {
                            let open: Vec<_> = work.0.lock().expect("a lock").keys().copied().collect();
                            if !open.is_empty() {
                                end(*index.get(&open));
                            }
                        }
                        Act::Release(partition) => {
                            stage.release(Partition(partition));
                            expected.remove(&partition);
                            work.0.lock().expect("a lock").retain(|at, _| at.0 != partition);
                        }
                        Act::Take => take(&mut stage, &mut expected).await,
                    }
                }
                let open: Vec<_> = work.0.lock().expect("a lock").keys().copied().collect();
                open.into_iter().for_each(|at| { end(at); });
                while !stage.is_empty() {
                    take(&mut stage, &mut expected).await;
                }
                assert!(expected.values().all(VecDeque::is_empty), "{expected:?}");
                assert_eq!(stage.bytes(), 0);
                assert_eq!(stage.oldest(), None);
            });
        }
    }

    async fn take(stage: &mut Stage, expected: &mut BTreeMap<i32, VecDeque<i64>>) {
        // The tasks run.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        while let Some(Finished { event, outcome }) = stage.next_finished().expect("no stop") {
            let Position { partition, offset } = event.at;
            let next = expected.get_mut(&partition.0).and_then(VecDeque::pop_front);
            assert_eq!(next, Some(offset.0));
            if let Outcome::Report(report) = outcome {
                assert_eq!(report, format!("{:?}", (partition.0, offset.0)).into_bytes());
            }
        }
    }
}
