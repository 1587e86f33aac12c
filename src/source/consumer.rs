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

use super::records::{Record, Records};
use super::{CommitRecord, Membership, Offset, Partition, RecordError, native};
use crate::config::StartFrom;
use crate::sink::StreamPlace;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::PartitionLabel;

/// Records between two looks at the client's own queue: less than a millisecond's.
const SERVED_EVERY: u32 = 500;

/// How long one request for offsets or metadata may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(10);

/// The consumer of one topic in one group, read by the thread that opened it.
pub struct Source {
    /// Dropped before their consumer.
    records: Records,
    consumer: BaseConsumer<Rebalancer>,
    topic: String,
    /// Records until the client's own queue is served again.
    until_served: u32,
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
        Ok(Self { records, consumer, topic: topic.to_owned(), until_served: 0 })
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Waits up to `patience` for a record or a change of the assignment.
    pub fn poll(&mut self, patience: Duration) -> Result<Polled<'_>, PollError> {
        let mut taken = None;
        if self.until_served > 0 {
            self.until_served -= 1;
            taken = self.records.next();
        }
        if taken.is_none() {
            if self.serve()? {
                return Ok(Polled::Rebalance);
            }
            taken = self.records.next();
        }
        if taken.is_none() && !patience.is_zero() {
            // News of either queue that came since it was looked at ends this at once.
            thread::park_timeout(patience);
            taken = self.records.next();
        }
        let Some(taken) = taken else { return Ok(Polled::Nothing) };
        match taken.error() {
            None => Ok(Polled::Record(Record::of(taken))),
            Some(KafkaError::PartitionEOF(partition)) => {
                Ok(Polled::EndOfPartition(Partition(partition)))
            }
            Some(error) => Err(classify(&self.topic, error)),
        }
    }

    /// Serves the client's own queue: rebalances, and what befalls the whole client. Answers
    /// whether there is a change of the assignment.
    fn serve(&mut self) -> Result<bool, PollError> {
        self.until_served = SERVED_EVERY;
        self.records.attend(self.consumer.client());
        match self.consumer.poll(Duration::ZERO) {
            None => Ok(self.consumer.context().pending.load(Ordering::Acquire)),
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
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (partition, offset) in starts {
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(offset.0))?;
        }
        self.consumer.incremental_assign(&list)
    }

    /// Gives partitions up. Must answer every [`Rebalance::Revoked`].
    pub fn release(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.records.leave(partitions);
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use prometheus_client::registry::Registry;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

    use super::*;

    const RECORDS: i64 = 100;
    const WITHIN: Duration = Duration::from_secs(30);

    type Cluster = MockCluster<'static, DefaultProducerContext>;

    fn publish(cluster: &Cluster, partition: i32, count: i64) {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .create()
            .unwrap();
        for _ in 0..count {
            let record = BaseRecord::<(), _>::to("events").partition(partition).payload("{}");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(WITHIN).unwrap();
    }

    fn filled(partitions: i32) -> Cluster {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", partitions, 1).unwrap();
        for partition in 0..partitions {
            publish(&cluster, partition, RECORDS);
        }
        cluster
    }

    fn open(cluster: &Cluster) -> Source {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("group.id", "group")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("auto.offset.reset", "error");
        let metrics = Metrics::register(&mut Registry::default());
        Source::open(&config, "events", metrics).unwrap()
    }

    /// Reads until the partitions' ends; answers with the offsets that came, in order.
    fn read(source: &mut Source, partitions: usize) -> Vec<(i32, i64)> {
        let (mut offsets, mut ends) = (Vec::new(), 0);
        let began = Instant::now();
        while ends < partitions {
            assert!(began.elapsed() < WITHIN, "{} records, {ends} ends", offsets.len());
            match source.poll(Duration::from_millis(100)).unwrap() {
                Polled::Record(record) => {
                    let at = record.event().at;
                    offsets.push((at.partition.0, at.offset.0));
                }
                Polled::EndOfPartition(_) => ends += 1,
                Polled::Rebalance | Polled::Nothing => {}
            }
        }
        offsets
    }

    fn assigned(source: &mut Source) -> Vec<Partition> {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < WITHIN, "no assignment");
            if let Polled::Rebalance = source.poll(Duration::from_millis(100)).unwrap() {
                for rebalance in source.rebalances() {
                    if let Rebalance::Assigned(partitions) = rebalance {
                        return partitions;
                    }
                }
            }
        }
    }

    /// Giving up is finished on another thread, which undoes the forwarding then: taking the
    /// partition on at once must not leave it without.
    #[test]
    fn a_partition_given_up_and_taken_on_again_goes_on() {
        let cluster = filled(4);
        let mut source = open(&cluster);
        let partitions = assigned(&mut source);
        assert_eq!(partitions.len(), 4);
        for start in 0..10 {
            let starts: Vec<_> = partitions.iter().map(|p| (*p, Offset(start))).collect();
            source.assign(&starts).unwrap();
            let mut offsets = read(&mut source, 4);
            offsets.sort_unstable();
            let expected = (0..4).flat_map(|p| (start..RECORDS).map(move |offset| (p, offset)));
            assert!(offsets.iter().copied().eq(expected), "from {start}: {} came", offsets.len());
            source.release(&partitions).unwrap();
        }
        source.abandon();
    }

    /// Pausing at the end and resuming reads the next record, and none twice.
    #[test]
    fn pausing_at_the_end_skips_nothing() {
        let cluster = filled(1);
        let mut source = open(&cluster);
        let partitions = assigned(&mut source);
        source.assign(&[(partitions[0], Offset(0))]).unwrap();
        assert_eq!(read(&mut source, 1).len() as i64, RECORDS);
        for round in 0..3 {
            source.pause(&partitions).unwrap();
            publish(&cluster, 0, 1);
            source.resume(&partitions).unwrap();
            assert_eq!(read(&mut source, 1), [(0, RECORDS + round)]);
        }
        source.abandon();
    }
}
