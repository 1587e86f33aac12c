//! Reading single records again by position, without joining the group.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::native;
use crate::record::{DeadLetter, Event, Position, Rejection};

/// Long enough for a broker that is restarting; the batch waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads records for dead letters. They are rare, so every read creates a client of its own.
pub struct RecordReader {
    config: ClientConfig,
    topic: String,
}

impl RecordReader {
    /// `config` is the consumer's. Its group is never joined.
    pub fn new(config: ClientConfig, topic: String) -> Self {
        Self { config, topic }
    }

    /// The record at `at` as a dead letter; `None` where the broker no longer has it, or did not
    /// answer within a minute.
    pub async fn read(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        let (config, topic) = (self.config.clone(), self.topic.clone());
        let read = move || match read_at(&config, &topic, at, PATIENCE, |message| {
            letter(message, at, rejection)
        }) {
            Ok(letter) => letter,
            Err(error) => {
                tracing::warn!(error = %error, position = %at, "a rejected record cannot be read again");
                None
            }
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// When the record at `at` was written, in milliseconds since the epoch, even if its transaction is
    /// still open; `None` where that is not known within five seconds.
    pub fn written_at(&self, at: Position) -> Option<i64> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let mut config = self.config.clone();
        config.set("isolation.level", "read_uncommitted");
        let timestamp = |message: &BorrowedMessage<'_>| message.timestamp().to_millis();
        read_at(&config, &self.topic, at, PATIENCE, timestamp).ok().flatten().flatten()
    }
}

/// What `take` makes of the record at `at`; `None` where the broker has none, or does not answer in
/// time.
fn read_at<T>(
    config: &ClientConfig,
    topic: &str,
    at: Position,
    patience: Duration,
    take: impl FnOnce(&BorrowedMessage<'_>) -> T,
) -> Result<Option<T>, KafkaError> {
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, at.partition.0, KafkaOffset::Offset(at.offset.0))?;
    consumer.assign(&list)?;
    let began = Instant::now();
    while began.elapsed() < patience {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) if message.offset() == at.offset.0 => {
                return Ok(Some(take(&message)));
            }
            // Compaction has removed the record since.
            Some(Ok(_)) => return Ok(None),
            // Retention has removed it.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ))) => return Ok(None),
            Some(Err(error)) => {
                tracing::warn!(error = %error, position = %at, "retrying to read a rejected record");
            }
            None => {}
        }
    }
    Ok(None)
}

fn letter(message: &BorrowedMessage<'_>, at: Position, rejection: Rejection) -> DeadLetter {
    let headers: Vec<(String, Option<Vec<u8>>)> =
        message.headers().map_or_else(Vec::new, |headers| {
            (0..native::header_count(headers))
                .filter_map(|index| native::header(headers, index))
                .map(|(name, value)| {
                    (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec))
                })
                .collect()
        });
    let event = Event {
        at,
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: &headers,
    };
    DeadLetter::of(&event, rejection)
}
