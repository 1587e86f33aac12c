//! Taking partitions on and giving them up, between two records, on the polling thread.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::start::{Group, Log, Start};
use super::{REQUEST, Session};
use crate::config::StartFrom;
use crate::error_chain::chain;
use crate::pipeline::catch_up::Span;
use crate::pipeline::commit_metadata::{Noted, TopicNote};
use crate::pipeline::dead_share::Counted;
use crate::pipeline::ending::{Break, Interruption};
use crate::record::{Offset, Partition, Reached};
use crate::retry::Backoff;
use crate::sink::{Durability, Promise, Span as SinkSpan};
use crate::source::{Beginning, Rebalance, Source};
use crate::stop::Stop;
use crate::telemetry::metrics::PartitionLabel;

/// How long each step of taking partitions on may take: the topic, the offsets, the ends of the logs,
/// the lanes. The group waits for us meanwhile; all together they would go past
/// `max.poll.interval.ms` (5 min) only if each needed its whole time.
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
        let owned = self.settlement.ledger().owned().map(|partition| partition.0).collect();
        self.flow.metrics.owns(owned);
        Ok(())
    }

    /// Reads the partitions' committed offsets, checks that they still mean the same records, has the
    /// rows flushed that the previous owner promised, and starts reading there.
    fn take_on(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        if self.flow.sink.durability() == Durability::Stored {
            self.settlement.claim(partitions);
            self.wait_until(Self::is_ready, partitions)?;
        }
        let starts = self.starts(partitions)?;
        for (partition, start) in &starts {
            self.intake.chain.resume(*partition, start.reached.last_row);
            let Start { reached, promise, begins, .. } = start.clone();
            // The group's offset follows the one that the sink keeps.
            let follows = self.settlement.is_stored(*partition, reached.next);
            self.settlement.assign(*partition, reached, promise, begins || follows);
        }
        self.store_beginnings(&starts)?;
        let begins = |(partition, start): &(Partition, Start)| {
            start.begins.then_some((*partition, start.reached.next))
        };
        self.commit_beginnings(&starts.iter().filter_map(begins).collect::<Vec<_>>())?;
        self.wait_until(Self::may_read, partitions)?;
        self.settlement.open_common_lane(partitions);
        let beginnings: Vec<Beginning> =
            starts.iter().filter_map(|start| self.beginning(start)).collect();
        self.source.assign(&beginnings)?;
        if self.pressure.is_paused() {
            self.pause(true)?;
        }
        self.joined = true;
        if !partitions.is_empty() {
            self.no_topic_since = None;
            self.flow.health.missing_topic(None);
        }
        self.flow.health.joined(true);
        self.observe_progress();
        tracing::info!(partitions = ?ids(partitions), "partitions assigned");
        Ok(())
    }

    /// Where each partition begins.
    fn starts(&mut self, partitions: &[Partition]) -> Result<Vec<(Partition, Start)>, Break> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let topic = self.retried("the topic", |source| source.topic_now(REQUEST))?;
        // Before anything is taken from the new topic, or noted of it.
        self.compare_topic(Some(topic))?;
        self.flow.topic = topic.id.or(self.flow.topic);
        let committed =
            self.retried("the committed offsets", |source| source.committed(partitions))?;
        let (begins, ends) = self.retried("the ends of the logs", |source| {
            let led = source.led(partitions)?;
            let begins = source.ends_of_log(&led, StartFrom::Earliest)?;
            Ok((begins, source.ends_of_log(&led, StartFrom::Latest)?))
        })?;
        let mut noted = Vec::with_capacity(committed.len());
        for one in &committed {
            let groups = self.settlement.read(one)?;
            noted.push((one.partition, self.settlement.stored(one.partition)?.or(groups)));
        }
        let began_with = self.began_with(&noted, topic.partitions)?;
        let note = TopicNote { id: topic.id, began_with };
        self.settlement.set_topic(note);
        let subscription = &self.flow.subscription;
        let group = Group {
            topic: note,
            start_from: subscription.start_from,
            accepted: subscription.accept_topic,
        };
        let (begins, ends): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (begins.into_iter().collect(), ends.into_iter().collect());
        let mut starts = Vec::with_capacity(noted.len());
        let (mut promises, mut refused) = (Vec::new(), None);
        for (partition, noted) in noted {
            let (Some(begin), Some(end)) = (begins.get(&partition), ends.get(&partition)) else {
                // The partitions that have a leader must not wait for those that have none.
                tracing::warn!(partition = partition.0, "the partition has no leader");
                let Some(start) = Start::without_log(noted, &group) else {
                    return Err(Break::Rejoin(Interruption::NoLeader(partition)));
                };
                starts.push((partition, start));
                continue;
            };
            let promise = noted.as_ref().and_then(|noted| noted.promise.clone());
            promises.extend(promise.map(|promise| (partition, promise)));
            match Start::of(partition, noted, Log { begin: *begin, end: *end }, &group) {
                Ok(start) => starts.push((partition, start)),
                Err(error) => refused = refused.or(Some(error)),
            }
            self.source.note_end(partition, *end);
        }
        if let Some(error) = refused {
            let what = format!("read topic {} on", subscription.topic);
            let setting = self.flow.sink.setting_offsets();
            let stop = Stop::new(what, error.hint(&setting), error);
            // Whoever follows the hint sets the group's offsets anew, and with them goes what the
            // metadata promises.
            self.keep(promises)?;
            return Err(stop.into());
        }
        let unknown: BTreeSet<_> = self.catch_up.unknown(partitions).into_iter().collect();
        for (partition, start) in starts.iter().filter(|(one, _)| unknown.contains(one)) {
            if let Some(end) = ends.get(partition) {
                self.catch_up.note(*partition, Span { start: start.reached.next, end: *end });
            }
        }
        Ok(starts)
    }

    /// Makes the rows visible that the owners before promised, where this instance will not go on.
    fn keep(&mut self, promises: Vec<(Partition, Promise)>) -> Result<(), Break> {
        let partitions: Vec<Partition> = promises.iter().map(|(partition, _)| *partition).collect();
        for (partition, promise) in promises {
            self.settlement.assign(partition, Reached::at(Offset(0)), Some(promise), false);
        }
        if let Err(error) = self.wait_until(Self::is_ready, &partitions) {
            tracing::warn!(reason = chain(&error), "rows that were promised are not visible yet");
        }
        self.forget(&partitions)
    }

    /// The number of partitions that the topic had when the group began to read it, as any of its
    /// commits says. If the group begins now: the present number, or none where this run was there
    /// before the topic. `None`: an earlier version or another program began it.
    fn began_with(
        &mut self,
        noted: &[(Partition, Option<Noted>)],
        partitions: usize,
    ) -> Result<Option<usize>, Break> {
        let known = |noted: &[(Partition, Option<Noted>)]| {
            noted.iter().filter_map(|(_, noted)| noted.as_ref()?.topic.began_with).min()
        };
        let has_offset =
            |noted: &[(Partition, Option<Noted>)]| noted.iter().any(|(_, noted)| noted.is_some());
        if let Some(began_with) = known(noted).or_else(|| self.settlement.topic().began_with) {
            return Ok(Some(began_with));
        }
        if noted.iter().all(|(_, noted)| noted.is_some()) {
            return Ok(None);
        }
        let all: Vec<Partition> =
            (0..i32::try_from(partitions).unwrap_or(i32::MAX)).map(Partition).collect();
        let committed = self.retried("the committed offsets", |source| source.committed(&all))?;
        let mut of_group = Vec::with_capacity(committed.len());
        for one in &committed {
            of_group.push((one.partition, self.settlement.read(one)?));
        }
        Ok(match known(&of_group) {
            Some(began_with) => Some(began_with),
            None if has_offset(&of_group) => None,
            None if self.flow.topic_was_missing => Some(0),
            None => Some(partitions),
        })
    }

    /// Has a sink that keeps the offsets store where partitions begin, before their first record is
    /// read and before the group's offset moves: until rows are stored, nothing else says where the
    /// group began, and Kafka forgets.
    fn store_beginnings(&mut self, starts: &[(Partition, Start)]) -> Result<(), Break> {
        if self.flow.sink.durability() != Durability::Stored {
            return Ok(());
        }
        let mut stored = Vec::new();
        for (partition, Start { reached, begins, .. }) in starts {
            if *begins || !self.settlement.is_stored(*partition, reached.next) {
                let span =
                    SinkSpan { partition: *partition, first: reached.next, reached: *reached };
                self.settlement.send(self.intake.assembler.without_records(span));
                stored.push(*partition);
            }
        }
        self.wait_until(Self::is_settled_in, &stored)
    }

    /// Commits where partitions begin before their first record is read: until then a restart would
    /// begin at what is the latest offset by that time.
    fn commit_beginnings(&mut self, begins: &[(Partition, Offset)]) -> Result<(), Break> {
        if begins.is_empty() {
            return Ok(());
        }
        let start_from = self.flow.subscription.start_from;
        tracing::info!(
            partitions_and_offsets = ?begins.iter().map(|(p, o)| (p.0, o.0)).collect::<Vec<_>>(),
            ?start_from,
            "the group begins to read these partitions"
        );
        let partitions: Vec<Partition> = begins.iter().map(|(partition, _)| *partition).collect();
        self.wait_until(Self::is_ready, &partitions)?;
        self.settlement.commit_now(&self.source)?;
        match self.flow.sink.durability() {
            Durability::Promised => Ok(()),
            // It was settled before.
            Durability::Stored if self.flow.sink.commits_to_group() => Ok(()),
            Durability::Visible | Durability::Stored => {
                let commits = self.settlement.last_commits(&partitions);
                match self.source.confirm_committed(&commits, Instant::now() + PATIENCE) {
                    true => Ok(()),
                    false => Err(Break::Rejoin(Interruption::NotReady)),
                }
            }
        }
    }

    fn beginning(&self, (partition, start): &(Partition, Start)) -> Option<Beginning> {
        let offset = self.settlement.ledger().start(*partition)?.next;
        Some(Beginning { partition: *partition, offset, check: start.check })
    }

    fn may_read(&self, partitions: &[Partition]) -> bool {
        self.settlement.may_read(partitions)
    }

    fn is_settled_in(&self, partitions: &[Partition]) -> bool {
        partitions.iter().all(|partition| self.settlement.ledger().is_settled(*partition))
    }

    fn is_ready(&self, partitions: &[Partition]) -> bool {
        partitions.iter().all(|partition| self.settlement.ledger().is_ready(*partition))
    }

    fn wait_until(
        &mut self,
        holds: fn(&Self, &[Partition]) -> bool,
        partitions: &[Partition],
    ) -> Result<(), Break> {
        let began = Instant::now();
        while !holds(self, partitions) {
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
        self.tell_watchers();
        tracing::info!(partitions = ?ids(partitions), drained, "partitions revoked");
        self.forget(partitions)?;
        Ok(self.source.release(partitions)?)
    }

    /// Someone else may own them already, so nothing of theirs is committed any more.
    fn lose(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        tracing::warn!(partitions = ?ids(partitions), "partitions lost");
        // A member that owns nothing any more must not count as caught up.
        self.joined = false;
        self.forget(partitions)?;
        Ok(self.source.release(partitions)?)
    }

    fn forget(&mut self, partitions: &[Partition]) -> Result<(), Break> {
        let lane_per_partition = self.flow.sink.durability().has_lane_per_partition();
        for partition in partitions {
            self.intake.release(*partition);
            self.settlement.release(*partition);
            self.flow.metrics.lag.remove(&PartitionLabel { partition: partition.0 });
            // A batch of the lane for all partitions has records of those that stay.
            if let Some(batch) = self.intake.assembler.take(*partition) {
                if lane_per_partition {
                    self.intake.assembler.take_origin(batch.id);
                } else {
                    self.send_one(batch, Counted::default())?;
                }
            }
        }
        Ok(())
    }

    /// Asks the brokers until they answer.
    fn retried<T>(
        &mut self,
        what: &'static str,
        mut ask: impl FnMut(&mut Source) -> Result<T, KafkaError>,
    ) -> Result<T, Break> {
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            self.flow.health.turned();
            match ask(&mut self.source) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(error = %error, "{what} cannot be read yet");
                    let give_up = began.elapsed() > PATIENCE
                        || self.source.assignment_lost()
                        || self.flow.shutdown.requested();
                    if give_up {
                        return Err(error.into());
                    }
                    self.flow.shutdown.sleep(backoff.pause());
                }
            }
        }
    }
}

fn ids(partitions: &[Partition]) -> Vec<i32> {
    partitions.iter().map(|partition| partition.0).collect()
}
