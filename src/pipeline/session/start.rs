//! Where a newly assigned partition begins, and whether its committed offset still means the record
//! that it meant when it was committed.

use crate::config::StartFrom;
use crate::pipeline::commit_metadata::{Noted, TopicNote};
use crate::record::{Bookmark, Offset, Partition, Reached};
use crate::sink::Promise;
use crate::stop::Stop;
use crate::topic_id::TopicId;

/// The ends of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    /// The first offset that the broker has.
    pub begin: Offset,
    /// Behind the last record that can be read.
    pub end: Offset,
}

/// What holds for all partitions of the topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub topic: TopicNote,
    pub start_from: StartFrom,
    /// The topic that a person has accepted in place of the one that was read before.
    pub accepted: Option<TopicId>,
}

/// Where a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub reached: Reached,
    /// The record to read again and compare first.
    pub check: Option<Bookmark>,
    pub promise: Option<Promise>,
    /// The group has no offset here yet.
    pub begins: bool,
}

/// Why a committed offset cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StartError {
    #[error(
        "the group's offsets belong to the topic with id {read}, and the topic now has id {found}: \
         it was deleted and created again"
    )]
    OtherTopic { read: TopicId, found: TopicId },
    #[error(
        "partition {partition} ends at offset {end}, before the committed offset {committed}: \
         {} records that were read are no longer there", committed.0 - end.0
    )]
    CutOff { partition: Partition, committed: Offset, end: Offset },
    #[error(
        "partition {partition} begins at offset {begin}, after the committed offset {committed}: \
         the {} offsets from {committed} to {} are no longer on the broker (retention)",
        begin.0 - committed.0, begin.0 - 1
    )]
    Expired { partition: Partition, committed: Offset, begin: Offset },
}

/// What to do about a log that was cut off and written anew; `setting` says how a person sets the
/// group's offset.
pub(super) fn rewritten(setting: &str) -> String {
    format!(
        "records that were read are gone and others stand in their place (an unclean leader \
         election, a restored disk, offsets copied from another cluster): find the offset from which \
         records are new, and set the group's offset there ({setting}), which accepts them"
    )
}

/// The topic was replaced while or before it was read.
pub(super) fn other_topic(topic: &str, read: TopicId, found: TopicId) -> Stop {
    let error = StartError::OtherTopic { read, found };
    Stop::new(format!("read topic {topic} on"), error.hint(""), error)
}

impl StartError {
    /// `setting` says how a person sets the group's offset.
    pub fn hint(&self, setting: &str) -> String {
        match self {
            Self::OtherTopic { found, .. } => format!(
                "to read the new topic from its beginning, set ACCEPT_TOPIC_ID={found} (or \
                 ACCEPT_TOPIC_ID_<DOMAIN>) and start again; rows of the old topic stay as they are"
            ),
            Self::CutOff { .. } => rewritten(setting),
            Self::Expired { begin, .. } => format!(
                "if they held records, these were not read; transaction markers and aborted records \
                 have offsets too. Check what is missing, then set the group's offset to {begin} \
                 ({setting}) to go on"
            ),
        }
    }
}

impl Start {
    /// Where a partition without a leader begins, whose log nobody knows: at the committed offset. The
    /// record before it is compared, as everywhere, once there is a leader. `None` where the group
    /// has no offset, or where its offset belongs to another topic.
    pub fn without_log(noted: Option<Noted>, group: &Group) -> Option<Self> {
        let Noted { topic, reached, promise } = noted?;
        let same = TopicId::differ(topic.id, group.topic.id).is_none();
        same.then_some(Self { reached, check: reached.last, promise, begins: false })
    }

    /// `noted`: what the group has committed, if anything.
    pub fn of(
        partition: Partition,
        noted: Option<Noted>,
        log: Log,
        group: &Group,
    ) -> Result<Self, StartError> {
        let Some(noted) = noted else {
            let reached = Reached::at(first_start(partition, log, group));
            return Ok(Self { reached, check: None, promise: None, begins: true });
        };
        let Noted { topic, reached, promise } = noted;
        if let Some((read, found)) = TopicId::differ(topic.id, group.topic.id) {
            if group.accepted != Some(found) {
                return Err(StartError::OtherTopic { read, found });
            }
            // What was promised of the topic before is still made visible.
            let reached = Reached::at(log.begin);
            return Ok(Self { reached, check: None, promise, begins: true });
        }
        let committed = reached.next;
        if committed > log.end {
            return Err(StartError::CutOff { partition, committed, end: log.end });
        }
        if committed < log.begin {
            return Err(StartError::Expired { partition, committed, begin: log.begin });
        }
        let check = reached.last.filter(|last| last.offset >= log.begin);
        Ok(Self { reached, check, promise, begins: false })
    }
}

/// A partition that was added after the group had begun is read whole, whatever `START_FROM` says:
/// its first records came while the group was already there to read them.
fn first_start(partition: Partition, log: Log, group: &Group) -> Offset {
    let is_added =
        |began_with: usize| usize::try_from(partition.0).is_ok_and(|it| it >= began_with);
    // Kafka deletes the group's offsets with the topic, so an accepted topic may look like a new one.
    let is_accepted = group.accepted.is_some() && group.accepted == group.topic.id;
    match group.start_from {
        StartFrom::Earliest => log.begin,
        StartFrom::Latest if is_accepted => log.begin,
        StartFrom::Latest if group.topic.began_with.is_none_or(is_added) => log.begin,
        StartFrom::Latest => log.end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const P: Partition = Partition(3);

    fn log(begin: i64, end: i64) -> Log {
        Log { begin: Offset(begin), end: Offset(end) }
    }

    fn group(id: u128, began_with: Option<usize>, start_from: StartFrom) -> Group {
        let topic = TopicNote { id: TopicId::new(id), began_with };
        Group { topic, start_from, accepted: None }
    }

    fn noted(id: u128, next: i64, last: Option<i64>) -> Noted {
        let last =
            last.map(|offset| Bookmark { offset: Offset(offset), timestamp_ms: None, hash: 1 });
        Noted {
            topic: TopicNote { id: TopicId::new(id), began_with: None },
            reached: Reached { next: Offset(next), last, last_row: None },
            promise: None,
        }
    }

    #[test]
    fn a_group_without_an_offset_begins_where_it_is_told_to() {
        use StartFrom::{Earliest, Latest};
        for (start_from, began_with, offset) in [
            (Earliest, Some(4), 10),
            (Latest, Some(4), 50),
            // Added after the group had begun.
            (Latest, Some(3), 10),
            // A group of an earlier version, or of another program, has no such note.
            (Latest, None, 10),
        ] {
            let start = Start::of(P, None, log(10, 50), &group(1, began_with, start_from));
            let start = start.expect("a start");
            assert_eq!((start.reached.next, start.begins), (Offset(offset), true));
        }
    }

    #[test]
    fn an_accepted_topic_is_read_from_its_beginning_even_if_the_offsets_went_with_the_old_one() {
        let mut group = group(2, Some(4), StartFrom::Latest);
        group.accepted = TopicId::new(2);
        let start = Start::of(P, None, log(10, 50), &group).expect("a start");
        assert_eq!(start.reached.next, Offset(10));
    }

    #[test]
    fn another_topic_is_read_only_once_it_is_accepted() {
        let mut group = group(2, None, StartFrom::Latest);
        for next in [0, 20, 50, 90] {
            let (read, found) = (TopicId::new(1).expect("an id"), TopicId::new(2).expect("an id"));
            group.accepted = None;
            let refused = Start::of(P, Some(noted(1, next, None)), log(10, 50), &group);
            assert_eq!(refused, Err(StartError::OtherTopic { read, found }));
            group.accepted = Some(read);
            assert!(Start::of(P, Some(noted(1, next, None)), log(10, 50), &group).is_err());
            group.accepted = Some(found);
            let start = Start::of(P, Some(noted(1, next, None)), log(10, 50), &group);
            assert_eq!(start.expect("accepted").reached, Reached::at(Offset(10)));
        }
    }

    proptest! {
        /// Reading goes on exactly where it stopped, or not at all.
        #[test]
        fn a_committed_offset_counts_within_the_log_alone(
            begin in 0..100i64, length in 0..100i64, next in 0..250i64,
            before in prop::option::of(1..50i64), id in 0..3u128, has_id in any::<bool>(),
        ) {
            let end = begin + length;
            let last = before.map(|before| next - before);
            let group = group(u128::from(has_id) * id, None, StartFrom::Earliest);
            let start = Start::of(P, Some(noted(id, next, last)), log(begin, end), &group);
            match start {
                Ok(start) => {
                    prop_assert!((begin..=end).contains(&next));
                    prop_assert_eq!(start.reached.next, Offset(next));
                    prop_assert!(!start.begins);
                    let check = last.filter(|last| *last >= begin);
                    prop_assert_eq!(start.check.map(|check| check.offset.0), check);
                }
                Err(StartError::CutOff { .. }) => prop_assert!(next > end),
                Err(StartError::Expired { .. }) => prop_assert!(next < begin),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}
