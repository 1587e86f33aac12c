//! The records of some days of a topic, read without a group.
//!
//! Kafka finds offsets by time: the first record of a time or later. Records whose producers set their
//! times need not be in order, so reading goes on for [`LATE`] after the days, and the time of each
//! record decides.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::config::ClientConfig;

use crate::record::Event;
use crate::shutdown::Shutdown;
use crate::source::{Part, TopicError, TopicParts};
use crate::transfer::intake::{HandOn, Intake};

/// How long after the days a record of them may still have come.
const LATE: Duration = Duration::from_secs(3_600);

/// The topic, and what of it is read.
pub struct TopicSource {
    topic: TopicParts,
    parts: Vec<Part>,
}

impl TopicSource {
    /// Asks the brokers which offsets the days have. `micros` are when they begin and end.
    pub fn open(
        config: ClientConfig,
        topic: &str,
        micros: (i64, i64),
        shutdown: Shutdown,
    ) -> Result<Self, TopicError> {
        let (topic, mut reader) = TopicParts::open(config, topic, shutdown)?;
        // Rounded to whole milliseconds, as days are.
        let (from_ms, to_ms) = (micros.0 / 1_000, micros.1 / 1_000 + LATE.as_millis() as i64);
        let ends = topic.ends(&mut reader)?;
        let (first, after) =
            (topic.offsets_at(&reader, from_ms)?, topic.offsets_at(&reader, to_ms)?);
        let part = |(partition, end): (&_, &_)| {
            let from = *first.get(partition)?;
            let to = after.get(partition).map_or(*end, |to| *to.min(end));
            (from < to).then_some(Part { partition: *partition, from, to })
        };
        Ok(Self { parts: ends.iter().filter_map(part).collect(), topic })
    }

    /// At most so many records: transaction markers and compacted records are counted too.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(records).sum()
    }

    pub fn describe(&self) -> Vec<String> {
        self.parts.iter().map(|part| describe(&self.topic, part)).collect()
    }

    /// Reads all parts.
    pub fn read(&self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), TopicError> {
        read_parts(&self.topic, &self.parts, intake, hand_on, |intake, event| {
            intake.take_record(event);
        })
    }
}

/// At most so many records: transaction markers and compacted records are counted too.
pub(super) fn records(part: &Part) -> u64 {
    (part.to.0 - part.from.0).unsigned_abs()
}

/// What is read of a partition, for people.
pub(super) fn describe(topic: &TopicParts, part: &Part) -> String {
    format!(
        "{} partition {}: offsets {} to {}",
        topic.topic(),
        part.partition,
        part.from,
        part.to.0 - 1
    )
}

/// Reads parts, and has each record taken.
pub(super) fn read_parts(
    topic: &TopicParts,
    parts: &[Part],
    intake: &mut Intake,
    hand_on: HandOn<'_>,
    mut take: impl FnMut(&mut Intake, &Event<'_>),
) -> Result<(), TopicError> {
    if parts.is_empty() {
        return Ok(());
    }
    let shared = RefCell::new((intake, false));
    topic.read(parts, &mut |event| take(shared.borrow_mut().0, event), &mut || {
        let (intake, ended) = &mut *shared.borrow_mut();
        if intake.is_full() && hand_on(intake.chunk()).is_break() {
            *ended = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    let (intake, ended) = shared.into_inner();
    if !ended {
        let _ = hand_on(intake.chunk());
    }
    Ok(())
}
