//! Reads the topic, from where the store stands, for ever.

mod faults;
mod reading;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;

use self::reading::{Goal, Reading};
use super::intake::{Intake, Outcome};
use super::report::Change;
use super::store::{Batch, Kept, Reports, StoreError, StoreWriter};
use crate::clock::Clock;
use crate::error_chain::chain;
use crate::record::{Event, Partition};
use crate::shutdown::Shutdown;
use crate::source::{ReadError, TopicReader};
use crate::stop::Stop;
use crate::telemetry::metrics::{PartitionLabel, ReasonLabel};
use crate::telemetry::{Health, ResultsMetrics};
use crate::topic_id::TopicId;

/// How long the brokers may take to say what the topic is and where it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a poll waits for a record.
const POLL: Duration = Duration::from_millis(100);

/// When a batch is stored: a transaction costs about as much as some hundred reports.
const MOST_CHANGES: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// How long it waits before it tries again what has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How often lag and number of reports are measured, and how often the store notes that it is current.
const MEASURE: Duration = Duration::from_secs(1);
const NOTE_CURRENT: Duration = Duration::from_secs(60);

/// Reads a topic of reports into a store.
pub struct Follower {
    /// The consumer's configuration.
    pub config: ClientConfig,
    pub topic: String,
    pub intake: Intake,
    pub store: StoreWriter,
    /// The same store's.
    pub reports: Reports,
    pub metrics: ResultsMetrics,
    pub health: Health,
    pub clock: Clock,
}

/// Why a client is given up.
enum End {
    /// The process is asked to stop.
    Shutdown,
    /// A new client goes on from the store.
    Again,
}

impl Follower {
    /// Follows the topic until a shutdown is requested. Blocks.
    pub fn follow(mut self, shutdown: &Shutdown) -> Result<(), Stop> {
        loop {
            let ended = match self.start(shutdown)? {
                Some(reading) => self.read(reading, shutdown)?,
                None => End::Again,
            };
            if matches!(ended, End::Shutdown) || shutdown.requested() {
                return Ok(());
            }
            self.health.turned();
        }
    }

    /// Opens a client that reads from where the store stands. `None` where the brokers do not answer
    /// yet, or a shutdown is requested.
    fn start(&mut self, shutdown: &Shutdown) -> Result<Option<Reading>, Stop> {
        let topic = self.topic.clone();
        let opened = TopicReader::open(&self.config, &topic);
        let mut reader = opened.map_err(|error| {
            let hint = "check the consume environment's properties";
            Stop::new(format!("open a consumer for {topic}"), hint, error)
        })?;
        let described = loop {
            self.health.turned();
            if shutdown.requested() {
                return Ok(None);
            }
            match reader.topic_now(PATIENCE) {
                Ok(topic) => break topic,
                Err(error) => {
                    faults::not_described(&topic, &self.health, &error)?;
                    // Serves what the client has to say about its brokers, such as a wrong password.
                    if let Err(error) = reader.poll(Duration::ZERO, |_| {}) {
                        faults::failed(&self.topic, &self.health, error)?;
                    }
                    shutdown.sleep(PAUSE);
                }
            }
        };
        self.health.missing_topic(None);
        let now_ms = self.now_ms();
        let Some(kept) = self.stored(shutdown, |store| store.begin(described.id, now_ms))? else {
            return Ok(None);
        };
        self.say_where(&kept);
        let partitions: Vec<Partition> = (0..).take(described.partitions).map(Partition).collect();
        let ends = match reader.ends_now(&partitions, PATIENCE) {
            Ok(ends) if ends.len() == partitions.len() => BTreeMap::from_iter(ends),
            Ok(_) => {
                tracing::warn!(topic, "not all partitions have a leader that says where they end");
                shutdown.sleep(PAUSE);
                return Ok(None);
            }
            Err(error) => {
                tracing::warn!(topic, error = %error, "the brokers do not say where the topic ends");
                shutdown.sleep(PAUSE);
                return Ok(None);
            }
        };
        let from: Vec<_> =
            partitions.iter().map(|one| (*one, kept.next.get(one).copied())).collect();
        reader.assign(&from).map_err(|error| {
            Stop::new(format!("read topic {topic}"), "please report this", error)
        })?;
        let now = Instant::now();
        Ok(Some(Reading {
            reader,
            topic: described,
            goal: Some(Goal { ends, asked_ms: now_ms }),
            reached: now,
            next: kept.next,
            batch: Batch::default(),
            bytes: 0,
            since: None,
            measured: now,
            has_caught_up: false,
        }))
    }

    fn read(&mut self, mut on: Reading, shutdown: &Shutdown) -> Result<End, Stop> {
        loop {
            self.health.turned();
            if shutdown.requested() {
                self.store(&mut on, None, shutdown)?;
                return Ok(End::Shutdown);
            }
            let polled = {
                let Reading { reader, batch, bytes, since, next, .. } = &mut on;
                let (intake, metrics) = (&mut self.intake, &self.metrics);
                reader.poll(POLL, |event| {
                    metrics.read.inc();
                    since.get_or_insert_with(Instant::now);
                    next.insert(event.at.partition, event.at.offset.next());
                    batch.next.insert(event.at.partition, event.at.offset.next());
                    if let Some(change) = take(intake, metrics, event) {
                        *bytes += change.bytes();
                        batch.changes.push(change);
                    }
                })
            };
            let came = match polled {
                Ok(came) => came,
                Err(ReadError::Lost(error)) => {
                    // A log that was cut off, by retention or because it is another topic's.
                    tracing::warn!(topic = self.topic, error = %error, "reading from the beginning");
                    self.rebuild(on.topic.id, shutdown)?;
                    return Ok(End::Again);
                }
                Err(error) => {
                    if faults::failed(&self.topic, &self.health, error)? {
                        return Ok(End::Again);
                    }
                    false
                }
            };
            let is_due = on.since.is_some_and(|since| since.elapsed() >= LONGEST_WAIT)
                || on.batch.changes.len() >= MOST_CHANGES
                || on.bytes >= MOST_BYTES;
            if is_due || (!came && on.since.is_some()) {
                self.store(&mut on, None, shutdown)?;
            }
            if on.measured.elapsed() >= MEASURE || (!came && on.goal.is_some()) {
                on.measured = Instant::now();
                if let Some(end) = self.look_around(&mut on, shutdown)? {
                    return Ok(end);
                }
            }
        }
    }

    /// Measures the lag, notes what was caught up with, and compares the topic with the one that is
    /// read.
    fn look_around(&mut self, on: &mut Reading, shutdown: &Shutdown) -> Result<Option<End>, Stop> {
        // Only what is stored counts.
        self.store(on, None, shutdown)?;
        if on.since.is_some() {
            return Ok(None);
        }
        self.count_reports();
        let partitions = on.partitions();
        on.reader.watch(|| partitions.clone());
        if let Some(seen) = on.reader.topic_seen() {
            self.health.missing_topic(None);
            if let Some((read, found)) = TopicId::differ(on.topic.id, seen.id) {
                tracing::warn!(topic = self.topic, %read, %found, "the topic was created again");
                self.rebuild(seen.id, shutdown)?;
                return Ok(Some(End::Again));
            }
            if seen.partitions > on.topic.partitions {
                let partitions = seen.partitions;
                tracing::info!(topic = self.topic, partitions, "the topic has more partitions");
                return Ok(Some(End::Again));
            }
        }
        for partition in &partitions {
            let Some(end) = on.reader.end(*partition) else { continue };
            let lag = end.0.saturating_sub(on.position(*partition).0).max(0);
            self.metrics.lag.get_or_create(&PartitionLabel { partition: partition.0 }).set(lag);
        }
        if on.goal.is_none() && on.reached.elapsed() >= NOTE_CURRENT {
            on.reached = Instant::now();
            let now_ms = self.now_ms();
            // Without an answer there is another try in a minute.
            if let Ok(ends) = on.reader.ends_now(&partitions, PATIENCE)
                && ends.len() == partitions.len()
            {
                let is_too_old = self.stored(shutdown, |store| store.is_too_old(now_ms))?;
                if is_too_old == Some(true) {
                    tracing::warn!(
                        topic = self.topic,
                        "the topic could not be read for more than 12 hours, and tombstones may be \
                         gone since"
                    );
                    self.rebuild(on.topic.id, shutdown)?;
                    return Ok(Some(End::Again));
                }
                on.goal = Some(Goal { ends: BTreeMap::from_iter(ends), asked_ms: now_ms });
            }
        }
        if let Some(Goal { ends, asked_ms }) = &on.goal
            && ends.iter().all(|(partition, end)| on.position(*partition) >= *end)
        {
            let asked_ms = *asked_ms;
            on.goal = None;
            on.reached = Instant::now();
            self.store(on, Some(asked_ms), shutdown)?;
            if !on.has_caught_up {
                on.has_caught_up = true;
                let reports = self.metrics.reports.get();
                tracing::info!(topic = self.topic, reports, "caught up with the topic");
            }
            self.health.caught_up(true);
        }
        Ok(None)
    }

    /// Stores what was read. `current_ms`: everything that the topic had then is in it.
    fn store(
        &mut self,
        on: &mut Reading,
        current_ms: Option<i64>,
        shutdown: &Shutdown,
    ) -> Result<(), Stop> {
        on.batch.current_ms = current_ms;
        if on.since.is_none() && current_ms.is_none() {
            return Ok(());
        }
        let batch = &on.batch;
        if self.stored(shutdown, |store| store.store(batch))?.is_some() {
            on.batch = Batch::default();
            (on.bytes, on.since) = (0, None);
        }
        Ok(())
    }

    /// Empties the store, so that the topic is read from its beginning.
    fn rebuild(&mut self, topic_id: Option<TopicId>, shutdown: &Shutdown) -> Result<(), Stop> {
        let now_ms = self.now_ms();
        self.stored(shutdown, |store| store.empty(topic_id, now_ms))?;
        self.is_emptied();
        Ok(())
    }

    fn is_emptied(&mut self) {
        self.health.caught_up(false);
        self.metrics.rebuilds.inc();
        self.count_reports();
    }

    /// What the store says. Where the disk is full or somebody else holds a lock, it is asked again:
    /// meanwhile the reports that it has are served. `None`: a shutdown is requested first.
    fn stored<T>(
        &mut self,
        shutdown: &Shutdown,
        mut work: impl FnMut(&mut StoreWriter) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Stop> {
        loop {
            match work(&mut self.store) {
                Ok(done) => {
                    self.health.work_pending(false);
                    return Ok(Some(done));
                }
                Err(error) if error.may_pass() => {
                    self.health.work_pending(true);
                    tracing::warn!(error = chain(&error), "the store is tried again");
                }
                Err(error) => {
                    let hint = error.hint();
                    return Err(Stop::new("keep the reports", hint, error));
                }
            }
            self.health.turned();
            if shutdown.requested() {
                return Ok(None);
            }
            shutdown.sleep(PAUSE);
        }
    }

    fn count_reports(&self) {
        match self.reports.count() {
            Ok(reports) => {
                self.metrics.reports.set(reports);
            }
            Err(error) => tracing::debug!(error = chain(&error), "the reports are not counted"),
        }
    }

    fn say_where(&mut self, kept: &Kept) {
        self.count_reports();
        let (topic, reports) = (&self.topic, self.metrics.reports.get());
        match kept.emptied {
            Some(why) => {
                tracing::info!(topic, why, "reading the topic from its beginning");
                self.is_emptied();
            }
            None => tracing::info!(topic, reports, "going on where the store stands"),
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_micros() / 1_000
    }
}

/// What a record changes; one that is no report is counted and logged.
fn take(intake: &mut Intake, metrics: &ResultsMetrics, event: &Event<'_>) -> Option<Change> {
    match intake.read(event) {
        Outcome::Change(change) => Some(change),
        Outcome::Ignored => None,
        Outcome::Rejected(rejection) => {
            let reason = rejection.reason.code();
            metrics.rejected.get_or_create(&ReasonLabel { reason }).inc();
            tracing::warn!(
                position = %event.at,
                reason,
                detail = rejection.detail,
                "a record is no report, and the former report stays"
            );
            None
        }
    }
}
