//! Offsets that the broker keeps: those that the group has committed, and where each partition's log
//! begins and ends.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::consumer::Source;
use super::native;
use crate::config::StartFrom;
use crate::record::{Offset, Partition};

/// How long one request for offsets or metadata may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(10);

/// Where a newly assigned partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub partition: Partition,
    pub offset: Offset,
    /// What the last commit carried next to the offset; empty where there was none.
    pub metadata: String,
    /// The group had an offset; otherwise `offset` is where the configuration says to start.
    pub was_committed: bool,
}

impl Source {
    /// Where the partitions begin: at the group's committed offsets, or where there is none, at the
    /// end of the log that `start` names. Asks for stable offsets: while a transaction that
    /// commits offsets of the group is pending, the broker returns none and librdkafka retries.
    pub fn committed(
        &self,
        partitions: &[Partition],
        start: StartFrom,
    ) -> Result<Vec<Committed>, KafkaError> {
        let list = self.client().committed_offsets(self.list(partitions), REQUEST)?;
        let mut answers = Vec::with_capacity(partitions.len());
        let mut without = Vec::new();
        for (index, element) in list.elements().iter().enumerate() {
            element.error()?;
            let partition = Partition(element.partition());
            let KafkaOffset::Offset(offset) = element.offset() else {
                without.push(partition);
                continue;
            };
            let metadata = native::metadata(&list, index).into_owned();
            let offset = Offset(offset);
            answers.push(Committed { partition, offset, metadata, was_committed: true });
        }
        answers.extend(self.ends_of_log(&without, start)?.into_iter().map(
            |(partition, offset)| {
                let metadata = String::new();
                Committed { partition, offset, metadata, was_committed: false }
            },
        ));
        Ok(answers)
    }

    /// Waits until the group's committed offsets have reached these, and commits again what was
    /// lost: nobody waits for the answer to a plain commit, and a coordinator that is away loses it.
    /// Returns false where the deadline comes first. Once the group has moved on without this
    /// member, the offsets are no longer its concern.
    pub fn confirm_committed(&mut self, points: &[(Partition, Offset)], deadline: Instant) -> bool {
        const ASK: Duration = Duration::from_secs(2);
        const RETRY: Duration = Duration::from_millis(20);
        if points.is_empty() {
            return true;
        }
        // A refusal from before the current assignment does not count.
        self.client().context().take_fenced();
        let partitions: Vec<Partition> = points.iter().map(|(partition, _)| *partition).collect();
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

    /// The points that the stored offsets have not reached.
    fn behind(
        &self,
        stored: &TopicPartitionList,
        points: &[(Partition, Offset)],
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut behind = TopicPartitionList::new();
        for (partition, offset) in points {
            let found = stored.find_partition(self.topic(), partition.0);
            let found = found.and_then(|element| element.offset().to_raw());
            if found.is_none_or(|found| found < offset.0) {
                let offset = KafkaOffset::Offset(offset.0);
                behind.add_partition_offset(self.topic(), partition.0, offset)?;
            }
        }
        Ok(behind)
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
