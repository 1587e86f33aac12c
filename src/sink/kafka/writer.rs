//! A lane's writer: one thread that claims its partition and then stores one batch after another.
//! librdkafka's transactional calls block.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::errors::{Names, OutError, Verdict};
use super::owner::Owner;
use super::refused::{self, Found};
use super::target::{Letters, Target};
use super::transaction::Failed;
use super::work::{NothingLeft, Refused, Work};
use crate::error_chain::chain;
use crate::record::Partition;
use crate::retry::Backoff;
use crate::sink::{Batch, Command, Lane, Report, Reports, StoredOffset, Writer};
use crate::source::Undelivered;
use crate::stop::Stop;
use crate::telemetry::Waits;

/// How often an idle writer stores its offset again. Brokers forget the offsets of a group without
/// members, and transactional ids, after seven days by default.
const REFRESH: Duration = Duration::from_secs(3_600);

/// The smallest batch that a topic has to take.
const SMALLEST_BATCH: usize = 1_024;

/// Starts the thread. It ends with the handle, with a permanent error, which it reports, or when
/// another writer owns the partition.
pub(super) fn spawn(
    target: Arc<Target>,
    lane: Lane,
    reports: Reports,
) -> (Writer, Option<JoinHandle<()>>) {
    let (commands, inbox) = unbounded_channel();
    // Every lane of this sink has one.
    let partition = lane.partition.unwrap_or(Partition(0));
    let (runtime, failed) = (Handle::current(), reports.clone());
    let run = move || {
        let mut task = Task { target, lane, partition, reports, runtime, inbox, owner: None };
        let report = match task.run() {
            Ok(()) | Err(Ended::Closed) => return,
            Err(Ended::Fenced) => Report::Fenced,
            Err(Ended::Failed(stop)) => Report::Failed(stop),
        };
        task.report(report);
    };
    let name = format!("kafka-{partition}");
    let thread = match std::thread::Builder::new().name(name).spawn(run) {
        Ok(thread) => Some(thread),
        Err(error) => {
            let hint = "each partition needs a thread of its own: raise the limit of threads";
            let stop = Stop::new("start the writer of a partition", hint, error);
            failed.send(lane, Report::Failed(stop));
            None
        }
    };
    (Writer::new(commands), thread)
}

struct Task {
    target: Arc<Target>,
    lane: Lane,
    partition: Partition,
    reports: Reports,
    runtime: Handle,
    inbox: UnboundedReceiver<Command>,
    owner: Option<Owner>,
}

/// Why a writer ends.
enum Ended {
    /// Nobody sends it commands any more.
    Closed,
    Fenced,
    Failed(Stop),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Failed(stop)
    }
}

impl Task {
    fn run(&mut self) -> Result<(), Ended> {
        let owner = self.claim()?;
        let mut stored = owner.stored.clone();
        self.owner = Some(owner);
        self.report(Report::Ready { stored: stored.clone() });
        loop {
            let inbox = &mut self.inbox;
            // The timer belongs to the runtime.
            let next = async { tokio::time::timeout(REFRESH, inbox.recv()).await };
            let next = self.runtime.block_on(next);
            match (next, &stored) {
                (Ok(None), _) => return Ok(()),
                (Ok(Some(Command::Append(batch))), _) => self.append(batch, &mut stored)?,
                // Messages are visible as soon as they are stored, so there are no promises.
                (Ok(Some(Command::Flush(_) | Command::Retire(_))), _) => {}
                (Err(_), Some(kept)) => {
                    let mut work = Work::offset(kept.clone());
                    self.store(&mut work, &stored)?;
                }
                (Err(_), None) => {}
            }
        }
    }

    /// Stores a batch.
    fn append(&mut self, batch: Batch, stored: &mut Option<StoredOffset>) -> Result<(), Ended> {
        let Some(span) = batch.spans.last() else { return Ok(()) };
        let next = StoredOffset { next: span.reached.next, note: batch.note.clone() };
        let (id, began) = (batch.id, Instant::now());
        let mut work = Work::new(batch, next);
        self.store(&mut work, stored)?;
        self.target.metrics.append_seconds.observe(began.elapsed().as_secs_f64());
        self.report(Report::Settled {
            batch: id,
            promise: None,
            rows: work.rows(),
            bytes: work.bytes,
            letters: work.rejected(),
        });
        *stored = Some(work.next);
        Ok(())
    }

    /// Stores messages and offset, however often that takes. `stored` is what the cluster keeps
    /// before.
    fn store(&mut self, work: &mut Work, stored: &Option<StoredOffset>) -> Result<(), Ended> {
        let target = self.target.clone();
        let mut backoff = backoff();
        self.encode(work)?;
        loop {
            self.send_letters(work)?;
            let owner = match self.owner.take() {
                Some(owner) => owner,
                None => self.claim()?,
            };
            // An earlier attempt may have been committed, where nobody heard of it.
            match &owner.stored {
                kept if kept == stored => {}
                Some(kept) if *kept == work.next => {
                    self.owner = Some(owner);
                    return Ok(());
                }
                _ => return Err(Ended::Fenced),
            }
            let messages = work.addressed(&target);
            let waits = || self.waits();
            let failed = match owner.store(&messages, &work.next, &waits) {
                Ok(()) => {
                    self.keep(Owner { stored: Some(work.next.clone()), ..owner });
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let aborted = match &failed {
                Failed::Closed => Err(Failed::Closed),
                Failed::Refused(_) | Failed::Error(_) => owner.abort(&waits),
            };
            match (failed, aborted) {
                (Failed::Closed, _) | (_, Err(Failed::Closed)) => {
                    // The next owner would end the transaction too, and there may be none.
                    let _ = owner.producer.abort(Duration::from_secs(2));
                    return Err(Ended::Closed);
                }
                (Failed::Refused(refused), Ok(())) => {
                    let found = refused::find(&owner, &messages, &refused, &waits);
                    self.keep(owner);
                    self.take_refused(work, found, &refused, &mut backoff)?;
                }
                (Failed::Error(error), Ok(())) => {
                    self.keep(owner);
                    self.retry(error, &mut backoff)?;
                }
                // The owner is made anew, which ends the transaction.
                (Failed::Error(error), Err(Failed::Error(second))) => {
                    drop(owner);
                    self.retry(error, &mut backoff)?;
                    self.check(&second)?;
                }
                (Failed::Refused(_), Err(Failed::Error(error))) => {
                    drop(owner);
                    self.retry(error, &mut backoff)?;
                }
                (_, Err(Failed::Refused(_))) => {}
            }
        }
    }

    /// Keeps an owner for the next transaction, unless a copy of one of its requests may still be on
    /// its way: the next producer's requests are told from it by their epoch.
    fn keep(&mut self, owner: Owner) {
        self.owner = (!owner.producer.lost_answer()).then_some(owner);
    }

    fn encode(&mut self, work: &mut Work) -> Result<(), Ended> {
        loop {
            let refused = work.encode(&self.target);
            if refused.is_empty() {
                return Ok(());
            }
            self.reject(work, refused)?;
        }
    }

    /// Makes letters durable that do not go into the transaction.
    fn send_letters(&mut self, work: &mut Work) -> Result<(), Ended> {
        let Letters::Elsewhere(letters) = &self.target.letters else { return Ok(()) };
        let unsent = work.unsent();
        if !unsent.is_empty() {
            let (lane, reports) = (self.lane, self.reports.clone());
            let on_retry = move || reports.send(lane, Report::Waiting(Waits::Away));
            self.runtime.block_on(letters.send(&unsent, &on_retry))?;
            work.sent += unsent.len();
        }
        Ok(())
    }

    /// Does what is to be done about messages that the broker does not take.
    fn take_refused(
        &mut self,
        work: &mut Work,
        found: Result<Found, Failed>,
        refused: &[Undelivered],
        backoff: &mut Backoff,
    ) -> Result<(), Ended> {
        match found {
            Ok(Found::Messages(refused)) => {
                self.reject(work, refused)?;
                backoff.reset();
                self.encode(work)
            }
            Ok(Found::Batches { at_least }) => {
                let bytes = &self.target.batch_bytes;
                let smaller = (bytes.load(Ordering::Relaxed) / 4).max(SMALLEST_BATCH);
                let smaller = smaller.max(at_least.min(bytes.load(Ordering::Relaxed)));
                tracing::warn!(
                    topic = self.target.topic,
                    messages = refused.len(),
                    bytes = smaller,
                    "the topic refuses batches of this size: they become smaller"
                );
                bytes.store(smaller, Ordering::Relaxed);
                // The size is one of the producer's properties.
                self.owner = None;
                backoff.reset();
                Ok(())
            }
            Err(Failed::Closed) => Err(Ended::Closed),
            Err(Failed::Error(error)) => {
                self.owner = None;
                self.retry(error, backoff)
            }
            Err(Failed::Refused(_)) => Ok(()),
        }
    }

    fn reject(&mut self, work: &mut Work, refused: Vec<Refused>) -> Result<(), Ended> {
        work.check(&refused)?;
        let target = &self.target;
        let waits = || self.report(Report::Waiting(Waits::Away));
        let rejected = work.reject(refused, &target.layout, &*target.reread, waits);
        self.runtime.block_on(rejected).map_err(|NothingLeft| {
            let what = format!("write dead letters of topic {}", target.topic);
            let hint = "let the topic of dead letters take messages of at least 16 KiB \
                        (max.message.bytes), and messages without a key (no cleanup.policy=compact)";
            Ended::Failed(Stop { what, hint: hint.to_owned(), source: None })
        })
    }

    fn claim(&self) -> Result<Owner, Ended> {
        let mut backoff = backoff();
        loop {
            match Owner::claim(&self.target, self.partition) {
                Ok(owner) => return Ok(owner),
                Err(error) => self.retry(error, &mut backoff)?,
            }
            if self.inbox.is_closed() {
                return Err(Ended::Closed);
            }
        }
    }

    /// Waits before another try, or ends where none will help.
    fn retry(&self, error: OutError, backoff: &mut Backoff) -> Result<(), Ended> {
        let verdict = self.verdict(&error);
        let reason = chain(&error);
        match verdict {
            Verdict::Retry => {
                tracing::warn!(error = reason, topic = self.target.topic, "retrying");
                self.target.metrics.append_retries.inc();
                self.report(Report::Waiting(Waits::Away));
                std::thread::sleep(backoff.pause());
                Ok(())
            }
            Verdict::Fenced => {
                tracing::warn!(
                    error = reason,
                    partition = self.partition.0,
                    "another producer has taken the partition over, or its transaction took too long"
                );
                Err(Ended::Fenced)
            }
            Verdict::Stop(hint) => {
                let what = format!("write to topic {}", self.target.topic);
                Err(Ended::Failed(error.stop(what, hint)))
            }
        }
    }

    /// Ends where an error of another call says that another producer owns the partition.
    fn check(&self, error: &OutError) -> Result<(), Ended> {
        match self.verdict(error) {
            Verdict::Fenced => Err(Ended::Fenced),
            Verdict::Retry | Verdict::Stop(_) => Ok(()),
        }
    }

    fn verdict(&self, error: &OutError) -> Verdict {
        let Target { progress, topic, .. } = &*self.target;
        let slot = progress.slot(self.partition);
        let transactional_id = progress.transactional_id(self.partition);
        let names = Names { topic, group: &slot.group, transactional_id: &transactional_id };
        error.verdict(&names)
    }

    /// Says that the writer waits. False where nobody waits for it any more.
    fn waits(&self) -> bool {
        self.report(Report::Waiting(Waits::Away));
        !self.inbox.is_closed()
    }

    fn report(&self, report: Report) {
        self.reports.send(self.lane, report);
    }
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(50), Duration::from_secs(5))
}
