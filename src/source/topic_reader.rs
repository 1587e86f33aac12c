//! Reads a whole topic, all of its partitions, without a consumer group: whoever reads says where to
//! begin, and keeps the offsets itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::admin::Topic;
use super::consumer::{PollError, classify};
use super::native;
use super::offsets::{Committed, committed};
use super::rebalancer::Rebalancer;
use super::watch::Watch;
use crate::record::{Event, HeaderList, NoHeaders, Offset, Partition, Position};

/// A client that is assigned all partitions of a topic. It joins no group and commits nothing by itself;
/// the group of its configuration is a name only.
pub struct TopicReader {
    watch: Watch,
    topic: String,
    consumer: Arc<BaseConsumer<Rebalancer>>,
}

/// A read that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log begins after the next offset, or ends before it.
    #[error("the broker does not have the next offset")]
    Lost(#[source] KafkaError),
    #[error(transparent)]
    Poll(PollError),
}

impl TopicReader {
    /// `config` is a consumer's, with `auto.offset.reset=error`.
    pub fn open(config: &ClientConfig, topic: &str) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer<Rebalancer> = config.create_with_context(Rebalancer::new())?;
        let consumer = Arc::new(consumer);
        let watch = Watch::new(consumer.clone(), topic)?;
        Ok(Self { watch, topic: topic.to_owned(), consumer })
    }

    /// Begins to read. `None`: from the partition's beginning.
    pub fn assign(&self, from: &[(Partition, Option<Offset>)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (partition, offset) in from {
            let offset = offset.map_or(KafkaOffset::Beginning, |at| KafkaOffset::Offset(at.0));
            list.add_partition_offset(&self.topic, partition.0, offset)?;
        }
        self.consumer.assign(&list)
    }

    /// Fetches no more of a partition.
    pub fn pause(&self, partition: Partition) {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topic, partition.0);
        // A client that does not know the partition does not fetch from it.
        let _ = self.consumer.pause(&list);
    }

    /// Hands the next record to `take`, if one comes within `patience`. Returns whether one came.
    pub fn poll(
        &self,
        patience: Duration,
        take: impl FnOnce(&Event<'_>),
    ) -> Result<bool, ReadError> {
        use RDKafkaErrorCode as Code;
        match self.consumer.poll(patience) {
            None => Ok(false),
            Some(Ok(message)) => {
                with_event(&message, take);
                Ok(true)
            }
            Some(Err(
                error @ KafkaError::MessageConsumption(
                    Code::AutoOffsetReset | Code::OffsetOutOfRange,
                ),
            )) => Err(ReadError::Lost(error)),
            Some(Err(error)) => Err(ReadError::Poll(classify(&self.topic, error))),
        }
    }

    /// Where the client stands in a partition: after the last record or transaction marker that it has
    /// returned. `None` before the first.
    pub fn position(&self, partition: Partition) -> Option<Offset> {
        native::position(self.consumer.client(), &self.topic, partition).map(Offset)
    }

    /// The topic as the brokers have it now.
    pub fn topic_now(&mut self, patience: Duration) -> Result<Topic, KafkaError> {
        self.watch.topic_now(patience)
    }

    /// Where the readable records of the partitions end now. [`Self::end`] follows these partitions
    /// from then on.
    pub fn ends_now(
        &mut self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        let ends = self.watch.readable_ends(partitions, patience)?;
        for (partition, end) in &ends {
            self.watch.note_end(*partition, *end);
        }
        Ok(ends)
    }

    /// Where the logs of the partitions begin.
    pub fn begins_now(
        &self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        let begin = |partition: &Partition| {
            let marks = self.consumer.fetch_watermarks(&self.topic, partition.0, patience);
            marks.map(|(begin, _)| (*partition, Offset(begin)))
        };
        partitions.iter().map(begin).collect()
    }

    /// The first offset of each partition whose record is of this time (milliseconds since the epoch)
    /// or later; `None` where there is none.
    pub fn offsets_at(
        &self,
        partitions: &[Partition],
        time_ms: i64,
        patience: Duration,
    ) -> Result<Vec<(Partition, Option<Offset>)>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(time_ms))?;
        }
        let found = self.consumer.offsets_for_times(list, patience)?;
        let offset = |element: &TopicPartitionListElem<'_>| match element.offset() {
            KafkaOffset::Offset(offset) => Ok(Some(Offset(offset))),
            KafkaOffset::End => Ok(None),
            // Its leader has not answered.
            _ => Err(KafkaError::OffsetFetch(RDKafkaErrorCode::OperationTimedOut)),
        };
        let found = found.elements();
        if let Some(error) = found.iter().find_map(|element| element.error().err()) {
            return Err(error);
        }
        let of =
            |element| Ok((Partition(TopicPartitionListElem::partition(element)), offset(element)?));
        found.iter().map(of).collect()
    }

    /// What the group of the configuration has committed. Asking does not join it.
    pub fn committed(
        &self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<Committed>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, partition.0);
        }
        committed(&self.consumer.committed_offsets(list, patience)?)
    }

    /// Commits offsets for the group of the configuration, of which nobody may be a member.
    pub fn commit(&self, offsets: &BTreeMap<Partition, Offset>) -> Result<(), KafkaError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(offset.0))?;
        }
        self.consumer.commit(&list, CommitMode::Sync)
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

    /// Where a partition's readable records end, as it was last seen.
    pub fn end(&self, partition: Partition) -> Option<Offset> {
        self.watch.end(partition)
    }
}

pub(super) fn with_event(message: &BorrowedMessage<'_>, take: impl FnOnce(&Event<'_>)) {
    let headers = message.headers().map(Headers);
    let event = Event {
        at: Position::new(message.partition(), message.offset()),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: headers.as_ref().map_or(&NoHeaders as &dyn HeaderList, |headers| headers),
    };
    take(&event);
}

/// The headers of a message; a name that is not UTF-8 is empty.
struct Headers<'m>(&'m BorrowedHeaders);

impl HeaderList for Headers<'_> {
    fn len(&self) -> usize {
        native::header_count(self.0)
    }

    fn get(&self, index: usize) -> (&str, Option<&[u8]>) {
        native::header(self.0, index).map_or(("", None), |(name, value)| {
            (std::str::from_utf8(name).unwrap_or_default(), value)
        })
    }
}
