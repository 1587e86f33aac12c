//! The consumer client and the thread that polls it: records, rebalances, assignments.
//!
//! librdkafka's callback only notes a rebalance. The thread that polls carries it out between two
//! records ([`Source::assign`], [`Source::release`]), so one thread alone reads, commits and gives
//! up partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::admin::Topic;
use super::group::Rebalance;
use super::progress::Progress;
use super::rebalancer::Rebalancer;
use super::record_queue::{Record, RecordQueue};
use super::watch::Watch;
use super::{Membership, native};
use crate::record::{Bookmark, Offset, Partition, Position};

/// The consumer of one topic in one group, polled by the thread that opened it.
pub struct Source {
    records: RecordQueue<Rebalancer>,
    watch: Watch,
    checks: Checks,
    topic: String,
    progress: Progress,
    paused: bool,
}

/// Where to begin to read a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    pub partition: Partition,
    /// The first record to return.
    pub offset: Offset,
    /// A record before it, which is read again and compared.
    pub check: Option<Bookmark>,
}

/// The records that are still to be compared with what was read before.
#[derive(Default)]
struct Checks {
    open: BTreeMap<Partition, (Bookmark, Instant)>,
    failed: Option<Position>,
}

/// How long a run that only catches up waits for a record to compare. Compaction may have removed
/// it.
const CHECK: Duration = Duration::from_secs(30);

/// What a poll returned.
pub enum Polled<'a> {
    /// Each record of an assigned partition is returned once, in order.
    Record(Record<'a>),
    /// [`Source::rebalances`] has changes; carry them out before the next poll.
    Rebalance,
    Nothing,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("create the Kafka consumer")]
    Create(#[source] KafkaError),
    #[error("subscribe to topic {topic}")]
    Subscribe { topic: String, source: KafkaError },
}

/// A poll that failed.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// librdkafka retries by itself: a broker is away, a name does not resolve.
    #[error("reading is interrupted")]
    Passing(#[source] KafkaError),
    /// This client cannot go on, but a new one can.
    #[error("the consumer client is no longer usable")]
    Client(#[source] KafkaError),
    /// Its order among the partition's other records is not known; a new client reads it again.
    #[error("the record at {0} came through the client's queue instead of its partition's")]
    Misdirected(Position),
    /// librdkafka goes on asking for it.
    #[error("topic {0} does not exist")]
    NoTopic(String),
    /// The log was cut off and written anew, or is another topic's.
    #[error("the record at {0} is not the one that was there when its offset was committed")]
    Changed(Position),
    /// Reading cannot go on until a person has changed something.
    #[error("reading topic {topic} is refused")]
    Refused { topic: String, hint: &'static str, source: KafkaError },
}

impl Source {
    /// Creates the client and subscribes. The group is joined while polling.
    pub fn open(config: &ClientConfig, topic: &str) -> Result<Self, OpenError> {
        let mut consumer: BaseConsumer<Rebalancer> =
            config.create_with_context(Rebalancer::new()).map_err(OpenError::Create)?;
        let reader = thread::current();
        let wakes = reader.clone();
        consumer.set_nonempty_callback(move || wakes.unpark());
        consumer
            .subscribe(&[topic])
            .map_err(|source| OpenError::Subscribe { topic: topic.to_owned(), source })?;
        let consumer = Arc::new(consumer);
        let watch = Watch::new(consumer.clone(), topic).map_err(OpenError::Create)?;
        let records = RecordQueue::new(consumer, topic, reader).map_err(OpenError::Create)?;
        let (topic, progress) = (topic.to_owned(), Progress::default());
        Ok(Self { records, watch, checks: Checks::default(), topic, progress, paused: false })
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the next record or change of the assignment. Where there is none it waits up to
    /// `patience`, once, for librdkafka or anybody else to unpark this thread.
    pub fn poll(&mut self, patience: Duration) -> Result<Polled<'_>, PollError> {
        let mut may_wait = !patience.is_zero();
        while !self.advance() {
            if self.serve()? {
                return Ok(Polled::Rebalance);
            }
            if !self.paused && self.records.take() {
                continue;
            }
            if !may_wait {
                return Ok(Polled::Nothing);
            }
            may_wait = false;
            // Returns at once where the thread was unparked since the queues were read.
            thread::park_timeout(patience);
        }
        if let Some(at) = self.checks.failed.take() {
            return Err(PollError::Changed(at));
        }
        match self.records.current() {
            None => Ok(Polled::Nothing),
            Some(Ok(record)) => Ok(Polled::Record(record)),
            Some(Err(error)) => Err(match classify(&self.topic, error.clone()) {
                // Whatever the error is, librdkafka has moved the partition's position past it.
                PollError::Passing(_) | PollError::NoTopic(_) => PollError::Client(error),
                other => other,
            }),
        }
    }

    /// Goes on to the next of the records taken from librdkafka that was not returned before.
    #[inline]
    fn advance(&mut self) -> bool {
        if self.paused {
            return false;
        }
        let (progress, checks) = (&mut self.progress, &mut self.checks);
        self.records.advance(|record| {
            let wanted = progress.take(record.position());
            if checks.open.is_empty() { wanted } else { checks.see(record, wanted) }
        })
    }

    /// Serves the client's own queue: rebalances, answers to commits, errors of the whole client.
    /// Returns whether [`Self::rebalances`] has changes.
    pub(super) fn serve(&mut self) -> Result<bool, PollError> {
        self.records.maintain();
        if self.client().context().take_too_large() {
            let error = KafkaError::ConsumerCommit(RDKafkaErrorCode::OffsetMetadataTooLarge);
            let topic = self.topic.clone();
            return Err(PollError::Refused { topic, hint: METADATA_TOO_LARGE, source: error });
        }
        loop {
            match self.client().poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let at = Position::new(message.partition(), message.offset());
                    return Err(PollError::Misdirected(at));
                }
                Some(Err(error)) => return Err(classify(&self.topic, error)),
                None if self.client().context().has_noted() => return Ok(true),
                // It served an event, and more may be in the queue. librdkafka unparks this thread
                // only when something comes into an empty queue.
                None if self.client().context().take_called_back() => {}
                None => return Ok(false),
            }
        }
    }

    /// The changes noted since the last call, in order.
    pub fn rebalances(&self) -> Vec<Rebalance> {
        self.client().context().take()
    }

    /// Begins to read the partitions at the given offsets. Must be called for every
    /// [`Rebalance::Assigned`], even an empty one.
    pub fn assign(&mut self, beginnings: &[Beginning]) -> Result<(), KafkaError> {
        self.records.add(beginnings.iter().map(|one| one.partition));
        let mut list = TopicPartitionList::with_capacity(beginnings.len());
        for Beginning { partition, offset, check } in beginnings {
            self.progress.assign(*partition, *offset);
            let check = check.filter(|check| check.offset < *offset);
            if let Some(check) = check {
                self.checks.open.insert(*partition, (check, Instant::now()));
            }
            let first = check.map_or(*offset, |check| check.offset);
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(first.0))?;
        }
        self.client().incremental_assign(&list)
    }

    /// Gives partitions up. Must be called for every [`Rebalance::Revoked`].
    pub fn release(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.records.remove(partitions);
        for partition in partitions {
            self.progress.release(*partition);
            self.checks.open.remove(partition);
            self.watch.forget(*partition);
        }
        let list = self.list(partitions);
        if self.paused {
            // librdkafka keeps a pause beyond the assignment: without this the partition would not
            // be read when it is assigned again.
            self.client().resume(&list)?;
        }
        self.client().incremental_unassign(&list)
    }

    /// Stops returning records until [`Self::resume`]. librdkafka drops what it prefetched; what was
    /// taken from it waits here.
    pub fn pause(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.paused = true;
        self.client().pause(&self.list(partitions))
    }

    pub fn resume(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        self.paused = false;
        self.client().resume(&self.list(partitions))
    }

    /// Whether every record of an assigned partition before `end` has been returned. The last
    /// offsets may have no record: transaction markers, and the records of aborted transactions
    /// before them. librdkafka counts a marker as read when it is taken from its queue.
    ///
    /// Compaction leaves no such gap before the end of a log, except where the last record is a
    /// tombstone and the active segment was left empty; the next record ends the wait there.
    pub fn has_read_to(&self, partition: Partition, end: Offset) -> bool {
        self.progress.reaches(partition, end)
            || self.position(partition).is_some_and(|at| at >= end)
    }

    /// The offset up to which an assigned partition has been read; `end` if that is reached.
    pub fn read_up_to(&self, partition: Partition, end: Offset) -> Option<Offset> {
        if self.has_read_to(partition, end) { Some(end) } else { self.progress.next(partition) }
    }

    /// Whether the partition's first record is still to be compared with what was read before.
    pub fn is_checking(&self, partition: Partition) -> bool {
        self.checks.is_waited_for(partition)
    }

    /// Where librdkafka stands in an assigned partition: after the last record or transaction marker
    /// that it has returned. `None` while records wait to be read here.
    pub fn position(&self, partition: Partition) -> Option<Offset> {
        if !self.records.is_empty() {
            return None;
        }
        native::position(self.client().client(), &self.topic, partition).map(Offset)
    }

    /// Asks the brokers every few seconds, without waiting, whether the topic is still the same one
    /// and where these partitions end.
    pub fn watch(&mut self, partitions: impl FnOnce() -> Vec<Partition>) {
        self.watch.turn(partitions);
    }

    /// The topic as the last answer had it; `None` where that was none.
    pub fn topic_seen(&self) -> Option<Topic> {
        self.watch.topic()
    }

    /// Since when no broker has answered, if the last question was not answered.
    pub fn silent_since(&self) -> Option<Instant> {
        self.watch.silent_since()
    }

    /// The topic as the brokers have it now.
    pub fn topic_now(&mut self, patience: Duration) -> Result<Topic, KafkaError> {
        self.watch.topic_now(patience)
    }

    /// Where a partition's readable records end, as it was last seen.
    pub fn end(&self, partition: Partition) -> Option<Offset> {
        self.watch.end(partition)
    }

    /// Where partitions end, with the records of open transactions, which cannot be read yet.
    pub fn written_ends(
        &mut self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        self.watch.written_ends(partitions, patience)
    }

    /// Keeps an end that was read at the assignment.
    pub fn note_end(&mut self, partition: Partition, end: Offset) {
        self.watch.note_end(partition, end);
    }

    /// Whether the group knows this client, as a member or as one that waits to become one.
    pub fn has_member_id(&self) -> bool {
        native::has_member_id(self.client().client())
    }

    /// Leaves the group once everything is released.
    pub fn unsubscribe(&self) {
        self.client().unsubscribe();
    }

    /// Another member may own this client's partitions.
    pub fn assignment_lost(&self) -> bool {
        self.client().assignment_lost()
    }

    /// Member id and generation, as a commit has to carry them.
    pub fn membership(&self) -> Option<Membership> {
        Membership::of(self.client().client())
    }

    pub(super) fn client(&self) -> &Arc<BaseConsumer<Rebalancer>> {
        self.records.consumer()
    }

    pub(super) fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, partition.0);
        }
        list
    }
}

impl Checks {
    /// Compares a record that its partition's check is waiting for. `wanted`: the record was not
    /// returned before. Returns whether the poll is to end with it.
    fn see(&mut self, record: &Record<'_>, wanted: bool) -> bool {
        let at = record.position();
        let Some((expected, _)) = self.open.get(&at.partition) else { return wanted };
        if at.offset < expected.offset {
            return wanted;
        }
        // After the expected offset: compaction has removed the record.
        if at.offset == expected.offset && Bookmark::of(&record.event()) != *expected {
            self.failed = Some(at);
            return true;
        }
        self.open.remove(&at.partition);
        wanted
    }

    fn is_waited_for(&self, partition: Partition) -> bool {
        self.open.get(&partition).is_some_and(|(_, since)| since.elapsed() < CHECK)
    }
}

/// The client's destructor polls until the group is left. Nobody carries out rebalances any more,
/// so the callback itself gives up what is revoked meanwhile.
impl Drop for Source {
    fn drop(&mut self) {
        self.client().context().close();
        // librdkafka leaves the group only after each change of the assignment is answered. Otherwise
        // the group would wait for this member until its session times out.
        for rebalance in self.rebalances() {
            let _ = match rebalance {
                Rebalance::Assigned(_) => self.assign(&[]),
                Rebalance::Revoked { partitions, .. } => self.release(&partitions),
            };
        }
    }
}

/// What to do about a broker that refuses the metadata of our commits.
pub const METADATA_TOO_LARGE: &str = "each commit carries up to 4,096 bytes of metadata: set the \
                                      brokers' offset.metadata.max.bytes to its default, 4096, or more";

pub(super) fn classify(topic: &str, source: KafkaError) -> PollError {
    use RDKafkaErrorCode as Code;
    let refused =
        |hint| PollError::Refused { topic: topic.to_owned(), hint, source: source.clone() };
    match &source {
        KafkaError::MessageConsumptionFatal(_) => PollError::Client(source),
        KafkaError::MessageConsumption(code) => match code {
            Code::AutoOffsetReset | Code::OffsetOutOfRange => refused(
                "the broker does not have the next offset: retention deleted it, or the topic was \
                 created again. Check which records are missing, then set the group's offset \
                 (kafka-consumer-groups --reset-offsets)",
            ),
            Code::UnknownTopicOrPartition | Code::UnknownTopic => {
                PollError::NoTopic(topic.to_owned())
            }
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => refused(
                "grant READ on the topic and READ on the group to this principal (README, Kafka \
                 ACLs)",
            ),
            Code::Authentication | Code::SaslAuthenticationFailed => {
                refused("check the security properties of the consume environment")
            }
            // librdkafka could not read a batch of records, and continues after it.
            Code::BadMessage
            | Code::BadCompression
            | Code::NotImplemented
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::MessageSizeTooLarge => PollError::Client(source),
            _ => PollError::Passing(source),
        },
        _ => PollError::Passing(source),
    }
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
