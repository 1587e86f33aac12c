//! The records of some days of a topic, read without a group.
//!
//! Kafka finds offsets by time: the first record of a time or later. Records whose producers set their
//! times need not be in order, so reading goes on for [`LATE`] after the days, and the time of each
//! record decides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::error_chain::chain;
use crate::record::{Offset, Partition};
use crate::retry::Backoff;
use crate::shutdown::Shutdown;
use crate::source::{PollError, ReadError, TopicReader};
use crate::topic_id::TopicId;
use crate::transfer::intake::{HandOn, Intake};

/// How long after the days a record of them may still have come.
const LATE: Duration = Duration::from_secs(3_600);

/// How long one question to the brokers may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the brokers may be away.
const OUTAGE: Duration = Duration::from_secs(600);

const POLL: Duration = Duration::from_millis(100);

/// A part of a partition: from `from` to before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub partition: Partition,
    pub from: Offset,
    pub to: Offset,
}

/// The topic, and what of it is read.
pub struct TopicSource {
    config: ClientConfig,
    topic: String,
    id: Option<TopicId>,
    parts: Vec<Part>,
    shutdown: Shutdown,
}

#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("open a consumer for topic {topic}")]
    Open { topic: String, source: KafkaError },
    #[error("ask the brokers about topic {topic}")]
    Ask { topic: String, source: KafkaError },
    #[error("read topic {topic}")]
    Read { topic: String, hint: &'static str, source: Box<ReadError> },
    #[error("topic {topic} was created again meanwhile: it was {read}, and is {found}")]
    OtherTopic { topic: String, read: TopicId, found: TopicId },
    #[error("the leaders of topic {topic} do not say where {missing} of its partitions end")]
    NoEnds { topic: String, missing: usize },
    #[error("stopped by a signal")]
    Stopped,
}

impl TopicSource {
    /// Asks the brokers which offsets the days have. `micros` are when they begin and end.
    pub fn open(
        config: ClientConfig,
        topic: &str,
        micros: (i64, i64),
        shutdown: Shutdown,
    ) -> Result<Self, TopicError> {
        let mut source =
            Self { config, topic: topic.to_owned(), id: None, parts: Vec::new(), shutdown };
        let mut reader = source.reader()?;
        let asked = |error| TopicError::Ask { topic: topic.to_owned(), source: error };
        let described = source.retried(|| reader.topic_now(PATIENCE)).map_err(asked)?;
        source.id = described.id;
        let partitions: Vec<Partition> = (0..).take(described.partitions).map(Partition).collect();
        // Rounded to whole milliseconds, as days are.
        let (from_ms, to_ms) = (micros.0 / 1_000, micros.1 / 1_000 + LATE.as_millis() as i64);
        let ends = source.retried(|| reader.ends_now(&partitions, PATIENCE)).map_err(asked)?;
        let ends: BTreeMap<Partition, Offset> = ends.into_iter().collect();
        if ends.len() < partitions.len() {
            let missing = partitions.len() - ends.len();
            return Err(TopicError::NoEnds { topic: topic.to_owned(), missing });
        }
        let at =
            |ms| source.retried(|| reader.offsets_at(&partitions, ms, PATIENCE)).map_err(asked);
        let first: BTreeMap<_, _> = at(from_ms)?.into_iter().collect();
        let after: BTreeMap<_, _> = at(to_ms)?.into_iter().collect();
        source.parts = partitions
            .iter()
            .filter_map(|partition| {
                let end = *ends.get(partition)?;
                let from = first.get(partition).copied().flatten()?;
                let to = after.get(partition).copied().flatten().map_or(end, |to| to.min(end));
                (from < to).then_some(Part { partition: *partition, from, to })
            })
            .collect();
        Ok(source)
    }

    /// At most so many records: transaction markers and compacted records are counted too.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|part| (part.to.0 - part.from.0).unsigned_abs()).sum()
    }

    pub fn describe(&self) -> Vec<String> {
        let line = |part: &Part| {
            format!(
                "{} partition {}: offsets {} to {}",
                self.topic,
                part.partition,
                part.from,
                part.to.0 - 1
            )
        };
        self.parts.iter().map(line).collect()
    }

    /// Reads all parts.
    pub fn read(&self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), TopicError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        // The next offset and the end of each part that is not read yet.
        let mut open: BTreeMap<Partition, (Offset, Offset)> =
            self.parts.iter().map(|part| (part.partition, (part.from, part.to))).collect();
        let mut since = Instant::now();
        'client: loop {
            let mut reader = self.reader()?;
            self.is_the_same(&mut reader)?;
            let from: Vec<_> =
                open.iter().map(|(partition, (next, _))| (*partition, Some(*next))).collect();
            let failed = |error| TopicError::Open { topic: self.topic.clone(), source: error };
            reader.assign(&from).map_err(failed)?;
            loop {
                if self.shutdown.requested() {
                    return Err(TopicError::Stopped);
                }
                let mut read = None;
                let polled = reader.poll(POLL, |event| {
                    let (partition, offset) = (event.at.partition, event.at.offset);
                    let Some((next, end)) = open.get_mut(&partition) else { return };
                    if offset >= *next && offset < *end {
                        *next = offset.next();
                        intake.take_record(event);
                    }
                    read = (offset.next() >= *end).then_some(partition);
                });
                match polled {
                    Ok(true) => since = Instant::now(),
                    // A part may end in transaction markers, or in records that compaction has
                    // removed, which never come.
                    Ok(false) => open.retain(|partition, (_, end)| {
                        reader.position(*partition).is_none_or(|at| at < *end)
                    }),
                    Err(error) => {
                        if self.failed(error, since)? {
                            continue 'client;
                        }
                    }
                }
                if intake.is_full() && hand_on(intake.chunk()).is_break() {
                    return Ok(());
                }
                if let Some(partition) = read {
                    open.remove(&partition);
                    reader.pause(partition);
                }
                if open.is_empty() {
                    let _ = hand_on(intake.chunk());
                    return Ok(());
                }
            }
        }
    }

    fn reader(&self) -> Result<TopicReader, TopicError> {
        TopicReader::open(&self.config, &self.topic)
            .map_err(|source| TopicError::Open { topic: self.topic.clone(), source })
    }

    /// Offsets of a topic mean nothing in another of the same name.
    fn is_the_same(&self, reader: &mut TopicReader) -> Result<(), TopicError> {
        let asked = |source| TopicError::Ask { topic: self.topic.clone(), source };
        let now = self.retried(|| reader.topic_now(PATIENCE)).map_err(asked)?;
        match TopicId::differ(self.id, now.id) {
            None => Ok(()),
            Some((read, found)) => {
                Err(TopicError::OtherTopic { topic: self.topic.clone(), read, found })
            }
        }
    }

    /// Whether a new client is needed. An error that no retry can mend is returned.
    fn failed(&self, error: ReadError, since: Instant) -> Result<bool, TopicError> {
        let (hint, again) = match &error {
            ReadError::Poll(PollError::Refused { hint, .. }) => (*hint, None),
            ReadError::Lost(_) => ("the log begins after this offset: retention took it", None),
            ReadError::Poll(PollError::NoTopic(_)) => ("the topic was deleted", None),
            ReadError::Poll(PollError::Passing(_)) => ("the brokers are away", Some(false)),
            ReadError::Poll(
                PollError::Client(_) | PollError::Misdirected(_) | PollError::Changed(_),
            ) => ("the brokers are away", Some(true)),
        };
        match again.filter(|_| since.elapsed() < OUTAGE) {
            Some(again) => {
                tracing::warn!(topic = self.topic, error = chain(&error), "reading is interrupted");
                Ok(again)
            }
            None => {
                Err(TopicError::Read { topic: self.topic.clone(), hint, source: Box::new(error) })
            }
        }
    }

    /// Repeats a question while the brokers are away.
    fn retried<T>(&self, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        loop {
            match ask() {
                Err(error)
                    if passes(&error) && began.elapsed() < OUTAGE && !self.shutdown.requested() =>
                {
                    tracing::warn!(topic = self.topic, %error, "the brokers do not answer");
                    self.shutdown.sleep(backoff.pause());
                }
                answer => return answer,
            }
        }
    }
}

/// Whether the brokers may answer later.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    !matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::TopicAuthorizationFailed
                | Code::Authentication
                | Code::SaslAuthenticationFailed
        )
    )
}
