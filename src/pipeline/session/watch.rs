//! What the brokers know beyond the records: whether the topic is still the same one, and where its
//! partitions end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{REQUEST, Session, start};
use crate::config::StartFrom;
use crate::pipeline::ending::Break;
use crate::pipeline::flow::Until;
use crate::pipeline::summary::HeldUp;
use crate::record::{Offset, Partition, Position, Reached};
use crate::sink::{Durability, Span};
use crate::source::{PollError, RecordReader, Topic};
use crate::stop::Stop;
use crate::telemetry::metrics::PartitionLabel;
use crate::topic_id::TopicId;

/// How long a run that only catches up waits for a topic that does not exist.
const TOPIC: Duration = Duration::from_secs(30);

impl Session<'_> {
    /// Compares the topic's id with the one that was read so far, and stops a run that only catches up
    /// where there is no topic.
    pub(super) fn watch(&mut self) -> Result<(), Break> {
        if self.no_topic_since.is_some_and(|since| since.elapsed() >= TOPIC)
            && self.flow.until == Until::CaughtUp
        {
            let topic = self.source.topic().to_owned();
            let hint = "create the topic, or check CONSUME_ENV and the address of the contract's \
                        channel";
            let what = format!("read topic {topic}");
            return Err(Stop::new(what, hint, PollError::NoTopic(topic)).into());
        }
        let ledger = self.settlement.ledger();
        self.source.watch(|| ledger.owned().collect());
        self.flow.health.brokers_silent(self.source.silent_since());
        let seen = self.source.topic_seen();
        if seen.is_some() && self.no_topic_since.take().is_some() {
            // A member without partitions reads nothing that would show it.
            self.flow.health.missing_topic(None);
        }
        self.compare_topic(seen)
    }

    /// Stops with both ids if the topic is not the one that was read so far. Where one of the ids is
    /// not known, nothing is compared.
    pub(super) fn compare_topic(&mut self, found: Option<Topic>) -> Result<(), Break> {
        let found = found.and_then(|topic| topic.id);
        let Some((read, found)) = TopicId::differ(self.flow.topic, found) else { return Ok(()) };
        self.finish_flushes();
        Err(start::other_topic(self.source.topic(), read, found).into())
    }

    /// Publishes each partition's lag, and commits past transaction markers and aborted records at the
    /// end of a partition: after retention, a committed offset before them would look like a loss.
    pub(super) fn observe_ends(&mut self) {
        let owned: Vec<Partition> = self.settlement.ledger().owned().collect();
        for partition in owned {
            let Some(end) = self.source.end(partition) else { continue };
            let ledger = self.settlement.ledger();
            let Some(committed) = ledger.committed_offset(partition) else { continue };
            if committed < end
                && self.intake.is_nothing_of(partition, ledger)
                && let Some(position) = self.source.position(partition)
            {
                self.skip(partition, position);
            }
            let lag = end.0.saturating_sub(committed.0).max(0);
            let label = PartitionLabel { partition: partition.0 };
            let metrics = &self.flow.metrics;
            metrics.lag.get_or_create(&label).set(lag);
            let behind = self.settlement.ledger().last_committed_ms(partition);
            if let Some(age) = behind_seconds(lag, behind, self.flow.clock.now_micros()) {
                metrics.lag_seconds.get_or_create(&label).set(age);
            }
        }
    }

    /// Moves an idle partition's offset to `next`, where nothing before it is a record. A sink that
    /// keeps the offset has to store it.
    fn skip(&mut self, partition: Partition, next: Offset) {
        let reached = self.settlement.ledger().start(partition);
        match (self.flow.sink.durability(), reached) {
            (Durability::Stored, Some(reached)) if next > reached.next => {
                let first = reached.next;
                let span = Span { partition, first, reached: Reached { next, ..reached } };
                let batch = self.intake.assembler.without_records(span);
                self.settlement.send(batch);
            }
            (Durability::Visible | Durability::Promised, _) => {
                self.settlement.skip(partition, next)
            }
            (Durability::Stored, _) => {}
        }
    }

    /// Publishes how far a run that only catches up has come.
    pub(super) fn observe_progress(&self) {
        if self.flow.until == Until::CaughtUp {
            let position = |partition, end| self.source.read_up_to(partition, end);
            let (read, all) = self.catch_up.progress(self.settlement.ledger(), position);
            self.flow.metrics.caught_up.set(read as i64);
            self.flow.metrics.to_catch_up.set(all as i64);
        }
    }

    /// Where records stand behind an open transaction, which nobody can read before it ends.
    pub(super) fn held_up(&mut self) -> Vec<HeldUp> {
        let owned: Vec<Partition> = self.settlement.ledger().owned().collect();
        // The readable ends are asked for afterwards: without an open transaction they are not before
        // the written ones, even while records are written.
        let written = self.source.written_ends(&owned, REQUEST);
        let readable = self.source.ends_of_log(&owned, StartFrom::Latest);
        let (written, readable) = match written.and_then(|written| Ok((written, readable?))) {
            Ok(ends) => ends,
            Err(error) => {
                tracing::warn!(error = %error, "open transactions cannot be looked for");
                return Vec::new();
            }
        };
        let subscription = &self.flow.subscription;
        let reader = RecordReader::new(subscription.consumer.clone(), subscription.topic.clone());
        let readable: BTreeMap<Partition, Offset> = readable.into_iter().collect();
        let health = &self.flow.health;
        let held_up = |(partition, written): (Partition, Offset)| {
            health.turned();
            let readable = *readable.get(&partition)?;
            (written > readable).then(|| {
                let at = Position { partition, offset: readable };
                HeldUp { at, records: written.0 - readable.0, since_ms: reader.written_at(at) }
            })
        };
        written.into_iter().filter_map(held_up).collect()
    }
}

/// How long ago the last committed record was written, if others are behind it: seconds. `None`: nobody
/// knows when it was written.
fn behind_seconds(lag: i64, committed_ms: Option<i64>, now_micros: i64) -> Option<f64> {
    match lag {
        0 => Some(0.0),
        _ => committed_ms.map(|at| ((now_micros / 1_000 - at).max(0)) as f64 / 1_000.0),
    }
}
