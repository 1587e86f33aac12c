//! Taking partitions on and giving them up, between two records, on the polling thread.

use std::time::{Duration, Instant};

use super::Session;
use crate::config::StartFrom;
use crate::pipeline::ending::{Break, Interruption};
use crate::record::Partition;
use crate::retry::Backoff;
use crate::source::{Committed, Rebalance};
use crate::telemetry::metrics::PartitionLabel;

/// How long the committed offsets may take, and then the lanes to become ready. The group waits for
/// us meanwhile, well within `max.poll.interval.ms` (5 min).
const PATIENCE: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Carries out the changes of the assignment, in order.
    pub(super) fn rebalance(&mut self) -> Result<(), Break> {
        for change in self.source.rebalances() {
            match change {
                Rebalance::Assigned(partitions) => self.take_on(&partitions)?,
                Rebalance::Revoked { partitions, lost: false } => self.give_up(&partitions)?,
                Rebalance::Revoked { partitions, lost: true } => self.lose(&partitions)?,
            }
        }
        let owned = self.settlement.ledger().owned().count();
        self.flow.metrics.assigned_partitions.set(owned as i64);
        Ok(())
    }

    /// Reads where each partition stands, has earlier promises kept, and reads on from there.
    fn take_on(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let committed = self.committed(partitions)?;
        let new = committed.iter().filter(|start| !start.was_committed);
        let new: Vec<_> = new.map(|start| (start.partition.0, start.offset.0)).collect();
        let start_from = self.flow.subscription.start_from;
        if !new.is_empty() && new.len() == committed.len() {
            tracing::info!(partitions_and_offsets = ?new, ?start_from, "a new group begins here");
        } else if !new.is_empty() {
            tracing::warn!(
                partitions_and_offsets = ?new,
                ?start_from,
                "the group has no offset of these partitions, but of others"
            );
        }
        for start in &committed {
            self.settlement.assign(start)?;
        }
        self.wait_until_ready(partitions)?;
        self.settlement.open_common_lane(partitions);
        let start =
            |partition: &Partition| Some((*partition, self.settlement.ledger().start(*partition)?));
        let starts: Vec<_> = partitions.iter().filter_map(start).collect();
        self.source.assign(&starts)?;
        let unknown = self.catch_up.unknown(partitions);
        let ends = self.source.ends_of_log(&unknown, StartFrom::Latest)?;
        for (partition, end) in &ends {
            let start = self.settlement.ledger().start(*partition).unwrap_or(*end);
            self.flow.metrics.to_catch_up.inc_by((end.0 - start.0).max(0));
        }
        self.catch_up.note_ends(ends);
        if self.pressure.is_paused() {
            self.pause(true)?;
        }
        self.joined = true;
        self.flow.health.joined(true);
        tracing::info!(partitions = ?ids(partitions), "partitions assigned");
        Ok(())
    }

    fn wait_until_ready(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let began = Instant::now();
        while !self.settlement.may_read(partitions) {
            if began.elapsed() >= PATIENCE || self.flow.shutdown.requested() {
                return Err(Break::Rejoin(Interruption::NotReady));
            }
            self.settlement.wait_for_report(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Reads no more of the partitions, settles what is under way, commits, flushes, and only then
    /// gives them up. What the deadline cuts off was never committed: its rows stay invisible, and
    /// the next owner reads it again.
    fn give_up(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let drained = self.drain(partitions)?;
        if drained {
            self.settlement.commit_clean(&self.source, partitions)?;
        }
        tracing::info!(partitions = ?ids(partitions), drained, "partitions revoked");
        self.forget(partitions);
        Ok(self.source.release(partitions)?)
    }

    /// Someone else may own them already, so nothing of theirs is committed any more.
    fn lose(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        tracing::warn!(partitions = ?ids(partitions), "partitions lost");
        // A member that owns nothing any more must not count as caught up.
        self.joined = false;
        self.forget(partitions);
        Ok(self.source.release(partitions)?)
    }

    fn forget(&mut self, partitions: &[Partition]) {
        let lane_per_partition = self.flow.sink.durability().has_lane_per_partition();
        for partition in partitions {
            self.settlement.release(*partition);
            self.flow.metrics.lag.remove(&PartitionLabel { partition: partition.0 });
            // A batch of the lane for all partitions has records of those that stay.
            if let Some(batch) = self.assembler.take(*partition)
                && !lane_per_partition
            {
                self.settlement.send(batch);
            }
        }
    }

    /// The group's offsets, retried until the broker answers.
    fn committed(&self, partitions: &[Partition]) -> Result<Vec<Committed>, Break> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match self.source.committed(partitions, self.flow.subscription.start_from) {
                Ok(committed) => return Ok(committed),
                Err(error) => {
                    tracing::warn!(error = %error, "the committed offsets cannot be read yet");
                    let give_up = began.elapsed() > PATIENCE
                        || self.source.assignment_lost()
                        || self.flow.shutdown.requested();
                    if give_up {
                        return Err(error.into());
                    }
                    std::thread::sleep(backoff.pause());
                }
            }
        }
    }
}

fn ids(partitions: &[Partition]) -> Vec<i32> {
    partitions.iter().map(|partition| partition.0).collect()
}
