//! From a batch to the committed offset: batches go to their lanes, what comes back settles, the
//! settled head is committed, and what was committed is flushed. Exactly-once rests on this order
//! (docs/adr/0001-exactly-once.md).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commit_metadata::{self, MetadataError, Noted, TopicNote};
use super::dead_share::{Counted, DeadShare};
use super::ending::{Break, Interruption};
use super::freshness::Freshness;
use super::lanes::{Lanes, Settles};
use super::ledger::{CommitPoint, Ledger};
use super::summary::Written;
use super::traces::{Origin, Traces};
use crate::config::Limits;
use crate::record::{Offset, Partition, Reached, Rejected};
use crate::sink::{Batch, BatchId, Durability, Promise, Report, Sink, Span, Start, StoredOffset};
use crate::source::{Commit, Committed, Committer, Source};
use crate::stop::Stop;
use crate::telemetry::metrics::ReasonLabel;
use crate::telemetry::{Health, Metrics};

/// How often a drain checks whether it is done.
const STEP: Duration = Duration::from_millis(10);

/// How long writers may take for what they do last. All of it is best effort.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The ledger, the lanes, and the commits that follow from both.
pub struct Settlement {
    sink: Arc<dyn Sink>,
    dead_share: DeadShare,
    ledger: Ledger,
    lanes: Lanes,
    committer: Committer,
    /// Least time between two commits.
    interval: Duration,
    last_commit: Instant,
    has_committed: bool,
    /// What every commit says of the topic.
    topic: TopicNote,
    /// [`Durability::Stored`]: what the sink keeps of the partitions that were claimed.
    stored: BTreeMap<Partition, StoredOffset>,
    freshness: Freshness,
    metrics: Metrics,
    health: Health,
    written: Written,
    rejected: Vec<Rejected>,
    /// `None`: batches have no spans.
    traces: Option<Traces>,
}

impl Settlement {
    pub fn new(
        sink: Arc<dyn Sink>,
        committer: Committer,
        limits: &Limits,
        freshness: Freshness,
        metrics: Metrics,
        health: Health,
    ) -> Self {
        Self {
            dead_share: DeadShare::new(limits.most_dead),
            ledger: Ledger::default(),
            lanes: Lanes::new(sink.clone()),
            sink,
            committer,
            interval: limits.commit_interval,
            last_commit: Instant::now(),
            has_committed: false,
            topic: TopicNote::default(),
            stored: BTreeMap::new(),
            freshness,
            metrics,
            health,
            written: Written::default(),
            rejected: Vec::new(),
            traces: None,
        }
    }

    /// Has batches have spans.
    #[must_use]
    pub fn traced(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Bytes of the batches in flight, as they count against the limit.
    pub fn in_flight_bytes(&self) -> usize {
        self.lanes.in_flight_bytes()
    }

    /// Whether the committer has accepted a commit: a transaction is then acknowledged by the broker,
    /// a plain commit is queued.
    pub fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// Returns, and forgets, what was written since the last call.
    pub fn take_written(&mut self) -> Written {
        std::mem::take(&mut self.written)
    }

    /// Returns, and forgets, which records became dead letters since the last call.
    pub fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }

    // ------------------------------------------------------------------------------ partitions

    /// What a commit of the group says; `None` where it has committed nothing yet.
    pub fn read(&self, committed: &Committed) -> Result<Option<Noted>, Stop> {
        let Some(offset) = committed.offset else { return Ok(None) };
        commit_metadata::read(offset, &committed.metadata, self.sink.name())
            .map(Some)
            .map_err(|error| unreadable(committed.partition, error))
    }

    pub fn topic(&self) -> TopicNote {
        self.topic
    }

    /// From now on every commit says this of the topic.
    pub fn set_topic(&mut self, topic: TopicNote) {
        self.topic = topic;
    }

    /// Opens the lanes of partitions in a sink that keeps the offsets, which then reports where each
    /// resumes.
    pub fn claim(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.stored.remove(partition);
            self.ledger.assign(*partition, Reached::at(Offset(0)), None);
            self.lanes.open(Some(*partition), Start::Fresh);
        }
    }

    /// Where the sink says that a claimed partition resumes, as an offset that the group had
    /// committed.
    pub fn stored(&self, partition: Partition) -> Result<Option<Noted>, Stop> {
        let Some(StoredOffset { next, note }) = self.stored.get(&partition) else {
            return Ok(None);
        };
        commit_metadata::read(*next, note, self.sink.name())
            .map(Some)
            .map_err(|error| unreadable(partition, error))
    }

    /// Whether the sink keeps this offset of a claimed partition.
    pub fn is_stored(&self, partition: Partition, next: Offset) -> bool {
        self.stored.get(&partition).is_some_and(|stored| stored.next == next)
    }

    /// Takes a partition on and opens its lane, unless it is claimed. `begins`: where it begins is to
    /// be committed.
    pub fn assign(
        &mut self,
        partition: Partition,
        reached: Reached,
        promise: Option<Promise>,
        begins: bool,
    ) {
        self.ledger.assign(partition, reached, promise.clone());
        if begins {
            self.ledger.begin(partition);
        }
        if self.sink.durability() == Durability::Stored {
            self.ledger.ready(partition);
            return;
        }
        let is_promised = promise.is_some();
        let start = promise.map_or(Start::Fresh, Start::Flush);
        if self.sink.durability().has_lane_per_partition() || is_promised {
            self.lanes.open(Some(partition), start);
        } else {
            self.ledger.ready(partition);
        }
    }

    /// Moves an idle partition's offset past transaction markers and aborted records.
    pub fn skip(&mut self, partition: Partition, next: Offset) {
        self.ledger.skip(partition, next);
    }

    /// Whether reading these partitions may start. Unless rows are promised, each must be ready: the
    /// rows that its last owner promised are visible, and a sink that stores offsets has said where
    /// to resume.
    pub fn may_read(&self, partitions: &[Partition]) -> bool {
        let is_ready = |partition: &Partition| self.ledger.is_ready(*partition);
        match self.sink.durability() {
            // Appends do not wait for the previous owner's rows to be flushed; only commits do.
            Durability::Promised => true,
            Durability::Visible | Durability::Stored => partitions.iter().all(is_ready),
        }
    }

    /// Opens the lane for all partitions, where there is one, once what an exactly-once instance
    /// promised has been flushed by lanes of single partitions.
    pub fn open_common_lane(&mut self, partitions: &[Partition]) {
        if self.sink.durability().has_lane_per_partition() {
            return;
        }
        for partition in partitions {
            self.lanes.close(*partition);
        }
        if !self.lanes.is_open(None) {
            self.lanes.open(None, Start::Fresh);
        }
    }

    /// Forgets a partition: what is in flight of it will not be committed.
    pub fn release(&mut self, partition: Partition) {
        self.ledger.release(partition);
        self.freshness.release(partition);
        if let Some(traces) = &mut self.traces {
            traces.released(partition);
        }
        self.stored.remove(&partition);
        self.lanes.close(partition);
    }

    /// The last commits of these partitions, as they were sent.
    pub fn last_commits(&self, partitions: &[Partition]) -> Vec<Commit> {
        let commit = |partition: &Partition| {
            let point = self.ledger.last_point(*partition)?;
            let metadata = commit_metadata::write(self.topic, point).ok()?;
            Some(Commit { partition: *partition, offset: point.reached.next, metadata })
        };
        partitions.iter().filter_map(commit).collect()
    }

    // --------------------------------------------------------------------------------- batches

    /// Fails if too many records of the batch would become dead letters. `open` counts what waits in
    /// other batches.
    pub fn admit(&mut self, batch: &mut Batch, open: impl FnOnce() -> Counted) -> Result<(), Stop> {
        self.dead_share.admit(batch, open)
    }

    /// Begins the span of a batch that is about to be sent. One with neither rows nor dead letters has
    /// none: nothing is done for it.
    pub fn begin_span(&mut self, batch: &Batch, origin: Origin, opened: Instant) {
        if let Some(traces) = &mut self.traces
            && !(batch.rows.is_empty() && batch.letters.is_empty())
        {
            traces.sent(batch, origin, opened);
        }
    }

    /// Opens the batch's spans of offsets in the ledger and hands it to its lane.
    pub fn send(&mut self, mut batch: Batch) {
        batch.rows.shrink();
        let now = Instant::now();
        for span in &batch.spans {
            self.ledger.open(batch.id, *span, now);
        }
        let durability = self.sink.durability();
        let is_empty = batch.rows.is_empty() && batch.letters.is_empty();
        if is_empty && durability != Durability::Stored {
            // Nothing but ignored records: there is nothing to wait for.
            for span in &batch.spans {
                self.ledger.settle(batch.id, span.partition, None);
            }
            return;
        }
        let partition = match durability.has_lane_per_partition() {
            true => batch.spans.first().map(|span| span.partition),
            false => None,
        };
        if durability == Durability::Stored {
            batch.note = self.note(&batch.spans);
        }
        self.lanes.append(partition, batch);
    }

    /// The metadata of the offset after a batch of one partition. Without a promise it is never too
    /// long.
    fn note(&self, spans: &[Span]) -> String {
        let Some(span) = spans.last() else { return String::new() };
        let point = CommitPoint { reached: span.reached, promise: None };
        commit_metadata::write(self.topic, &point).unwrap_or_default()
    }

    /// Takes all reports that have arrived. Every turn of the session and every wait comes through
    /// here, so this is also what shows that the thread does not hang.
    pub fn take_reports(&mut self) -> Result<(), Break> {
        self.health.turned();
        while let Some((partition, report)) = self.lanes.next_report() {
            self.take(partition, report)?;
        }
        Ok(())
    }

    /// Waits for one report, and takes all that came with it.
    pub fn wait_for_report(&mut self, patience: Duration) -> Result<(), Break> {
        if let Some((partition, report)) = self.lanes.wait_for_report(patience) {
            self.take(partition, report)?;
        }
        self.take_reports()
    }

    fn take(&mut self, partition: Option<Partition>, report: Report) -> Result<(), Break> {
        match (report, partition) {
            (Report::Ready { stored }, Some(partition)) => {
                self.stored.extend(stored.map(|stored| (partition, stored)));
                self.ledger.ready(partition);
            }
            (Report::Settled { batch, promise, rows, bytes, letters }, _) => {
                if let Some(traces) = &mut self.traces {
                    traces.settled(batch, promise.as_ref(), rows, letters.len());
                }
                self.settle(batch, promise, rows);
                self.dead_share.settled(batch, letters.len());
                self.metrics.written.inc_by(rows as u64);
                self.metrics.written_bytes.inc_by(bytes as u64);
                for letter in &letters {
                    let label = ReasonLabel { reason: letter.rejection.reason.code() };
                    self.metrics.dead_lettered.get_or_create(&label).inc();
                }
                self.written.add(rows, bytes, &letters);
                self.rejected.extend(letters);
                self.health.progress();
            }
            (Report::Flushed(promise), Some(partition)) => {
                self.freshness.flushed(partition, &promise);
                if let Some(traces) = &mut self.traces {
                    traces.flushed(&promise);
                }
                self.ledger.flushed(partition, promise);
                self.health.progress();
            }
            (Report::Waiting(why), partition) => {
                if let Some(traces) = &self.traces {
                    traces.retried(partition, why.name());
                }
                self.health.waits(why);
            }
            (Report::Fenced, Some(partition)) => {
                return Err(Break::Fenced(Interruption::TakenOver(partition)));
            }
            (Report::Failed(stop), _) => return Err(stop.into()),
            // Only a sink with a lane for each partition sends these reports.
            (Report::Ready { .. } | Report::Flushed(_) | Report::Fenced, None) => {}
        }
        Ok(())
    }

    fn settle(&mut self, batch: BatchId, promise: Option<Promise>, rows: usize) {
        let Settles { spans, oldest_ms } = self.lanes.settle(batch);
        if let (Some(oldest_ms), Some(span)) = (oldest_ms, spans.first()) {
            self.freshness.settled(span.partition, promise.as_ref(), oldest_ms, rows);
        }
        for span in spans {
            self.ledger.settle(batch, span.partition, promise.clone());
        }
    }

    // --------------------------------------------------------------------------------- commits

    /// How long to wait: until the commit interval ends, but at most `most`. Once it has ended, only a
    /// report makes a commit possible, so this returns `most`.
    pub fn until_commit(&self, most: Duration) -> Duration {
        let left = self.interval.saturating_sub(self.last_commit.elapsed());
        if left.is_zero() { most } else { most.min(left) }
    }

    /// Commits the settled heads, not more often than the interval.
    pub fn commit_due(&mut self, source: &Source) -> Result<(), Break> {
        if self.last_commit.elapsed() < self.interval {
            return Ok(());
        }
        self.commit_now(source)
    }

    /// Commits the settled heads.
    pub fn commit_now(&mut self, source: &Source) -> Result<(), Break> {
        let ledger = &self.ledger;
        let point = |partition| Some((partition, ledger.commit_point(partition)?));
        let points = ledger.owned().filter_map(point).collect();
        self.commit(source, points)
    }

    /// Once all rows are visible: the same offsets without a promise, so that the next owner has
    /// nothing to flush, however late it comes.
    pub fn commit_clean(&mut self, source: &Source, partitions: &[Partition]) -> Result<(), Break> {
        let point =
            |partition: &Partition| Some((*partition, self.ledger.clean_point(*partition)?));
        let points = partitions.iter().filter_map(point).collect();
        self.commit(source, points)
    }

    /// One commit for all points. If it fails the session ends, because the request may still arrive
    /// after a later commit and move the offset back.
    fn commit(
        &mut self,
        source: &Source,
        points: Vec<(Partition, CommitPoint)>,
    ) -> Result<(), Break> {
        self.last_commit = Instant::now();
        if points.is_empty() {
            return Ok(());
        }
        let commit = |(partition, point): &(Partition, CommitPoint)| {
            let metadata = commit_metadata::write(self.topic, point);
            let metadata = metadata.map_err(|error| unwritable(*partition, error))?;
            Ok(Commit { partition: *partition, offset: point.reached.next, metadata })
        };
        let commits: Vec<Commit> = points.iter().map(commit).collect::<Result<_, Stop>>()?;
        let took = self.committer.commit(source, &commits)?;
        self.metrics.commit_seconds.observe(took.as_secs_f64());
        self.health.progress();
        self.has_committed = true;
        if let Some(traces) = &mut self.traces {
            let next =
                |(partition, point): &(Partition, CommitPoint)| (*partition, point.reached.next);
            traces.committed(&points.iter().map(next).collect::<Vec<_>>(), took);
        }
        for (partition, point) in points {
            if let Some(promise) = self.ledger.committed(partition, point) {
                self.lanes.flush(partition, promise);
            }
            if let Some(promise) = self.ledger.take_retired(partition) {
                self.lanes.retire(partition, promise);
            }
        }
        self.last_commit = Instant::now();
        Ok(())
    }

    /// Waits until everything that was sent of these partitions is settled, committed and flushed.
    /// Returns false where the deadline comes first.
    pub fn drain(
        &mut self,
        source: &Source,
        partitions: &[Partition],
        deadline: Instant,
    ) -> Result<bool, Break> {
        loop {
            self.take_reports()?;
            self.commit_now(source)?;
            if partitions.iter().all(|partition| self.ledger.is_idle(*partition)) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.wait_for_report(STEP)?;
        }
    }

    /// Once everything is settled: closes the lanes, and gives their writers a moment to end.
    pub fn end(&mut self) {
        self.lanes.end(LAST_WORDS);
    }
}

pub(super) fn unreadable(partition: Partition, error: MetadataError) -> Stop {
    Stop::new(
        format!("read the committed offset of partition {partition}"),
        "run the version and the sink that last used this group until it is drained; where the \
         metadata is damaged, look in the table for the rows before the committed offset, then set \
         the offset by hand",
        error,
    )
}

fn unwritable(partition: Partition, error: MetadataError) -> Stop {
    let hint = "please report this with the name of the table";
    Stop::new(format!("commit the offset of partition {partition}"), hint, error)
}
