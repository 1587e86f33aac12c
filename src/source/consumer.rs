//! The consumer client on its thread: records, rebalances, assignments.
//!
//! Rebalances are only noted inside librdkafka's callback; the thread that polls carries them out
//! between two records ([`Source::assign`], [`Source::release`]), so that one thread alone reads,
//! commits and gives up partitions.

use std::thread;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::progress::{Progress, RanDry};
use super::rebalancer::Rebalancer;
use super::records::{Record, Records, Taken};
use super::{Membership, native};
use crate::record::{Offset, Partition};
use crate::telemetry::Metrics;

/// The consumer of one topic in one group, read by the thread that opened it.
pub struct Source {
    /// Dropped before their consumer.
    records: Records,
    consumer: BaseConsumer<Rebalancer>,
    topic: String,
    progress: Progress,
    paused: bool,
}

/// What a poll brought.
pub enum Polled<'a> {
    /// Each record of an assigned partition comes once, in order.
    Record(Record<'a>),
    /// [`Source::rebalances`] has something; no record is taken before it is carried out.
    Rebalance,
    Nothing,
}

/// A change of the assignment, to be carried out by the polling thread.
#[derive(Debug)]
pub enum Rebalance {
    Assigned(Vec<Partition>),
    /// `lost`: someone else may own them already, so nothing may be committed any more.
    Revoked {
        partitions: Vec<Partition>,
        lost: bool,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("create the Kafka consumer")]
    Create(#[source] KafkaError),
    #[error("subscribe to topic {topic}")]
    Subscribe { topic: String, source: KafkaError },
}

/// A poll that did not bring a record.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// librdkafka goes on by itself: a broker is away, a name does not resolve.
    #[error("reading is interrupted")]
    Passing(#[source] KafkaError),
    /// This client cannot go on, a new one can.
    #[error("the consumer client is no longer usable")]
    Client(#[source] KafkaError),
    /// A record came past the queue of records, which reads no other: read on by a new client.
    #[error("a record came by another way than its partition's queue")]
    Astray,
    /// Needs a person.
    #[error("reading topic {topic} is refused")]
    Refused { topic: String, hint: &'static str, source: KafkaError },
}

impl Source {
    /// Creates the client and subscribes; the group is joined while polling.
    pub fn open(config: &ClientConfig, topic: &str, metrics: Metrics) -> Result<Self, OpenError> {
        let context = Rebalancer::new(topic.to_owned(), metrics);
        let mut consumer: BaseConsumer<Rebalancer> =
            config.create_with_context(context).map_err(OpenError::Create)?;
        let reader = thread::current();
        let records =
            Records::of(consumer.client(), topic, reader.clone()).map_err(OpenError::Create)?;
        consumer.set_nonempty_callback(move || reader.unpark());
        consumer
            .subscribe(&[topic])
            .map_err(|source| OpenError::Subscribe { topic: topic.to_owned(), source })?;
        let (topic, progress) = (topic.to_owned(), Progress::default());
        Ok(Self { records, consumer, topic, progress, paused: false })
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Waits up to `patience` for a record or a change of the assignment.
    pub fn poll(&mut self, patience: Duration) -> Result<Polled<'_>, PollError> {
        let mut taken = self.next();
        if taken.is_none() {
            if self.serve()? {
                return Ok(Polled::Rebalance);
            }
            taken = self.take();
        }
        if taken.is_none() && !patience.is_zero() {
            // News of either queue that came since it was looked at ends this at once.
            thread::park_timeout(patience);
            taken = self.take();
        }
        let Some(taken) = taken else { return Ok(Polled::Nothing) };
        match taken.error() {
            None => Ok(Polled::Record(Record::of(taken))),
            Some(error) => Err(match classify(&self.topic, error) {
                // Where the partition stands is not known to librdkafka any more.
                PollError::Passing(error) => PollError::Client(error),
                error => error,
            }),
        }
    }

    /// The next record, or error, of those that librdkafka has handed over.
    #[inline]
    fn next(&mut self) -> Option<Taken> {
        if self.paused {
            return None;
        }
        loop {
            let taken = self.records.next()?;
            if taken.error().is_some() || self.progress.take(taken.at()) {
                return Some(taken);
            }
        }
    }

    fn take(&mut self) -> Option<Taken> {
        // Of many at once all may have come before.
        while !self.paused && self.records.take() {
            if let Some(taken) = self.next() {
                return Some(taken);
            }
        }
        None
    }

    /// Serves the client's own queue: rebalances, and what befalls the whole client. Answers
    /// whether there is a change of the assignment.
    pub(super) fn serve(&mut self) -> Result<bool, PollError> {
        self.records.attend(self.consumer.client());
        match self.consumer.poll(Duration::ZERO) {
            None => Ok(self.consumer.context().has_noted()),
            Some(Err(error)) => Err(classify(&self.topic, error)),
            Some(Ok(_)) => Err(PollError::Astray),
        }
    }

    /// The changes noted since the last call, in order.
    pub fn rebalances(&self) -> Vec<Rebalance> {
        self.consumer.context().take()
    }

    /// Begins to read the partitions at the given offsets. Must answer every
    /// [`Rebalance::Assigned`], even an empty one.
    pub fn assign(&mut self, starts: &[(Partition, Offset)]) -> Result<(), KafkaError> {
        let partitions = starts.iter().map(|(partition, _)| *partition);
        self.records.follow(self.consumer.client(), partitions);
        self.consumer.context().ran_dry(RanDry::forget);
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (partition, offset) in starts {
            self.progress.assign(*partition, *offset);
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(offset.0))?;
        }
        self.consumer.incremental_assign(&list)
    }

    /// Gives partitions up. Must answer every [`Rebalance::Revoked`].
    pub fn release(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.records.leave(partitions);
        for partition in partitions {
            self.progress.release(*partition);
        }
        let list = self.list(partitions);
        if self.paused {
            // librdkafka would keep it paused beyond the unassign, and read nothing of it when it
            // comes back.
            self.consumer.resume(&list)?;
        }
        self.consumer.incremental_unassign(&list)
    }

    /// No record comes until [`Self::resume`], also none of those taken on the way here.
    pub fn pause(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.paused = true;
        self.consumer.pause(&self.list(partitions))
    }

    pub fn resume(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.paused = false;
        self.consumer.resume(&self.list(partitions))
    }

    /// Whether every record of an assigned partition before `end` has come. Transaction markers
    /// and what compaction removed are offsets without a record: librdkafka tells when it is past
    /// the ones at once, and past the others in its statistics.
    pub fn has_read_to(&self, partition: Partition, end: Offset) -> bool {
        if self.progress.reaches(partition, end) {
            return true;
        }
        let past = |at: i64| at >= end.0;
        self.records.is_empty()
            && (native::position(self.consumer.client(), &self.topic, partition).is_some_and(past)
                || self
                    .consumer
                    .context()
                    .ran_dry(|ran_dry| ran_dry.at(partition))
                    .is_some_and(past))
    }

    /// Leaves the group once everything is released.
    pub fn unsubscribe(&self) {
        self.consumer.unsubscribe();
    }

    /// Someone else may own this client's partitions.
    pub fn assignment_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// Member id and generation, as a commit has to carry them.
    pub fn membership(&self) -> Option<Membership> {
        Membership::of(self.consumer.client())
    }

    pub(super) fn client(&self) -> &BaseConsumer<Rebalancer> {
        &self.consumer
    }

    pub(super) fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, partition.0);
        }
        list
    }
}

/// The client's destructor polls until the group is left: in these last moments the callback gives
/// up by itself what is revoked, because nobody else will.
impl Drop for Source {
    fn drop(&mut self) {
        self.consumer.context().close();
        for rebalance in self.rebalances() {
            if let Rebalance::Revoked { partitions, .. } = rebalance {
                let _ = self.release(&partitions);
            }
        }
    }
}

fn classify(topic: &str, source: KafkaError) -> PollError {
    use RDKafkaErrorCode as Code;
    let refused =
        |hint| PollError::Refused { topic: topic.to_owned(), hint, source: source.clone() };
    match &source {
        KafkaError::MessageConsumptionFatal(_) => PollError::Client(source),
        KafkaError::MessageConsumption(code) => match code {
            Code::AutoOffsetReset | Code::OffsetOutOfRange => refused(
                "the offset to read next is no longer on the broker (retention), so records are \
                 lost already; look at what is missing, then set the group's offset by hand \
                 (kafka-consumer-groups --reset-offsets) to go on",
            ),
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => refused(
                "grant READ on the topic and READ on the group to this principal (README, Kafka \
                 ACLs)",
            ),
            Code::Authentication | Code::SaslAuthenticationFailed => {
                refused("check the security properties of the consume environment")
            }
            _ => PollError::Passing(source),
        },
        _ => PollError::Passing(source),
    }
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
