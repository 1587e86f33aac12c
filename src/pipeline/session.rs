//! One Kafka client's life: join, read, write, commit, leave. After a commit in doubt the session
//! ends and the next one reads from the broker what happened; nothing is carried over.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::assembler::Assembler;
use super::ledger::Ledger;
use super::runner::{Stop, chain};
use super::summary::Tally;
use super::{Flow, Summary, Until};
use crate::config::Guarantee;
use crate::record::{DeadLetter, Offset, Partition, Transcoded};
use crate::sink::{Batch, BatchId, Command, Lane, Report, Reports, Span, StreamName, Writer};
use crate::source::{Committer, PollError, Polled, Source};

/// How a session ended.
pub enum Ending {
    /// Shut down or caught up; `drained` says whether everything in flight was settled.
    Finished { drained: bool },
    /// A new session has to find out what was committed. `progress`: this one got somewhere.
    Rejoin { why: String, progress: bool },
}

/// Why the loop leaves early: for a new session, or for good.
pub(super) enum Break {
    Rejoin(String),
    /// The group has moved on without this member.
    Fenced(String),
    Stop(Stop),
}

impl From<Stop> for Break {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Records taken from librdkafka between two looks at reports, commits and batch ages: at a
/// million records a second one burst lasts a millisecond.
const BURST: usize = 1_000;

/// The longest wait for a record: a shutdown is noticed as soon.
const IDLE: Duration = Duration::from_millis(100);

/// Over the limit the thread first just waits for answers this long; pausing throws away what
/// librdkafka has fetched ahead, so only a sink that stalls is worth it.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Session<'a> {
    pub(super) flow: &'a mut Flow,
    pub(super) summary: &'a mut Summary,
    pub(super) source: Source,
    pub(super) committer: Committer,
    pub(super) ledger: Ledger,
    pub(super) assembler: Assembler,
    pub(super) lanes: HashMap<Option<Partition>, OpenLane>,
    pub(super) in_flight: HashMap<BatchId, InFlight>,
    pub(super) in_flight_bytes: usize,
    pub(super) reports: Receiver<(Lane, Report)>,
    pub(super) report_to: Reports,
    pub(super) epoch: u64,
    pub(super) last_commit: Instant,
    pub(super) joined: bool,
    pub(super) committed_once: bool,
    paused: bool,
    tally: Tally,
    /// When the age of the oldest batch was looked at last.
    observed: Instant,
    /// End of each partition as first seen, for [`Until::CaughtUp`].
    pub(super) ends: BTreeMap<Partition, Offset>,
    /// A partition that had not come to its end when it was asked last.
    behind: Option<Partition>,
}

/// A lane's writer and the stream its rows go to.
pub(super) struct OpenLane {
    pub(super) lane: Lane,
    pub(super) writer: Writer,
    pub(super) stream: Option<StreamName>,
}

/// A batch that its writer has.
pub(super) struct InFlight {
    pub(super) bytes: usize,
    pub(super) lane: Lane,
    pub(super) spans: Vec<Span>,
}

impl<'a> Session<'a> {
    pub fn open(
        flow: &'a mut Flow,
        committer: Committer,
        summary: &'a mut Summary,
    ) -> Result<Self, Stop> {
        let source = Source::open(&flow.consumer, &flow.topic, flow.metrics.clone())?;
        let (report_to, reports) = Reports::here();
        Ok(Self {
            source,
            committer,
            ledger: Ledger::default(),
            assembler: Assembler::new(flow.guarantee, &flow.limits),
            lanes: HashMap::new(),
            in_flight: HashMap::new(),
            in_flight_bytes: 0,
            reports,
            report_to,
            epoch: 0,
            last_commit: Instant::now(),
            joined: false,
            committed_once: false,
            paused: false,
            tally: Tally::default(),
            observed: Instant::now(),
            ends: BTreeMap::new(),
            behind: None,
            flow,
            summary,
        })
    }

    /// Runs until the flow ends, a doubt needs a new session, or an error needs a person.
    pub fn run(&mut self) -> Result<Ending, Stop> {
        let (leaving, ending) = loop {
            if self.flow.shutdown.requested() || self.is_caught_up() {
                break (true, self.finish());
            }
            if let Err(reason) = self.turn() {
                // A rebalance that a shutdown meets halfway is left as one a moment later.
                break (self.flow.shutdown.requested(), Err(reason));
            }
        };
        match ending {
            Ok(drained) => Ok(Ending::Finished { drained }),
            // As when all instances are replaced at once. What is not committed is read by the
            // partitions' next owners, and its rows stay invisible: there is nothing left to do.
            Err(Break::Fenced(why)) if leaving => {
                tracing::info!(reason = %why, "the group moved on while this member was leaving");
                Ok(Ending::Finished { drained: true })
            }
            Err(Break::Rejoin(why) | Break::Fenced(why)) => {
                Ok(Ending::Rejoin { why, progress: self.committed_once })
            }
            Err(Break::Stop(stop)) => Err(stop),
        }
    }

    /// The chain, once around: what came back settles, what settled is committed, what was
    /// committed is flushed, and then new records become batches.
    fn turn(&mut self) -> Result<(), Break> {
        self.take_reports()?;
        self.commit_settled()?;
        self.regulate()?;
        self.read()?;
        self.send_ripe();
        self.observe();
        Ok(())
    }

    fn read(&mut self) -> Result<(), Break> {
        let mut patience = self.patience();
        let now = Instant::now();
        let ingested_at = self.flow.clock.now_micros();
        for _ in 0..BURST {
            // Only the first poll of a burst may wait.
            match self.source.poll(std::mem::take(&mut patience)) {
                Ok(Polled::Record(record)) => {
                    let event = record.event();
                    let partition = event.at.partition;
                    let open = self.assembler.batch_for(partition, now);
                    match self.flow.plan.transcode(&event, ingested_at, open.rows()) {
                        Transcoded::Row => {}
                        Transcoded::Ignored(label) => self.tally.ignore(label),
                        Transcoded::Rejected(rejection) => {
                            open.reject(DeadLetter::of(&event, *rejection));
                        }
                    }
                    open.cover(event.at);
                    self.tally.read(event.value.map_or(0, <[u8]>::len));
                    if let Some(batch) = self.assembler.take_full(partition) {
                        self.send(batch);
                        if self.is_over_limit() {
                            return Ok(());
                        }
                    }
                }
                Ok(Polled::Rebalance) => return self.rebalance(),
                Ok(Polled::Nothing) => return Ok(()),
                Err(PollError::Passing(error)) => {
                    tracing::warn!(error = %error, "reading is interrupted, librdkafka goes on");
                }
                Err(error @ PollError::Client(_)) => {
                    return Err(Break::Rejoin(chain(&error)));
                }
                Err(PollError::Refused { topic, hint, source }) => {
                    return Err(Stop::new(format!("read topic {topic}"), hint, source).into());
                }
            }
        }
        Ok(())
    }

    /// How long the next poll may wait for a record: a report ends the wait, so do batches that
    /// ripen and the end of the commit interval.
    fn patience(&self) -> Duration {
        let most = self.until_commit(IDLE);
        self.assembler
            .deadline()
            .map_or(most, |deadline| most.min(deadline.saturating_duration_since(Instant::now())))
    }

    /// `most`, or less where the next commit may come sooner. One that might have come by now was
    /// tried: it waits for a report.
    fn until_commit(&self, most: Duration) -> Duration {
        let left = self.flow.limits.commit_interval.saturating_sub(self.last_commit.elapsed());
        if left.is_zero() { most } else { most.min(left) }
    }

    fn is_over_limit(&self) -> bool {
        self.in_flight_bytes + self.assembler.bytes() > self.flow.limits.in_flight_bytes
    }

    /// Back-pressure by bytes: over the limit wait for answers, and pause where none come; go on
    /// at half of it, because every pause throws away what was fetched ahead.
    fn regulate(&mut self) -> Result<(), Break> {
        let began = Instant::now();
        while !self.paused && self.is_over_limit() {
            let left = PATIENCE.saturating_sub(began.elapsed());
            if left.is_zero() {
                self.pause(true)?;
            }
            self.wait_for_report(self.until_commit(left))?;
            self.commit_settled()?;
        }
        if self.paused && self.in_flight_bytes * 2 <= self.flow.limits.in_flight_bytes {
            self.pause(false)?;
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, pause: bool) -> Result<(), Break> {
        let owned: Vec<Partition> = self.ledger.owned().collect();
        let done = if pause { self.source.pause(&owned) } else { self.source.resume(&owned) };
        done.map_err(|error| Break::Rejoin(format!("pause or resume partitions: {error}")))?;
        self.paused = pause;
        tracing::info!(paused = pause, in_flight_bytes = self.in_flight_bytes, "back-pressure");
        Ok(())
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    fn send_ripe(&mut self) {
        for batch in self.assembler.take_ripe(Some(Instant::now())) {
            self.send(batch);
        }
    }

    /// Opens the batch's spans in the ledger and hands it to its writer. A batch without rows and
    /// dead letters has nothing to wait for.
    pub(super) fn send(&mut self, mut batch: Batch) {
        batch.rows.shrink();
        let now = Instant::now();
        for span in &batch.spans {
            self.ledger.open(batch.id, *span, now);
        }
        if batch.rows.is_empty() && batch.letters.is_empty() {
            for span in &batch.spans {
                self.ledger.settle(batch.id, span.partition, None);
            }
            return;
        }
        let key = match self.flow.guarantee {
            Guarantee::ExactlyOnce => batch.spans.first().map(|span| span.partition),
            Guarantee::AtLeastOnce => None,
        };
        let Some(open) = self.lanes.get(&key) else { return };
        let bytes = batch.bytes();
        self.in_flight_bytes += bytes;
        let in_flight = InFlight { bytes, lane: open.lane, spans: batch.spans.clone() };
        self.in_flight.insert(batch.id, in_flight);
        open.writer.tell(Command::Append(batch));
    }

    /// Nothing waits: no batch, no commit, no flush.
    pub(super) fn is_settled(&self) -> bool {
        self.ledger
            .owned()
            .all(|partition| self.ledger.is_idle(partition) && !self.assembler.holds(partition))
    }

    /// Whether everything that was there at the start is settled, committed and visible.
    fn is_caught_up(&mut self) -> bool {
        if self.flow.until == Until::Stopped || !self.joined {
            return false;
        }
        // One that is behind speaks for all: asking a thousand every turn costs as much as reading.
        if self.behind.is_some_and(|partition| !self.has_caught_up(partition)) {
            return false;
        }
        let since = self.behind.unwrap_or(Partition(0));
        let late = self.ledger.owned().filter(|partition| *partition > since);
        let behind =
            late.chain(self.ledger.owned()).find(|partition| !self.has_caught_up(*partition));
        self.behind = behind;
        behind.is_none()
    }

    /// A partition that is not ours any more keeps nobody waiting.
    fn has_caught_up(&self, partition: Partition) -> bool {
        if !self.ledger.owns(partition) {
            return true;
        }
        let Some(end) = self.ends.get(&partition) else { return false };
        let nothing_waits = self.ledger.is_idle(partition) && !self.assembler.holds(partition);
        self.ledger.finished(partition).is_some_and(|at| at >= *end)
            || (nothing_waits && self.source.has_read_to(partition, *end))
    }

    /// The end: take no more in, drain, say that nothing is promised any more, leave the group.
    fn finish(&mut self) -> Result<bool, Break> {
        let deadline = Instant::now() + self.flow.limits.drain;
        let owned: Vec<Partition> = self.ledger.owned().collect();
        let drained = self.drain(&owned)? && self.commit_last(&owned, deadline);
        self.source.unsubscribe();
        Ok(drained)
    }

    /// The last word to the group once all is settled: nothing is promised any more, and the
    /// offsets are there, which plain commits leave open. False where they are not in time.
    fn commit_last(&mut self, owned: &[Partition], deadline: Instant) -> bool {
        if self.commit_clean(owned).is_err() {
            // A courtesy to the next owner, who can do without: it flushes again what is promised.
            tracing::info!("the group moved on before the promises were taken back");
        }
        let offset = |partition: &Partition| Some((*partition, self.ledger.finished(*partition)?));
        match self.flow.guarantee {
            Guarantee::ExactlyOnce => true,
            Guarantee::AtLeastOnce => {
                let points: Vec<_> = owned.iter().filter_map(offset).collect();
                self.source.confirm_committed(&points, deadline)
            }
        }
    }

    /// Publishes what the turn counted.
    fn observe(&mut self) {
        self.tally.publish(self.flow.plan.ignored_labels(), self.summary, &self.flow.metrics);
        let held = self.in_flight_bytes + self.assembler.bytes();
        self.flow.metrics.in_flight_bytes.set(held as i64);
        self.flow.health.work_pending(held > 0 || !self.is_settled());
        // It asks every partition, and is read every few seconds.
        if self.observed.elapsed() >= IDLE {
            self.observed = Instant::now();
            let oldest = self.ledger.oldest_unsettled();
            let age = oldest.map_or(0.0, |since| since.elapsed().as_secs_f64());
            self.flow.metrics.oldest_unsettled_seconds.set(age);
        }
    }
}
