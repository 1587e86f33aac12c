//! Where a run would begin, without starting one: the same rules as at an assignment.

use std::collections::BTreeMap;

use super::start::{Group, Log, Start};
use crate::config::StartFrom;
use crate::error_chain::chain;
use crate::pipeline::commit_metadata::{self, TopicNote};
use crate::pipeline::settlement::unreadable;
use crate::record::{Offset, Partition};
use crate::sink::SinkName;
use crate::topic_id::TopicId;

/// A next offset that the group or the sink keeps, with the note beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOffset {
    pub next: Offset,
    pub note: String,
}

/// What a run would find.
#[derive(Debug, Clone)]
pub struct AtStart<'a> {
    /// The topic's id; `None`: the brokers have none.
    pub topic: Option<TopicId>,
    /// Where each partition's log begins, and where its readable records end.
    pub logs: &'a BTreeMap<Partition, (Offset, Offset)>,
    pub kept: &'a BTreeMap<Partition, KeptOffset>,
    pub start_from: StartFrom,
    pub accepted: Option<TopicId>,
    /// The sink's name in the notes.
    pub sink: &'static str,
    /// How a person sets the group's offset.
    pub setting: &'a str,
}

/// Where a partition would be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WouldStart {
    /// For the first time.
    Begins(Offset),
    GoesOn {
        next: Offset,
        /// When the last record before it was written, in milliseconds since the epoch, where the note
        /// has it.
        last_ms: Option<i64>,
    },
    /// The run would stop.
    Refuses { what: String, hint: String },
}

/// Where each partition of a log would be read. Nothing is read for it, so that what the run compares
/// by a record's hash is not compared.
pub fn would_start(found: &AtStart<'_>) -> BTreeMap<Partition, WouldStart> {
    let sink = SinkName(found.sink);
    let read = |kept: &KeptOffset| commit_metadata::read(kept.next, &kept.note, sink);
    let noted: BTreeMap<Partition, _> =
        found.kept.iter().map(|(partition, kept)| (*partition, read(kept))).collect();
    let known = noted.values().flatten().filter_map(|noted| noted.topic.began_with).min();
    let began_with = match known {
        None if noted.is_empty() => Some(found.logs.len()),
        known => known,
    };
    let topic = TopicNote { id: found.topic, began_with };
    let group = Group { topic, start_from: found.start_from, accepted: found.accepted };
    let start = |(partition, (begin, end)): (&Partition, &(Offset, Offset))| {
        let log = Log { begin: *begin, end: *end };
        let start = match noted.get(partition).cloned().transpose() {
            Ok(noted) => match Start::of(*partition, noted, log, &group) {
                Ok(Start { reached, begins: true, .. }) => WouldStart::Begins(reached.next),
                Ok(Start { reached, .. }) => WouldStart::GoesOn {
                    next: reached.next,
                    last_ms: reached.last.and_then(|last| last.timestamp_ms),
                },
                Err(error) => {
                    WouldStart::Refuses { what: error.to_string(), hint: error.hint(found.setting) }
                }
            },
            Err(error) => {
                let stop = unreadable(*partition, error);
                WouldStart::Refuses { what: chain(&stop), hint: stop.hint }
            }
        };
        (*partition, start)
    };
    found.logs.iter().map(start).collect()
}
