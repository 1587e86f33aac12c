//! Taking partitions on and giving them up, between two records, on the polling thread.

use std::time::{Duration, Instant};

use super::Until;
use super::runner::Stop;
use super::session::{Break, OpenLane, Session};
use crate::config::{Guarantee, StartFrom};
use crate::error_chain::chain;
use crate::record::Partition;
use crate::retry::Backoff;
use crate::sink::{Lane, LaneMode, StreamPlace};
use crate::source::{Committed, Rebalance};
use crate::telemetry::metrics::PartitionLabel;

/// How long the committed offsets may take: the group waits for us meanwhile, well within
/// `max.poll.interval.ms` (5 min).
const COMMITTED_OFFSETS: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Carries out what the group decided, in order.
    pub(super) fn rebalance(&mut self) -> Result<(), Break> {
        for change in self.source.rebalances() {
            match change {
                Rebalance::Assigned(partitions) => self.take_on(&partitions)?,
                Rebalance::Revoked { partitions, lost: false } => self.give_up(&partitions)?,
                Rebalance::Revoked { partitions, lost: true } => self.lose(&partitions)?,
            }
        }
        let owned = self.ledger.owned().count();
        self.flow.metrics.assigned_partitions.set(owned as i64);
        Ok(())
    }

    /// Reads where each partition stands, has the promised rows flushed again, and resumes there.
    fn take_on(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let starts = self.committed(partitions)?;
        let new = starts.iter().filter(|start| !start.was_committed);
        let new: Vec<_> = new.map(|start| (start.partition.0, start.offset.0)).collect();
        if !new.is_empty() {
            tracing::warn!(
                partitions_and_offsets = ?new,
                start_from = ?self.flow.start_from,
                "the group has no offset of these partitions"
            );
        }
        for start in &starts {
            self.ledger.assign(start.partition, start.offset, start.promise.clone());
            self.open_lane(start.partition, start.promise.clone())?;
        }
        let starts: Vec<_> = starts.iter().map(|start| (start.partition, start.offset)).collect();
        self.source.assign(&starts).map_err(rejoin)?;
        if self.flow.until == Until::CaughtUp {
            self.note_ends(partitions)?;
        }
        if self.is_paused() {
            self.pause(true)?;
        }
        self.joined = true;
        self.flow.health.joined(true);
        tracing::info!(partitions = ?ids(partitions), "partitions assigned");
        Ok(())
    }

    /// Notes where each partition ends when it is seen first.
    fn note_ends(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let new = partitions.iter().filter(|partition| !self.ends.contains_key(partition));
        let new: Vec<Partition> = new.copied().collect();
        self.ends.extend(self.source.ends_of_log(&new, StartFrom::Latest).map_err(rejoin)?);
        Ok(())
    }

    /// Stops intake, settles what is under way, commits, flushes, and only then lets go. What the
    /// deadline cuts off was never committed: its rows stay invisible, its next owner reads again.
    fn give_up(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let drained = self.drain(partitions)?;
        if drained {
            self.commit_clean(partitions)?;
        }
        tracing::info!(partitions = ?ids(partitions), drained, "partitions revoked");
        self.forget(partitions);
        self.source.release(partitions).map_err(rejoin)
    }

    /// Someone else may own them already: nothing of theirs is committed any more.
    fn lose(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        tracing::warn!(partitions = ?ids(partitions), "partitions lost");
        // Who owns nothing any more has not caught up with it.
        self.joined = false;
        self.forget(partitions);
        self.source.release(partitions).map_err(rejoin)
    }

    fn forget(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.ledger.release(*partition);
            self.flow.metrics.lag.remove(&PartitionLabel { partition: partition.0 });
            match (self.flow.guarantee, self.assembler.take(*partition)) {
                (Guarantee::ExactlyOnce, _) => {
                    if let Some(open) = self.lanes.remove(&Some(*partition)) {
                        self.in_flight.retain(|_, batch| batch.lane != open.lane);
                    }
                }
                // Records of partitions that stay are in it too.
                (Guarantee::AtLeastOnce, Some(batch)) => self.send(batch),
                (Guarantee::AtLeastOnce, None) => {}
            }
        }
        self.in_flight_bytes = self.in_flight.values().map(|batch| batch.bytes).sum();
    }

    /// Exactly-once: a writer of its own for the partition. At-least-once: the one lane, and where
    /// an exactly-once consumer left a promise behind, its flush before anything is committed.
    fn open_lane(
        &mut self,
        partition: Partition,
        recover: Option<StreamPlace>,
    ) -> Result<(), Break> {
        match self.flow.guarantee {
            Guarantee::ExactlyOnce => self.spawn(Some(partition), LaneMode::Buffered { recover }),
            Guarantee::AtLeastOnce => {
                if recover.is_some() {
                    self.spawn(Some(partition), LaneMode::Buffered { recover });
                    self.await_recovery(partition)?;
                    self.lanes.remove(&Some(partition));
                } else {
                    self.ledger.recovered(partition);
                }
                if !self.lanes.contains_key(&None) {
                    self.spawn(None, LaneMode::Default);
                }
            }
        }
        Ok(())
    }

    fn spawn(&mut self, key: Option<Partition>, mode: LaneMode) {
        self.epoch += 1;
        let lane = Lane { partition: key, epoch: self.epoch };
        let writer = self.flow.sink.writer(
            lane,
            mode,
            self.flow.table.clone(),
            self.flow.schema.clone(),
            self.flow.letters.clone(),
            self.flow.reread.clone(),
            self.report_to.clone(),
        );
        self.lanes.insert(key, OpenLane { lane, writer, stream: None });
    }

    fn await_recovery(&mut self, partition: Partition) -> Result<(), Break> {
        let began = Instant::now();
        while began.elapsed() < COMMITTED_OFFSETS && !self.flow.shutdown.requested() {
            self.wait_for_report(Duration::from_millis(100))?;
            if self.ledger.is_recovered(partition) {
                return Ok(());
            }
        }
        Err(Break::Rejoin("the rows of the previous owner could not be flushed yet".to_owned()))
    }

    /// The group's offsets, asked for until the broker answers.
    fn committed(&self, partitions: &[Partition]) -> Result<Vec<Committed>, Break> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match self.source.committed(partitions, self.flow.start_from) {
                Ok(answers) => {
                    return answers.into_iter().collect::<Result<_, _>>().map_err(|error| {
                        let what = format!("read the offsets of group {}", self.flow.group);
                        let hint = "run the version that last used this group until it is drained; where \
                                    the metadata is damaged, look in the table for the rows before \
                                    the committed offset, then set the offset by hand";
                        Break::Stop(Stop::new(what, hint, error))
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %error, "the committed offsets cannot be read yet");
                    let given_up = began.elapsed() > COMMITTED_OFFSETS
                        || self.source.assignment_lost()
                        || self.flow.shutdown.requested();
                    if given_up {
                        return Err(rejoin(error));
                    }
                    std::thread::sleep(backoff.pause());
                }
            }
        }
    }
}

fn rejoin(error: rdkafka::error::KafkaError) -> Break {
    Break::Rejoin(chain(&error))
}

fn ids(partitions: &[Partition]) -> Vec<i32> {
    partitions.iter().map(|partition| partition.0).collect()
}
