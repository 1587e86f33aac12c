//! One Kafka client's life: join, read, write, commit, leave. A commit whose outcome is unknown ends
//! the session; the next one reads from the broker what was committed, and nothing is carried over.

mod assignment;
mod chain;
mod intake;
mod start;
mod watch;
mod watched;
mod would_start;

pub use would_start::{AtStart, KeptOffset, WouldStart, would_start};

use std::collections::VecDeque;
use std::ops::Add;
use std::time::{Duration, Instant};

use self::intake::Intake;
use super::back_pressure::{BackPressure, Pressure};
use super::catch_up::CatchUp;
use super::dead_share::Counted;
use super::ending::{Break, Ending, Interruption};
use super::flow::{Flow, Until};
use super::freshness::Freshness;
use super::settlement::Settlement;
use super::summary::Summary;
use super::traces::Traces;
use crate::error_chain::chain;
use crate::record::Partition;
use crate::sink::{Batch, Durability};
use crate::source::{Committer, PollError, Polled, Source, Subscription};
use crate::stop::Stop;

/// Records read between two checks of reports, commits and batch ages: at a million records a
/// second one burst lasts a millisecond.
const BURST: usize = 1_000;

/// The longest wait for a record: an idle session notices a shutdown within this time.
const IDLE: Duration = Duration::from_millis(100);

/// How often a session that waits for the sink takes what the steps have finished.
const STAGED: Duration = Duration::from_millis(10);

/// How long one question to the brokers may take.
const REQUEST: Duration = Duration::from_secs(10);

/// What a session leaves in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// The run ends too.
    Run,
    /// The next session has another plan and another sink.
    Session,
    /// It was interrupted.
    Not,
}

/// A member of the group with everything that it has under way.
pub struct Session<'a> {
    flow: &'a mut Flow,
    summary: &'a mut Summary,
    source: Source,
    intake: Intake,
    settlement: Settlement,
    pressure: BackPressure,
    catch_up: CatchUp,
    /// Whether the group has sent this member an assignment, which may be empty.
    joined: bool,
    /// Since when the topic is known not to exist.
    no_topic_since: Option<Instant>,
    /// When the age of the oldest batch was last measured.
    observed: Instant,
    /// When a shutdown was first noticed.
    stopping_since: Option<Instant>,
}

/// The spans of a session, where there are any.
fn traces(flow: &Flow) -> Option<Traces> {
    let Subscription { topic, group, .. } = &flow.subscription;
    let tracer = flow.tracer.clone()?;
    Some(Traces::new(tracer, flow.clock, topic, group, &*flow.sink))
}

impl<'a> Session<'a> {
    pub fn open(
        flow: &'a mut Flow,
        committer: Committer,
        summary: &'a mut Summary,
    ) -> Result<Self, Stop> {
        let subscription = &flow.subscription;
        let hint = "check the consume environment's properties";
        let source = Source::open(&subscription.consumer, &subscription.topic)
            .map_err(|error| Stop::new("open the Kafka consumer", hint, error))?;
        Ok(Self {
            source,
            intake: Intake::new(flow),
            settlement: Settlement::new(
                flow.sink.clone(),
                committer,
                &flow.limits,
                Freshness::new(flow.clock, flow.limits.freshness, flow.metrics.clone()),
                flow.metrics.clone(),
                flow.health.clone(),
            )
            .traced(traces(flow)),
            pressure: BackPressure::new(flow.limits.in_flight_bytes),
            catch_up: CatchUp::new(flow.until),
            joined: false,
            no_topic_since: None,
            observed: Instant::now(),
            stopping_since: None,
            flow,
            summary,
        })
    }

    /// Runs until the flow ends, a new session is needed, or a person.
    pub fn run(&mut self) -> Result<Ending, Stop> {
        let (leaving, ending) = loop {
            self.summary.caught_up = self.is_caught_up();
            let stopping = self.flow.shutdown.requested() && !self.is_joining();
            if self.summary.caught_up || stopping {
                break (Leaving::Run, self.finish());
            }
            // Before the group has sent an assignment there is nothing to end in order.
            if self.joined && self.flow.succession.is_waiting() {
                break (Leaving::Session, self.finish());
            }
            if let Err(reason) = self.turn() {
                // A member that is fenced while a shutdown is pending counts as drained, see below.
                let stopping = self.flow.shutdown.requested();
                break (if stopping { Leaving::Run } else { Leaving::Not }, Err(reason));
            }
        };
        self.publish_counts();
        match (ending, leaving) {
            (Ok(drained), Leaving::Session) => Ok(Ending::Succeeded { drained }),
            (Ok(drained), Leaving::Run | Leaving::Not) => Ok(Ending::Finished { drained }),
            // As when all instances are replaced at once. The partitions' next owners read again
            // what is not committed, and its rows stay invisible: there is nothing left to do.
            (Err(Break::Fenced(why)), Leaving::Run) => {
                tracing::info!(reason = %why, "the group moved on while this member was leaving");
                Ok(Ending::Finished { drained: true })
            }
            (Err(Break::Rejoin(why) | Break::Fenced(why)), _) => {
                Ok(Ending::Rejoin { why, progress: self.settlement.has_committed() })
            }
            (Err(Break::Stop(stop)), _) => Err(stop),
        }
    }

    /// Whether a shutdown has to wait until the group has taken this member on. A request to leave is
    /// sent after the answer to the request to join, and librdkafka gives it up after five seconds:
    /// then the group gives partitions to a member that is gone, until its session times out.
    fn is_joining(&mut self) -> bool {
        let since = *self.stopping_since.get_or_insert_with(Instant::now);
        !self.joined && since.elapsed() < self.flow.limits.drain && self.source.has_member_id()
    }

    /// The chain, once around: what came back settles, what is settled is committed, what was
    /// committed is flushed, and then new records become batches.
    fn turn(&mut self) -> Result<(), Break> {
        self.settlement.take_reports()?;
        self.settlement.commit_due(&self.source)?;
        self.tell_watchers();
        self.take_finished()?;
        self.regulate()?;
        self.watch()?;
        self.read()?;
        self.send_due()?;
        self.observe();
        Ok(())
    }

    fn read(&mut self) -> Result<(), Break> {
        let mut patience = self.patience();
        let mut clocks = None;
        for _ in 0..BURST {
            // Only the first poll of a burst may wait.
            match self.source.poll(std::mem::take(&mut patience)) {
                Ok(Polled::Record(record)) => {
                    let event = record.event();
                    // Read once a burst, and not before the wait for its first record.
                    let times = *clocks
                        .get_or_insert_with(|| (Instant::now(), self.flow.clock.now_micros()));
                    if let Some(batch) = self.intake.take(&event, self.flow, times) {
                        self.send_one(batch, Counted::default())?;
                    } else if !self.intake.is_staging() {
                        continue;
                    }
                    if self.pressure.is_over(self.held_bytes()) {
                        return Ok(());
                    }
                }
                Ok(Polled::Rebalance) => return self.rebalance(),
                Ok(Polled::Nothing) => return Ok(()),
                Err(PollError::Passing(error)) => {
                    tracing::warn!(error = %error, "reading is interrupted, librdkafka retries");
                }
                Err(error @ PollError::NoTopic(_)) => {
                    tracing::warn!(error = %error, "waiting for the topic");
                    self.flow.health.missing_topic(Some(self.source.topic().to_owned()));
                    self.no_topic_since.get_or_insert_with(Instant::now);
                    self.flow.topic_was_missing = true;
                    return Ok(());
                }
                Err(PollError::Refused { topic, hint, source }) => {
                    // The refusal may come from a topic that was created again.
                    let now = self.source.topic_now(REQUEST).ok();
                    self.compare_topic(now)?;
                    self.finish_flushes();
                    return Err(Stop::new(format!("read topic {topic}"), hint, source).into());
                }
                Err(error @ PollError::Changed(_)) => {
                    let what = format!("read topic {} on", self.source.topic());
                    self.finish_flushes();
                    let hint = start::rewritten(&self.flow.sink.setting_offsets());
                    return Err(Stop::new(what, hint, error).into());
                }
                Err(error @ (PollError::Client(_) | PollError::Misdirected(_))) => {
                    return Err(Break::Rejoin(Interruption::Read(error)));
                }
            }
        }
        Ok(())
    }

    /// Adds to batches what the steps have finished.
    fn take_finished(&mut self) -> Result<(), Break> {
        for _ in 0..BURST {
            let times = (Instant::now(), self.flow.clock.now_micros());
            match self.intake.take_finished(self.flow, times)? {
                None => break,
                Some(None) => {}
                Some(Some(batch)) => self.send_one(batch, Counted::default())?,
            }
        }
        Ok(())
    }

    /// Tells the watchers how events ended that have been committed since the last call.
    fn tell_watchers(&mut self) {
        let rejected = self.settlement.take_rejected();
        self.intake.tell_committed(rejected, self.settlement.ledger());
    }

    /// How long the next poll may wait for a record. A report ends the wait; so do the age limit of
    /// a batch and the commit interval.
    fn patience(&self) -> Duration {
        let most = self.settlement.until_commit(IDLE);
        self.intake
            .assembler
            .deadline()
            .map_or(most, |deadline| most.min(deadline.saturating_duration_since(Instant::now())))
    }

    fn send_due(&mut self) -> Result<(), Break> {
        let due = self.intake.assembler.take_due(Instant::now());
        self.send(due)
    }

    fn send(&mut self, batches: Vec<Batch>) -> Result<(), Break> {
        let mut batches = VecDeque::from(batches);
        while let Some(batch) = batches.pop_front() {
            let waiting = batches.iter().map(Counted::of).fold(Counted::default(), Counted::add);
            self.send_one(batch, waiting)?;
        }
        Ok(())
    }

    /// Hands a batch to the sink, unless too many of its records would become dead letters. `waiting`
    /// counts batches that are about to be sent, next to the open ones.
    fn send_one(&mut self, mut batch: Batch, waiting: Counted) -> Result<(), Break> {
        let Self { intake, settlement, .. } = self;
        let open = || waiting + intake.assembler.counted();
        if let Err(stop) = settlement.admit(&mut batch, open) {
            // What was committed before must not stay invisible until somebody has deployed something.
            self.finish_flushes();
            return Err(stop.into());
        }
        if let Some((origin, opened)) = self.intake.assembler.take_origin(batch.id) {
            self.settlement.begin_span(&batch, origin, opened);
        }
        self.settlement.send(batch);
        Ok(())
    }

    /// Waits for what is committed to become visible, within the drain: whoever sets the group's
    /// offsets anew, as a hint may say, takes away what the metadata promises.
    fn finish_flushes(&mut self) {
        let deadline = Instant::now() + self.flow.limits.drain;
        let owned: Vec<Partition> = self.settlement.ledger().owned().collect();
        let visible = |session: &Self| {
            let ledger = session.settlement.ledger();
            owned.iter().all(|partition| ledger.finished(*partition).is_some())
        };
        while !visible(self) && Instant::now() < deadline {
            if let Err(error) = self.settlement.wait_for_report(IDLE) {
                tracing::warn!(reason = chain(&error), "committed rows are not visible yet");
                return;
            }
        }
    }

    // -------------------------------------------------------------------------- back-pressure

    /// Bytes in flight and in open batches.
    fn held_bytes(&self) -> usize {
        self.in_flight_bytes() + self.intake.assembler.bytes()
    }

    /// Bytes of what others work on: the steps, and the sink.
    fn in_flight_bytes(&self) -> usize {
        self.settlement.in_flight_bytes() + self.intake.staged_bytes()
    }

    fn regulate(&mut self) -> Result<(), Break> {
        loop {
            let in_flight = self.in_flight_bytes();
            match self.pressure.check(self.held_bytes(), in_flight, Instant::now()) {
                Pressure::None => return Ok(()),
                Pressure::Send => {
                    let open = self.intake.assembler.take_all();
                    self.send(open)?;
                }
                Pressure::Wait(most) => {
                    let most = if self.intake.is_staging() { most.min(STAGED) } else { most };
                    self.settlement.wait_for_report(self.settlement.until_commit(most))?;
                    self.settlement.commit_due(&self.source)?;
                    self.take_finished()?;
                }
                Pressure::Pause => self.pause(true)?,
                Pressure::Resume => self.pause(false)?,
            }
        }
    }

    fn pause(&mut self, pause: bool) -> Result<(), Break> {
        let owned: Vec<Partition> = self.settlement.ledger().owned().collect();
        if pause { self.source.pause(&owned) } else { self.source.resume(&owned) }?;
        self.pressure.set_paused(pause);
        self.flow.health.paused(pause);
        let in_flight_bytes = self.in_flight_bytes();
        tracing::info!(paused = pause, in_flight_bytes, "back-pressure");
        Ok(())
    }

    // -------------------------------------------------------------------------------- the end

    /// Whether everything up to the noted ends is settled, committed and visible.
    fn is_caught_up(&mut self) -> bool {
        if !self.joined {
            return false;
        }
        let (ledger, intake, source) = (self.settlement.ledger(), &self.intake, &self.source);
        self.catch_up.is_done(ledger, |partition, end| {
            let nothing_waits = intake.is_nothing_of(partition, ledger);
            if source.is_checking(partition) {
                return false;
            }
            ledger.finished(partition).is_some_and(|at| at >= end)
                || (nothing_waits && source.has_read_to(partition, end))
        })
    }

    /// Reads no more, drains, commits that nothing is promised any more, and leaves the group.
    fn finish(&mut self) -> Result<bool, Break> {
        if self.flow.until == Until::CaughtUp && !self.flow.shutdown.requested() {
            self.summary.held_up = self.held_up();
        }
        let deadline = Instant::now() + self.flow.limits.drain;
        let owned: Vec<Partition> = self.settlement.ledger().owned().collect();
        let drained = self.drain(&owned)? && self.commit_last(&owned, deadline);
        self.tell_watchers();
        self.source.unsubscribe();
        if drained {
            self.settlement.end();
        }
        Ok(drained)
    }

    /// Sends what is open in these partitions, and waits until it is settled, committed and
    /// flushed. Returns false where the drain limit comes first.
    fn drain(&mut self, partitions: &[Partition]) -> Result<bool, Break> {
        let deadline = Instant::now() + self.flow.limits.drain;
        for partition in partitions {
            self.intake.release_staged(*partition);
            if let Some(batch) = self.intake.assembler.take(*partition) {
                self.send_one(batch, Counted::default())?;
            }
        }
        self.settlement.drain(&self.source, partitions, deadline)
    }

    /// The last commits once all is settled: nothing is promised any more, and offsets that were
    /// committed without waiting for the answer have arrived. False where they have not in time.
    fn commit_last(&mut self, owned: &[Partition], deadline: Instant) -> bool {
        if let Err(error) = self.settlement.commit_clean(&self.source, owned) {
            tracing::info!(
                reason = chain(&error),
                "the last offsets could not be committed without promises; the next owner flushes \
                 the same rows again, which does nothing"
            );
        }
        let offsets = self.settlement.last_commits(owned);
        match self.flow.sink.durability() {
            Durability::Promised => true,
            Durability::Visible => self.source.confirm_committed(&offsets, deadline),
            Durability::Stored if self.flow.sink.commits_to_group() => true,
            // The sink has the offsets; the group's are for those who watch lag.
            Durability::Stored => {
                self.source.confirm_committed(&offsets, deadline);
                true
            }
        }
    }

    // ------------------------------------------------------------------------------- counting

    /// Publishes what the turn counted.
    fn observe(&mut self) {
        self.publish_counts();
        let held = self.held_bytes();
        self.flow.metrics.in_flight_bytes.set(held as i64);
        self.flow.health.work_pending(held > 0 || !self.is_settled());
        // Computing the age scans every partition, and the metric is scraped every few seconds.
        if self.observed.elapsed() >= IDLE {
            self.observed = Instant::now();
            let staged = self.intake.oldest_staged();
            let oldest =
                self.settlement.ledger().oldest_unsettled().into_iter().chain(staged).min();
            let age = |since: Option<Instant>| since.map_or(0.0, |at| at.elapsed().as_secs_f64());
            self.flow.metrics.oldest_unsettled_seconds.set(age(oldest));
            self.flow.metrics.oldest_staged_seconds.set(age(staged));
            self.flow.metrics.waits(self.flow.health.waiting());
            let no_progress = self.flow.health.without_progress();
            self.flow.metrics.no_progress_seconds.set(no_progress.as_secs_f64());
            self.observe_ends();
            self.observe_progress();
        }
    }

    fn publish_counts(&mut self) {
        self.intake.tally.publish(self.flow.ignored_labels(), self.summary, &self.flow.metrics);
        self.summary.add_written(self.settlement.take_written());
        for field in self.flow.plan.take_undeclared() {
            let path =
                self.flow.metrics.undeclared.count(&field.event_type, &field.path, field.events);
            *self.summary.undeclared.entry((field.event_type, path)).or_default() += field.events;
        }
    }

    /// No record, batch, commit or flush is under way.
    fn is_settled(&self) -> bool {
        let ledger = self.settlement.ledger();
        ledger.owned().all(|partition| self.intake.is_nothing_of(partition, ledger))
    }
}
