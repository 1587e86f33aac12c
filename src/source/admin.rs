//! Requests of librdkafka's admin API that rdkafka does not wrap: the topic's id, and where its
//! partitions end. They are sent without waiting; their answers come into a queue of ours.
#![expect(unsafe_code, reason = "small, audited: each block says why it is sound")]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rd_kafka_IsolationLevel_t::{
    RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED as READ_COMMITTED,
    RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED as READ_UNCOMMITTED,
};
use rd_kafka_admin_op_t::{
    RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS as DESCRIBE_GROUPS,
    RD_KAFKA_ADMIN_OP_DESCRIBETOPICS as DESCRIBE_TOPICS,
    RD_KAFKA_ADMIN_OP_LISTOFFSETS as LIST_OFFSETS,
};
use rdkafka::bindings::*;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::record::{Offset, Partition};
use crate::topic_id::TopicId;

/// Which end of a partition is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The last stable offset: nothing before it belongs to an open transaction.
    Readable,
    /// The high watermark: behind the last record, readable or not.
    Written,
}

/// What the brokers know of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// `None`: brokers before 2.8 have no topic ids.
    pub id: Option<TopicId>,
    /// Number of its partitions.
    pub partitions: usize,
}

/// What this principal may do to a topic or a group, as the brokers say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    pub read: bool,
    pub write: bool,
}

/// What the brokers know of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupNow {
    /// `Stable`, `Empty`, `Dead`: Kafka's own names. A group that nobody knows is `Dead`.
    pub state: String,
    pub members: usize,
    /// `None`: the brokers do not say.
    pub rights: Option<Rights>,
}

/// An answer of the brokers.
#[derive(Debug)]
pub(super) enum Answer {
    Topic(Result<Topic, KafkaError>),
    /// The partitions whose leader has answered.
    Ends(Result<Vec<(Partition, Offset)>, KafkaError>),
}

/// The admin API of a consumer's client, with the queue that its answers come into.
pub(super) struct Admin<C: ConsumerContext + 'static> {
    // Dropped before the client.
    answers: Answers,
    topic: CString,
    consumer: Arc<BaseConsumer<C>>,
}

struct Answers(NonNull<rd_kafka_queue_t>);

impl<C: ConsumerContext> Admin<C> {
    pub fn new(consumer: Arc<BaseConsumer<C>>, topic: &str) -> Result<Self, KafkaError> {
        let topic = CString::new(topic).map_err(KafkaError::Nul)?;
        // SAFETY: the client lives; what is returned is null or ours to destroy.
        let queue = NonNull::new(unsafe { rd_kafka_queue_new(consumer.client().native_ptr()) })
            .ok_or_else(|| KafkaError::ClientCreation("no queue for answers".to_owned()))?;
        Ok(Self { answers: Answers(queue), topic, consumer })
    }

    /// Asks a broker for the topic's id.
    pub fn ask_for_topic(&self, broker: i32, timeout: Duration) {
        let options = self.options(DESCRIBE_TOPICS, timeout);
        // SAFETY: the options live; no text is wanted of an error, after which librdkafka asks the
        // controller.
        unsafe {
            rd_kafka_AdminOptions_set_broker(options.0, broker, std::ptr::null_mut(), 0);
        }
        let mut names = [self.topic.as_ptr()];
        // SAFETY: client, name, options and queue live; librdkafka copies the name and the options.
        // The collection is ours to destroy.
        unsafe {
            let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            let client = self.consumer.client().native_ptr();
            rd_kafka_DescribeTopics(client, topics, options.0, self.answers.0.as_ptr());
            rd_kafka_TopicCollection_destroy(topics);
        }
    }

    /// Asks where the partitions end. One request to each broker that leads some of them.
    pub fn ask_for_ends(&self, partitions: &[Partition], end: End, timeout: Duration) {
        let options = self.options(LIST_OFFSETS, timeout);
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        let topic = self.topic.to_string_lossy();
        for partition in partitions {
            let mut element = list.add_partition(&topic, partition.0);
            // Not refused: it is a constant that librdkafka knows.
            let _ = element.set_offset(KafkaOffset::End);
        }
        let isolation = match end {
            End::Readable => READ_COMMITTED,
            End::Written => READ_UNCOMMITTED,
        };
        // SAFETY: client, list, options and queue live; librdkafka copies list and options. The
        // error that is returned is null or ours to destroy.
        unsafe {
            let error = rd_kafka_AdminOptions_set_isolation_level(options.0, isolation);
            if !error.is_null() {
                rd_kafka_error_destroy(error);
            }
            let client = self.consumer.client().native_ptr();
            rd_kafka_ListOffsets(client, list.ptr(), options.0, self.answers.0.as_ptr());
        }
    }

    /// Asks a broker for the topic and for what this principal may do to it, and waits for the answer.
    /// Nothing else may be asked meanwhile.
    pub fn describe_topic(
        &self,
        broker: i32,
        patience: Duration,
    ) -> Result<(Topic, Option<Rights>), KafkaError> {
        let options = self.options(DESCRIBE_TOPICS, patience);
        options.with_rights();
        let mut names = [self.topic.as_ptr()];
        // SAFETY: as in `ask_for_topic`.
        unsafe {
            rd_kafka_AdminOptions_set_broker(options.0, broker, std::ptr::null_mut(), 0);
            let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            let client = self.consumer.client().native_ptr();
            rd_kafka_DescribeTopics(client, topics, options.0, self.answers.0.as_ptr());
            rd_kafka_TopicCollection_destroy(topics);
        }
        let event = self.event(patience + Duration::from_secs(1))?;
        Ok((event.topic()?, event.topic_rights()))
    }

    /// Asks the coordinator for a group and for what this principal may do to it, and waits for the
    /// answer. Nothing else may be asked meanwhile.
    pub fn describe_group(&self, group: &str, patience: Duration) -> Result<GroupNow, KafkaError> {
        let options = self.options(DESCRIBE_GROUPS, patience);
        options.with_rights();
        let name = CString::new(group).map_err(KafkaError::Nul)?;
        let mut names = [name.as_ptr()];
        // SAFETY: client, name, options and queue live; librdkafka copies the name and the options.
        unsafe {
            let client = self.consumer.client().native_ptr();
            let queue = self.answers.0.as_ptr();
            rd_kafka_DescribeConsumerGroups(client, names.as_mut_ptr(), 1, options.0, queue);
        }
        self.event(patience + Duration::from_secs(1))?.group()
    }

    /// The next event that is an answer.
    fn event(&self, patience: Duration) -> Result<Event, KafkaError> {
        let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: as in `answer`.
        let event = unsafe { rd_kafka_queue_poll(self.answers.0.as_ptr(), patience) };
        let timed_out = || KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);
        NonNull::new(event).map(Event).ok_or_else(timed_out)
    }

    /// The next answer, waiting up to `patience` for it.
    pub fn answer(&self, patience: Duration) -> Option<Answer> {
        let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue lives; the event is null or ours to destroy, which `Event` does.
        let event = unsafe { rd_kafka_queue_poll(self.answers.0.as_ptr(), patience) };
        let event = Event(NonNull::new(event)?);
        // SAFETY: the event lives.
        match unsafe { rd_kafka_event_type(event.0.as_ptr()) } {
            RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT => Some(Answer::Topic(event.topic())),
            RD_KAFKA_EVENT_LISTOFFSETS_RESULT => Some(Answer::Ends(event.ends())),
            _ => None,
        }
    }

    fn options(&self, operation: rd_kafka_admin_op_t, timeout: Duration) -> Options {
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client lives; options are ours to destroy; no text is wanted of an error,
        // after which the default timeout holds.
        unsafe {
            let options = rd_kafka_AdminOptions_new(self.consumer.client().native_ptr(), operation);
            rd_kafka_AdminOptions_set_request_timeout(options, timeout, std::ptr::null_mut(), 0);
            Options(options)
        }
    }
}

struct Options(*mut rd_kafka_AdminOptions_t);

impl Options {
    /// Asks for what this principal may do too.
    fn with_rights(&self) {
        // SAFETY: the options live; an error is ours to destroy, and then nothing is said of rights.
        unsafe {
            let error = rd_kafka_AdminOptions_set_include_authorized_operations(self.0, 1);
            if !error.is_null() {
                rd_kafka_error_destroy(error);
            }
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once.
        unsafe { rd_kafka_AdminOptions_destroy(self.0) }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once, while the client lives.
        unsafe { rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

struct Event(NonNull<rd_kafka_event_t>);

impl Event {
    fn failure(&self) -> Option<KafkaError> {
        // SAFETY: the event lives.
        let code = unsafe { rd_kafka_event_error(self.0.as_ptr()) };
        failure(code)
    }

    fn topic(&self) -> Result<Topic, KafkaError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let (mut topics, mut partitions) = (0, 0);
        // SAFETY: the event is of this type, and lives as long as what is read from it; the array
        // has as many elements as are counted.
        unsafe {
            let result = rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            let described = rd_kafka_DescribeTopics_result_topics(result, &mut topics);
            if topics == 0 || described.is_null() {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopicOrPartition));
            }
            let error = rd_kafka_TopicDescription_error(*described);
            if let Some(error) =
                (!error.is_null()).then(|| rd_kafka_error_code(error)).and_then(failure)
            {
                return Err(error);
            }
            rd_kafka_TopicDescription_partitions(*described, &mut partitions);
            let id = rd_kafka_TopicDescription_topic_id(*described);
            if id.is_null() {
                return Ok(Topic { id: None, partitions });
            }
            let half = |bits: i64| u128::from(bits.cast_unsigned());
            let bits = half(rd_kafka_Uuid_most_significant_bits(id)) << 64
                | half(rd_kafka_Uuid_least_significant_bits(id));
            Ok(Topic { id: TopicId::new(bits), partitions })
        }
    }

    /// Of an answer of which [`Self::topic`] has found a topic.
    fn topic_rights(&self) -> Option<Rights> {
        let (mut topics, mut count) = (0, 0);
        // SAFETY: as in `topic`; the operations live as long as the event.
        unsafe {
            let result = rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            let described = rd_kafka_DescribeTopics_result_topics(result, &mut topics);
            if topics == 0 || described.is_null() {
                return None;
            }
            let all = rd_kafka_TopicDescription_authorized_operations(*described, &mut count);
            rights(all, count)
        }
    }

    fn group(&self) -> Result<GroupNow, KafkaError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let (mut groups, mut count) = (0, 0);
        // SAFETY: the event is of this type, and lives as long as what is read from it; the array
        // has as many elements as are counted; a state's name is a constant.
        unsafe {
            let result = rd_kafka_event_DescribeConsumerGroups_result(self.0.as_ptr());
            let described = rd_kafka_DescribeConsumerGroups_result_groups(result, &mut groups);
            if groups == 0 || described.is_null() {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::GroupIdNotFound));
            }
            let group = *described;
            let error = rd_kafka_ConsumerGroupDescription_error(group);
            if let Some(error) =
                (!error.is_null()).then(|| rd_kafka_error_code(error)).and_then(failure)
            {
                return Err(error);
            }
            let state = rd_kafka_ConsumerGroupDescription_state(group);
            let state = CStr::from_ptr(rd_kafka_consumer_group_state_name(state));
            let all = rd_kafka_ConsumerGroupDescription_authorized_operations(group, &mut count);
            Ok(GroupNow {
                state: state.to_string_lossy().into_owned(),
                members: rd_kafka_ConsumerGroupDescription_member_count(group),
                rights: rights(all, count),
            })
        }
    }

    fn ends(&self) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let mut count = 0;
        // SAFETY: as above.
        let infos = unsafe {
            let result = rd_kafka_event_ListOffsets_result(self.0.as_ptr());
            let infos = rd_kafka_ListOffsets_result_infos(result, &mut count);
            if infos.is_null() { &[] } else { std::slice::from_raw_parts(infos, count) }
        };
        let end = |info: &*const rd_kafka_ListOffsetsResultInfo_t| {
            // SAFETY: an element of the event's array.
            let element = unsafe { &*rd_kafka_ListOffsetsResultInfo_topic_partition(*info) };
            (failure(element.err).is_none() && element.offset >= 0)
                .then_some((Partition(element.partition), Offset(element.offset)))
        };
        Ok(infos.iter().filter_map(end).collect())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once.
        unsafe { rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// The operations as rights. No operation at all is what brokers say that do not know.
///
/// # Safety
/// `all` is null or has `count` elements.
unsafe fn rights(all: *const rd_kafka_AclOperation_t, count: usize) -> Option<Rights> {
    use rd_kafka_AclOperation_t::{
        RD_KAFKA_ACL_OPERATION_ALL as ALL, RD_KAFKA_ACL_OPERATION_READ as READ,
        RD_KAFKA_ACL_OPERATION_WRITE as WRITE,
    };
    if all.is_null() || count == 0 {
        return None;
    }
    // SAFETY: promised by the caller.
    let all = unsafe { std::slice::from_raw_parts(all, count) };
    let has = |one| all.contains(&one) || all.contains(&ALL);
    Some(Rights { read: has(READ), write: has(WRITE) })
}

fn failure(code: rd_kafka_resp_err_t) -> Option<KafkaError> {
    match code {
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => None,
        code => Some(KafkaError::AdminOp(RDKafkaErrorCode::from(code))),
    }
}
