//! The consumer client on its thread: records, rebalances, assignments, committed offsets.
//!
//! Rebalances are only noted inside librdkafka's callback; the thread that polls carries them out
//! between two records ([`Source::assign`], [`Source::release`]), so that one thread alone reads,
//! commits and gives up partitions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::progress::{Progress, RanDry};
use super::records::{Record, Records, Taken};
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
        self.records.take();
        self.next()
    }

    /// Serves the client's own queue: rebalances, and what befalls the whole client. Answers
    /// whether there is a change of the assignment.
    fn serve(&mut self) -> Result<bool, PollError> {
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
            self.progress.assign(*partition, *offset);
            self.consumer.context().ran_dry(|ran_dry| ran_dry.forget(*partition));
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
        self.consumer.incremental_unassign(&self.list(partitions))
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
            && (self.position(partition).is_some_and(past)
                || self
                    .consumer
                    .context()
                    .ran_dry(|ran_dry| ran_dry.at(partition))
                    .is_some_and(past))
    }

    /// librdkafka's own word of what it handed over.
    fn position(&self, partition: Partition) -> Option<i64> {
        let positions = self.consumer.position().ok()?;
        positions.find_partition(&self.topic, partition.0)?.offset().to_raw()
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
    ran_dry: Mutex<RanDry>,
    pending: AtomicBool,
    closing: AtomicBool,
}

impl Rebalancer {
    fn new(topic: String, metrics: Metrics) -> Self {
        Self {
            topic,
            metrics,
            noted: Mutex::default(),
            ran_dry: Mutex::default(),
            pending: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    fn take(&self) -> Vec<Rebalance> {
        self.pending.store(false, Ordering::Release);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut noted)
    }

    fn ran_dry<T>(&self, with: impl FnOnce(&mut RanDry) -> T) -> T {
        with(&mut self.ran_dry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, rebalance: Rebalance) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push(rebalance);
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
        tracing::warn!(error = %error, reason, "kafka client reports an error");
    }

    fn stats(&self, statistics: Statistics) {
        for (partition, lag) in super::client::lag_from_statistics(&statistics, &self.topic) {
            self.metrics.lag.get_or_create(&PartitionLabel { partition }).set(lag);
        }
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        self.ran_dry(|ran_dry| {
            for found in topic.partitions.values() {
                ran_dry.note(Partition(found.partition), found.next_offset, found.fetchq_cnt);
            }
        });
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
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("auto.offset.reset", "error");
        let metrics = Metrics::register(&mut Registry::default());
        Source::open(&config, "events", metrics).unwrap()
    }

    /// Reads the partitions to this end; answers with the offsets that came, in order.
    fn read(source: &mut Source, partitions: &[Partition], end: i64) -> Vec<(i32, i64)> {
        let mut offsets = Vec::new();
        let began = Instant::now();
        while !partitions.iter().all(|partition| source.has_read_to(*partition, Offset(end))) {
            assert!(began.elapsed() < WITHIN, "{} records", offsets.len());
            if let Polled::Record(record) = source.poll(Duration::from_millis(100)).unwrap() {
                let at = record.event().at;
                offsets.push((at.partition.0, at.offset.0));
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
            let mut offsets = read(&mut source, &partitions, RECORDS);
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
        assert_eq!(read(&mut source, &partitions, RECORDS).len() as i64, RECORDS);
        for round in 0..3 {
            source.pause(&partitions).unwrap();
            publish(&cluster, 0, 1);
            source.resume(&partitions).unwrap();
            let offsets = read(&mut source, &partitions, RECORDS + round + 1);
            assert_eq!(offsets, [(0, RECORDS + round)]);
        }
        source.abandon();
    }

    /// What was taken from librdkafka waits here, and nothing is read twice or left out.
    #[test]
    fn pausing_between_two_records_loses_and_repeats_none() {
        let cluster = filled(2);
        let mut source = open(&cluster);
        let partitions = assigned(&mut source);
        let starts: Vec<_> = partitions.iter().map(|p| (*p, Offset(0))).collect();
        source.assign(&starts).unwrap();
        let mut offsets = Vec::new();
        let began = Instant::now();
        while offsets.len() < 2 * RECORDS as usize {
            assert!(began.elapsed() < WITHIN, "{} records", offsets.len());
            if let Polled::Record(record) = source.poll(Duration::from_millis(100)).unwrap() {
                let at = record.event().at;
                offsets.push((at.partition.0, at.offset.0));
                drop(record);
                if offsets.len() % 7 == 0 {
                    source.pause(&partitions).unwrap();
                    assert!(matches!(source.poll(Duration::ZERO), Ok(Polled::Nothing)));
                    source.resume(&partitions).unwrap();
                }
            }
        }
        offsets.sort_unstable();
        assert!(offsets.iter().copied().eq((0..2).flat_map(|p| (0..RECORDS).map(move |o| (p, o)))));
        source.abandon();
    }

    /// librdkafka may fetch again what it handed over already.
    #[test]
    fn a_record_that_is_fetched_again_comes_once() {
        let cluster = filled(1);
        let mut source = open(&cluster);
        let partitions = assigned(&mut source);
        source.assign(&[(partitions[0], Offset(0))]).unwrap();
        assert_eq!(read(&mut source, &partitions, RECORDS).len() as i64, RECORDS);
        source.consumer.seek("events", 0, KafkaOffset::Beginning, WITHIN).unwrap();
        publish(&cluster, 0, 1);
        assert_eq!(read(&mut source, &partitions, RECORDS + 1), [(0, RECORDS)]);
        source.abandon();
    }

    /// What is taken and not handed out goes with its partition.
    #[test]
    fn a_partition_given_up_halfway_begins_anew() {
        let cluster = filled(2);
        let mut source = open(&cluster);
        let partitions = assigned(&mut source);
        for taken in [1, 10, 60] {
            let starts: Vec<_> = partitions.iter().map(|p| (*p, Offset(0))).collect();
            source.assign(&starts).unwrap();
            let mut left = taken;
            while left > 0 {
                if let Polled::Record(_) = source.poll(Duration::from_millis(100)).unwrap() {
                    left -= 1;
                }
            }
            source.release(&partitions).unwrap();
            assert!(source.records.is_empty());
        }
        source.assign(&[(partitions[1], Offset(3))]).unwrap();
        let offsets = read(&mut source, &partitions[1..], RECORDS);
        assert!(offsets.iter().copied().eq((3..RECORDS).map(|offset| (partitions[1].0, offset))));
        source.abandon();
    }
}
