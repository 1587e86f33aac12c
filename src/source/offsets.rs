//! What the broker knows of offsets: those the group has committed, and where the log begins and
//! ends.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::consumer::Source;
use super::{CommitRecord, RecordError, native};
use crate::config::StartFrom;
use crate::record::{Offset, Partition};
use crate::sink::StreamPlace;

/// How long one request for offsets or metadata may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(10);

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

impl Source {
    /// The group's committed offsets with what they promise; where there is none, the end of the
    /// log that `start` names. Asks the broker (stable offsets only), once.
    pub fn committed(
        &self,
        partitions: &[Partition],
        start: StartFrom,
    ) -> Result<Vec<Result<Committed, RecordError>>, KafkaError> {
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
            let committed = |promise| Committed {
                partition,
                offset: Offset(offset),
                promise,
                was_committed: true,
            };
            answers.push(CommitRecord::read(&native::metadata(&list, index)).map(committed));
        }
        answers.extend(self.ends_of_log(&without, start)?.into_iter().map(
            |(partition, offset)| {
                Ok(Committed { partition, offset, promise: None, was_committed: false })
            },
        ));
        Ok(answers)
    }

    /// Waits until the group's offsets are these at least, and commits again what went astray: a
    /// plain commit is not answered, and a coordinator that is away loses it. False where the
    /// deadline comes first. Where the group moves on, its offsets are others' concern.
    pub fn confirm_committed(&mut self, points: &[(Partition, Offset)], deadline: Instant) -> bool {
        const ASK: Duration = Duration::from_secs(2);
        const LOOK_AGAIN: Duration = Duration::from_millis(20);
        if points.is_empty() {
            return true;
        }
        // An earlier refusal was followed by another assignment.
        self.client().context().take_fenced();
        let partitions: Vec<Partition> = points.iter().map(|(partition, _)| *partition).collect();
        loop {
            // Commits are answered there; what else it tells is not for one who leaves.
            self.serve();
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
            thread::sleep(LOOK_AGAIN.min(left));
        }
    }

    /// Those of the points that the stored offsets have not come to.
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

    /// The first offset kept of each partition, or the one after the last that may be read: one
    /// request to each broker, however many partitions it leads.
    pub fn ends_of_log(
        &self,
        partitions: &[Partition],
        end: StartFrom,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        // In the protocol both ends of the log are times of their own.
        let mut times = self.list(partitions);
        times.set_all_offsets(match end {
            StartFrom::Earliest => KafkaOffset::Beginning,
            StartFrom::Latest => KafkaOffset::End,
        })?;
        let found = self.client().offsets_for_times(times, REQUEST)?;
        let offset = |element: &TopicPartitionListElem<'_>| {
            element.error()?;
            // Never without one: it would be read as the end of an empty log.
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0);
            let offset = offset.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))?;
            Ok((Partition(element.partition()), Offset(offset)))
        };
        found.elements().iter().map(offset).collect()
    }
}
