//! The consumer client on its thread: records, rebalances, assignments, committed offsets.
//!
//! Rebalances are only noted inside librdkafka's callback; the thread that polls carries them out
//! between two records ([`Source::assign`], [`Source::release`]), so that one thread alone reads,
//! commits and gives up partitions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::records::{Next, Record, Records};
use super::{CommitRecord, Membership, Offset, Partition, RecordError, native};
use crate::config::StartFrom;
use crate::sink::StreamPlace;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::PartitionLabel;

/// How long one request for offsets or metadata may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(10);

/// The consumer of one topic in one group, read by the thread that opened it.
pub struct Source {
    /// Dropped before their consumer.
    records: Records,
    consumer: BaseConsumer<Rebalancer>,
    topic: String,
}

/// What a poll brought.
pub enum Polled<'a> {
    Record(Record<'a>),
    /// The fetcher has come to the end of a partition.
    EndOfPartition(Partition),
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

/// Where a newly assigned partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub partition: Partition,
    pub offset: Offset,
    /// Rows that the last commit promised to make visible.
    pub promise: Option<StreamPlace>,
    /// The group had an offset; otherwise `offset` is where the configuration says to start.
    pub was_committed: bool,
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
        Ok(Self { records, consumer, topic: topic.to_owned() })
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Waits up to `patience` for a record or a change of the assignment.
    pub fn poll(&mut self, patience: Duration) -> Result<Polled<'_>, PollError> {
        if self.records.is_empty() {
            // Rebalances, and what befalls the whole client.
            match self.consumer.poll(Duration::ZERO) {
                None => {}
                Some(Err(error)) => return Err(classify(&self.topic, error)),
                Some(Ok(_)) => return Err(PollError::Astray),
            }
            if self.consumer.context().pending.load(Ordering::Acquire) {
                return Ok(Polled::Rebalance);
            }
            self.records.take(self.consumer.client());
            if self.records.is_empty() && !patience.is_zero() {
                // News of either queue that came since it was looked at ends this at once.
                thread::park_timeout(patience);
                self.records.take(self.consumer.client());
            }
        }
        match self.records.next() {
            None => Ok(Polled::Nothing),
            Some(Next::Record(record)) => Ok(Polled::Record(record)),
            Some(Next::Error(KafkaError::PartitionEOF(partition))) => {
                Ok(Polled::EndOfPartition(Partition(partition)))
            }
            Some(Next::Error(error)) => Err(classify(&self.topic, error)),
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
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (partition, offset) in starts {
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(offset.0))?;
        }
        self.consumer.incremental_assign(&list)
    }

    /// Gives partitions up. Must answer every [`Rebalance::Revoked`].
    pub fn release(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.records.forget(partitions);
        self.consumer.incremental_unassign(&self.list(partitions))
    }

    pub fn pause(&self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.consumer.pause(&self.list(partitions))
    }

    pub fn resume(&self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.consumer.resume(&self.list(partitions))
    }

    /// Leaves the group once everything is released.
    pub fn unsubscribe(&self) {
        self.consumer.unsubscribe();
    }

    /// Makes the callback give up revoked partitions by itself, for the client's last moments:
    /// its destructor polls until the group is left.
    pub fn abandon(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Release);
        for rebalance in self.rebalances() {
            if let Rebalance::Revoked { partitions, .. } = rebalance {
                let _ = self.release(&partitions);
            }
        }
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

    /// The group's committed offsets with what they promise; where there is none, the end of the
    /// log that `start` names. Asks the broker (stable offsets only), once.
    pub fn committed(
        &self,
        partitions: &[Partition],
        start: StartFrom,
    ) -> Result<Vec<Result<Committed, RecordError>>, KafkaError> {
        let list = self.consumer.committed_offsets(self.list(partitions), REQUEST)?;
        let mut answers = Vec::with_capacity(partitions.len());
        for (index, element) in list.elements().iter().enumerate() {
            element.error()?;
            let partition = Partition(element.partition());
            let answer = match element.offset() {
                KafkaOffset::Offset(offset) => CommitRecord::read(&native::metadata(&list, index))
                    .map(|promise| Committed {
                        partition,
                        offset: Offset(offset),
                        promise,
                        was_committed: true,
                    }),
                _ => {
                    let (low, high) = self.watermarks(partition)?;
                    let offset = match start {
                        StartFrom::Earliest => low,
                        StartFrom::Latest => high,
                    };
                    Ok(Committed { partition, offset, promise: None, was_committed: false })
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// First offset kept and the one after the last.
    pub fn watermarks(&self, partition: Partition) -> Result<(Offset, Offset), KafkaError> {
        let (low, high) = self.consumer.fetch_watermarks(&self.topic, partition.0, REQUEST)?;
        Ok((Offset(low), Offset(high)))
    }

    fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, partition.0);
        }
        list
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

/// Notes rebalances for the polling thread, and passes librdkafka's words on to tracing.
pub struct Rebalancer {
    topic: String,
    metrics: Metrics,
    noted: Mutex<Vec<Rebalance>>,
    pending: AtomicBool,
    closing: AtomicBool,
}

impl Rebalancer {
    fn new(topic: String, metrics: Metrics) -> Self {
        Self {
            topic,
            metrics,
            noted: Mutex::new(Vec::new()),
            pending: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    fn take(&self) -> Vec<Rebalance> {
        self.pending.store(false, Ordering::Release);
        let mut noted = self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut noted)
    }

    fn note(&self, rebalance: Rebalance) {
        self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(rebalance);
        self.pending.store(true, Ordering::Release);
    }
}

impl ConsumerContext for Rebalancer {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<Partition> =
            list.elements().iter().map(|element| Partition(element.partition())).collect();
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // Nothing new is taken on any more, and what is revoked is given up at once.
            if let Err(error) = consumer.unassign() {
                tracing::warn!(error = %error, "giving partitions up failed");
            }
        } else if assigned {
            self.note(Rebalance::Assigned(partitions));
        } else {
            self.note(Rebalance::Revoked { partitions, lost: consumer.assignment_lost() });
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(error = %error, "a plain offset commit failed");
        }
    }
}

impl ClientContext for Rebalancer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::client::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Told as an event of the partition too; the end of a partition is no fault.
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        tracing::warn!(error = %error, reason, "kafka client reports an error");
    }

    fn stats(&self, statistics: Statistics) {
        for (partition, lag) in super::client::lag_from_statistics(&statistics, &self.topic) {
            self.metrics.lag.get_or_create(&PartitionLabel { partition }).set(lag);
        }
    }
}
