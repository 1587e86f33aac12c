//! From reports to the commit: what came back settles, the settled head is committed, and what was
//! committed is flushed. Exactly-once rests on this order; see docs/adr/0001-exactly-once.md.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::CommitPoint;
use super::runner::Stop;
use super::session::{Break, Session};
use crate::error_chain::chain;
use crate::record::Partition;
use crate::sink::{Command, Lane, Report};
use crate::telemetry::metrics::ReasonLabel;

/// How often a drain looks for a rebalance-free step forward.
const STEP: Duration = Duration::from_millis(10);

impl Session<'_> {
    /// Everything the writers have said by now.
    pub(super) fn take_reports(&mut self) -> Result<(), Break> {
        while let Ok((lane, report)) = self.reports.try_recv() {
            self.take(lane, report)?;
        }
        Ok(())
    }

    /// Waits for one report, and takes all that came with it.
    pub(super) fn wait_for_report(&mut self, patience: Duration) -> Result<(), Break> {
        match self.reports.recv_timeout(patience) {
            Ok((lane, report)) => {
                self.take(lane, report)?;
                self.take_reports()
            }
            // The session holds a sender itself, so the channel never disconnects.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn take(&mut self, lane: Lane, report: Report) -> Result<(), Break> {
        // A lane of an earlier assignment has no say; its batches were forgotten with it.
        let key = lane.partition;
        let Some(open) = self.lanes.get_mut(&key).filter(|open| open.lane == lane) else {
            return Ok(());
        };
        match report {
            Report::Recovered => {
                if let Some(partition) = key {
                    self.ledger.recovered(partition);
                }
            }
            Report::Settled { batch, place, rows, bytes, letters } => {
                if let Some(place) = &place {
                    open.stream = Some(place.stream.clone());
                }
                if let Some(settled) = self.in_flight.remove(&batch) {
                    self.in_flight_bytes -= settled.bytes;
                    for span in &settled.spans {
                        self.ledger.settle(batch, span.partition, place.clone());
                    }
                }
                let metrics = &self.flow.metrics;
                metrics.written.inc_by(rows as u64);
                metrics.written_bytes.inc_by(bytes as u64);
                self.summary.written += rows as u64;
                self.summary.written_bytes += bytes as u64;
                for reason in letters {
                    let label = ReasonLabel { reason: reason.code() };
                    metrics.dead_lettered.get_or_create(&label).inc();
                    *self.summary.dead_lettered.entry(reason).or_default() += 1;
                }
                self.flow.health.progress();
            }
            Report::Flushed(place) => {
                if let Some(partition) = key {
                    self.ledger.flushed(partition, place);
                }
                self.flow.health.progress();
            }
            Report::Waiting => self.flow.health.progress(),
            Report::Failed(error) => {
                let (what, hint) = (error.what.clone(), error.hint.clone());
                return Err(Stop { what, hint, source: error.source }.into());
            }
        }
        Ok(())
    }

    /// Commits the settled heads, not more often than the interval.
    pub(super) fn commit_settled(&mut self) -> Result<(), Break> {
        if self.last_commit.elapsed() < self.flow.limits.commit_interval {
            return Ok(());
        }
        self.commit_now()
    }

    fn commit_now(&mut self) -> Result<(), Break> {
        let points: Vec<(Partition, CommitPoint)> = self
            .ledger
            .owned()
            .filter_map(|partition| Some((partition, self.ledger.commit_point(partition)?)))
            .collect();
        self.commit(points)
    }

    /// Once all is visible: the same offsets without a promise, so that the next owner has nothing
    /// to flush, however late it comes.
    pub(super) fn commit_clean(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let points: Vec<(Partition, CommitPoint)> = partitions
            .iter()
            .filter_map(|partition| Some((*partition, self.ledger.clean_point(*partition)?)))
            .collect();
        self.commit(points)
    }

    /// One commit for all points. In doubt about any of it the session ends: another commit could
    /// be overtaken by this one.
    fn commit(&mut self, points: Vec<(Partition, CommitPoint)>) -> Result<(), Break> {
        self.last_commit = Instant::now();
        if points.is_empty() {
            return Ok(());
        }
        let took = self.committer.commit(&self.source, &points).map_err(|error| {
            let why = chain(&error);
            if error.is_fenced() { Break::Fenced(why) } else { Break::Rejoin(why) }
        })?;
        self.flow.metrics.commit_seconds.observe(took.as_secs_f64());
        self.flow.health.progress();
        self.committed_once = true;
        for (partition, point) in points {
            let flush = self.ledger.committed(partition, point);
            let retired = self.ledger.take_retired(partition);
            let Some(open) = self.lanes.get(&Some(partition)) else { continue };
            if let Some(place) = flush {
                open.writer.tell(Command::Flush(place));
            }
            if let Some(stream) = retired.filter(|stream| open.stream.as_ref() != Some(stream)) {
                open.writer.tell(Command::Finalize(stream));
            }
        }
        self.last_commit = Instant::now();
        Ok(())
    }

    /// Sends what is open in these partitions and waits until it is settled, committed and
    /// flushed; false where the deadline came first.
    pub(super) fn drain(&mut self, partitions: &[Partition]) -> Result<bool, Break> {
        let deadline = Instant::now() + self.flow.limits.drain;
        for partition in partitions {
            if let Some(batch) = self.assembler.take(*partition) {
                self.send(batch);
            }
        }
        loop {
            self.take_reports()?;
            self.commit_now()?;
            if partitions.iter().all(|partition| self.ledger.is_idle(*partition)) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.wait_for_report(STEP)?;
        }
    }
}
