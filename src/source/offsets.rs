//! Offsets that the broker keeps: those that the group has committed, and where each partition's log
//! begins and ends.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::committer::Commit;
use super::consumer::Source;
use super::native;
use crate::config::StartFrom;
use crate::record::{Offset, Partition};

/// How long one request for offsets or metadata may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(10);

/// What the group has committed of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub partition: Partition,
    /// `None`: nothing yet.
    pub offset: Option<Offset>,
    /// What the commit carried next to the offset.
    pub metadata: String,
}

/// Reads a broker's answer to the question for committed offsets.
pub(super) fn committed(answer: &TopicPartitionList) -> Result<Vec<Committed>, KafkaError> {
    let committed = |(index, element): (usize, &TopicPartitionListElem<'_>)| {
        element.error()?;
        let offset = match element.offset() {
            KafkaOffset::Offset(offset) => Some(Offset(offset)),
            _ => None,
        };
        let metadata = native::metadata(answer, index).into_owned();
        Ok(Committed { partition: Partition(element.partition()), offset, metadata })
    };
    answer.elements().iter().enumerate().map(committed).collect()
}

impl Source {
    /// What the group has committed. Asks for stable offsets: while a transaction that commits offsets
    /// of the group is pending, the broker returns none and librdkafka retries.
    pub fn committed(&self, partitions: &[Partition]) -> Result<Vec<Committed>, KafkaError> {
        committed(&self.client().committed_offsets(self.list(partitions), REQUEST)?)
    }

    /// Waits until the group's committed offsets have reached these, and commits again what was
    /// lost: nobody waits for the answer to a plain commit, and a coordinator that is away loses it.
    /// Returns false where the deadline comes first. Once the group has moved on without this
    /// member, the offsets are no longer its concern.
    pub fn confirm_committed(&mut self, points: &[Commit], deadline: Instant) -> bool {
        const ASK: Duration = Duration::from_secs(2);
        const RETRY: Duration = Duration::from_millis(20);
        if points.is_empty() {
            return true;
        }
        // A refusal from before the current assignment does not count.
        self.client().context().take_fenced();
        let partitions: Vec<Partition> = points.iter().map(|point| point.partition).collect();
        loop {
            // This serves the answers to commits. A member that leaves needs nothing else from it,
            // and an interruption ends with the deadline at the latest.
            let _ = self.serve();
            if self.client().context().take_fenced() || self.assignment_lost() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let stored = self.client().committed_offsets(self.list(&partitions), left.min(ASK));
            if let Ok(behind) = stored.and_then(|stored| self.behind(&stored, points)) {
                if behind.count() == 0 {
                    return true;
                }
                if let Err(error) = self.client().commit(&behind, CommitMode::Async) {
                    tracing::warn!(error = %error, "the last offsets are not committed yet");
                }
            }
            if left.is_zero() {
                return false;
            }
            thread::sleep(RETRY.min(left));
        }
    }

    /// The points that are not what is stored.
    fn behind(
        &self,
        stored: &TopicPartitionList,
        points: &[Commit],
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut behind = TopicPartitionList::new();
        let found: BTreeMap<i32, (Option<i64>, Cow<'_, str>)> = stored
            .elements()
            .iter()
            .enumerate()
            .map(|(index, element)| {
                let metadata = native::metadata(stored, index);
                (element.partition(), (element.offset().to_raw(), metadata))
            })
            .collect();
        for Commit { partition, offset, metadata } in points {
            // The same offset may belong to a topic that was there before.
            let arrived = found
                .get(&partition.0)
                .is_some_and(|(at, with)| *at == Some(offset.0) && with == metadata);
            if !arrived {
                let mut element = behind.add_partition(self.topic(), partition.0);
                element.set_offset(KafkaOffset::Offset(offset.0))?;
                element.set_metadata(metadata);
            }
        }
        Ok(behind)
    }

    /// The partitions that have a leader, which knows the ends of their logs.
    pub fn led(&self, partitions: &[Partition]) -> Result<Vec<Partition>, KafkaError> {
        let metadata = self.client().fetch_metadata(Some(self.topic()), REQUEST)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic());
        let led: BTreeSet<i32> = topic
            .into_iter()
            .flat_map(|topic| topic.partitions())
            .filter(|partition| partition.leader() >= 0)
            .map(|partition| partition.id())
            .collect();
        Ok(partitions.iter().filter(|partition| led.contains(&partition.0)).copied().collect())
    }

    /// The first offset of each partition's log, or the one after its last readable record. One
    /// request to each broker, however many partitions it leads.
    pub fn ends_of_log(
        &self,
        partitions: &[Partition],
        end: StartFrom,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        // The protocol asks for both ends of the log by special timestamps.
        let mut times = self.list(partitions);
        times.set_all_offsets(match end {
            StartFrom::Earliest => KafkaOffset::Beginning,
            StartFrom::Latest => KafkaOffset::End,
        })?;
        let found = self.client().offsets_for_times(times, REQUEST)?;
        let offset = |element: &TopicPartitionListElem<'_>| {
            element.error()?;
            // A missing offset must not pass as the end of an empty log.
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0);
            let offset = offset.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))?;
            Ok((Partition(element.partition()), Offset(offset)))
        };
        found.elements().iter().map(offset).collect()
    }
}
