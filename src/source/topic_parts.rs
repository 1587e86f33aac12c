//! Reads parts of a topic's partitions without a group, through outages of the brokers.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::consumer::PollError;
use super::error_code::code_of;
use super::topic_reader::{ReadError, TopicReader};
use crate::error_chain::chain;
use crate::record::{Event, Offset, Partition};
use crate::retry::Backoff;
use crate::shutdown::Shutdown;
use crate::topic_id::TopicId;

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

/// A topic of which parts are read.
pub struct TopicParts {
    config: ClientConfig,
    topic: String,
    id: Option<TopicId>,
    partitions: Vec<Partition>,
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

/// Offsets of partitions.
pub type Offsets = BTreeMap<Partition, Offset>;

impl TopicParts {
    /// Asks the brokers for the topic. `config` is a consumer's, with `auto.offset.reset=error`.
    pub fn open(
        config: ClientConfig,
        topic: &str,
        shutdown: Shutdown,
    ) -> Result<(Self, TopicReader), TopicError> {
        let (id, partitions) = (None, Vec::new());
        let mut parts = Self { config, topic: topic.to_owned(), id, partitions, shutdown };
        let mut reader = parts.reader()?;
        let described = parts.asked(|| reader.topic_now(PATIENCE))?;
        parts.id = described.id;
        parts.partitions = (0..).take(described.partitions).map(Partition).collect();
        Ok((parts, reader))
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// `None`: the brokers have no topic ids.
    pub fn id(&self) -> Option<TopicId> {
        self.id
    }

    /// Where the readable records of each partition end now.
    pub fn ends(&self, reader: &mut TopicReader) -> Result<Offsets, TopicError> {
        let ends = self.asked(|| reader.ends_now(&self.partitions, PATIENCE))?;
        match self.partitions.len().saturating_sub(ends.len()) {
            0 => Ok(ends.into_iter().collect()),
            missing => Err(TopicError::NoEnds { topic: self.topic.clone(), missing }),
        }
    }

    /// Where the log of each partition begins.
    pub fn begins(&self, reader: &TopicReader) -> Result<Offsets, TopicError> {
        self.asked(|| reader.begins_now(&self.partitions, PATIENCE)).map(Offsets::from_iter)
    }

    /// What the group of the configuration has committed; partitions of which it has committed nothing
    /// are left out. Asking does not join it.
    pub fn committed(&self, reader: &TopicReader) -> Result<Offsets, TopicError> {
        let found = self.asked(|| reader.committed(&self.partitions, PATIENCE))?;
        Ok(found.into_iter().filter_map(|one| Some((one.partition, one.offset?))).collect())
    }

    /// Commits offsets for the group of the configuration, of which nobody may be a member.
    pub fn commit(&self, reader: &TopicReader, offsets: &Offsets) -> Result<(), TopicError> {
        self.asked(|| reader.commit(offsets))
    }

    /// The first offset of each partition whose record is of this time (milliseconds since the epoch)
    /// or later; partitions without one are left out.
    pub fn offsets_at(&self, reader: &TopicReader, time_ms: i64) -> Result<Offsets, TopicError> {
        let found = self.asked(|| reader.offsets_at(&self.partitions, time_ms, PATIENCE))?;
        Ok(found.into_iter().filter_map(|(partition, at)| Some((partition, at?))).collect())
    }

    /// Reads the parts and hands each record to `take`, in the order of its partition. `turn` is called
    /// between records; a break ends the reading.
    pub fn read(
        &self,
        parts: &[Part],
        take: &mut dyn FnMut(&Event<'_>),
        turn: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(), TopicError> {
        let mut rounds: Vec<BTreeMap<Partition, (Offset, Offset)>> = Vec::new();
        for part in parts.iter().filter(|part| part.from < part.to) {
            let span = (part.from, part.to);
            match rounds.iter_mut().find(|round| !round.contains_key(&part.partition)) {
                Some(round) => _ = round.insert(part.partition, span),
                None => rounds.push(BTreeMap::from([(part.partition, span)])),
            }
        }
        for round in rounds {
            if self.read_round(round, take, turn)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Reads one part of each partition: the next offset, and the end, of each that is not read yet.
    fn read_round(
        &self,
        mut open: BTreeMap<Partition, (Offset, Offset)>,
        take: &mut dyn FnMut(&Event<'_>),
        turn: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TopicError> {
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
                        take(event);
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
                if turn().is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if let Some(partition) = read {
                    open.remove(&partition);
                    reader.pause(partition);
                }
                if open.is_empty() {
                    return Ok(ControlFlow::Continue(()));
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
        let now = self.asked(|| reader.topic_now(PATIENCE))?;
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
    fn asked<T>(&self, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, TopicError> {
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error)
                    if passes(&error) && began.elapsed() < OUTAGE && !self.shutdown.requested() =>
                {
                    tracing::warn!(topic = self.topic, %error, "the brokers do not answer");
                    self.shutdown.sleep(backoff.pause());
                }
                Err(source) => return Err(TopicError::Ask { topic: self.topic.clone(), source }),
            }
        }
    }
}

/// Whether the brokers may answer later.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    !matches!(
        code_of(error),
        Some(
            Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::TopicAuthorizationFailed
                | Code::Authentication
                | Code::SaslAuthenticationFailed
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_missing_or_forbidden_is_not_asked_for_again() {
        use RDKafkaErrorCode as Code;
        for code in
            [Code::UnknownTopicOrPartition, Code::UnknownTopic, Code::TopicAuthorizationFailed]
        {
            // As the admin API and as the consumer says it.
            assert!(!passes(&KafkaError::AdminOp(code)), "{code}");
            assert!(!passes(&KafkaError::MetadataFetch(code)), "{code}");
        }
        assert!(passes(&KafkaError::AdminOp(Code::BrokerTransportFailure)));
        assert!(passes(&KafkaError::MetadataFetch(Code::OperationTimedOut)));
    }
}
