//! Reading single records again by position, without joining the group.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::native;
use crate::record::{DeadLetter, Event, Position, Rejection};

/// How long one client waits for a record. Then another one tries.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients that are kept for further records: as many as are read at the same time.
const MOST_IDLE: usize = 8;

/// Reads records for dead letters.
pub struct RecordReader {
    config: ClientConfig,
    topic: String,
    /// Clients that have read a record. Rows are refused one by one or by the thousand.
    idle: Arc<Mutex<Vec<BaseConsumer>>>,
}

/// What became of a record.
enum Found<T> {
    Record(T),
    /// Compaction or retention has removed it.
    Gone,
    NoAnswer,
}

impl RecordReader {
    /// `config` is the consumer's. Its group is never joined.
    pub fn new(config: ClientConfig, topic: String) -> Self {
        Self { config, topic, idle: Arc::default() }
    }

    /// The record at `at` as a dead letter; `None` where the broker no longer has it. While the broker
    /// does not answer it goes on trying: an outage must not cost a letter its record.
    pub async fn read(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        loop {
            let (config, topic, idle) =
                (self.config.clone(), self.topic.clone(), Arc::clone(&self.idle));
            let rejection = rejection.clone();
            let read = move || {
                let kept = pool(&idle).pop();
                let was_used = kept.is_some();
                let client = kept.map_or_else(|| config.create(), Ok)?;
                let found = read_at(&client, &topic, at, PATIENCE, |message| {
                    letter(message, at, rejection)
                })?;
                // Records of its last assignment might still be on their way to a client.
                if matches!(found, Found::Gone) && was_used {
                    return Ok(Found::NoAnswer);
                }
                let mut idle = pool(&idle);
                if !matches!(found, Found::NoAnswer) && idle.len() < MOST_IDLE {
                    idle.push(client);
                }
                Ok(found)
            };
            match tokio::task::spawn_blocking(read).await {
                Ok(Ok(Found::Record(letter))) => return Some(letter),
                Ok(Ok(Found::Gone)) | Err(_) => return None,
                Ok(Ok(Found::NoAnswer)) => {
                    tracing::warn!(position = %at, "a rejected record is read again by another client");
                }
                Ok(Err(error)) => {
                    let error: KafkaError = error;
                    tracing::warn!(error = %error, position = %at, "a rejected record cannot be read again");
                    return None;
                }
            }
        }
    }

    /// When the record at `at` was written, in milliseconds since the epoch, even if its transaction is
    /// still open; `None` where that is not known within five seconds.
    pub fn written_at(&self, at: Position) -> Option<i64> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let mut config = self.config.clone();
        config.set("isolation.level", "read_uncommitted");
        let timestamp = |message: &BorrowedMessage<'_>| message.timestamp().to_millis();
        let client = config.create().ok()?;
        match read_at(&client, &self.topic, at, PATIENCE, timestamp).ok()? {
            Found::Record(timestamp) => timestamp,
            Found::Gone | Found::NoAnswer => None,
        }
    }
}

fn pool(idle: &Mutex<Vec<BaseConsumer>>) -> MutexGuard<'_, Vec<BaseConsumer>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `take` makes of the record at `at`.
fn read_at<T>(
    consumer: &BaseConsumer,
    topic: &str,
    at: Position,
    patience: Duration,
    take: impl FnOnce(&BorrowedMessage<'_>) -> T,
) -> Result<Found<T>, KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, at.partition.0, KafkaOffset::Offset(at.offset.0))?;
    consumer.assign(&list)?;
    let began = Instant::now();
    let mut found = Found::NoAnswer;
    while began.elapsed() < patience {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) if message.partition() != at.partition.0 => {}
            Some(Ok(message)) if message.offset() < at.offset.0 => {}
            Some(Ok(message)) => {
                // Compaction has removed the record since, where this is a later one.
                let is_it = message.offset() == at.offset.0;
                found = if is_it { Found::Record(take(&message)) } else { Found::Gone };
                break;
            }
            // Retention has removed it.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ))) => {
                found = Found::Gone;
                break;
            }
            Some(Err(error)) => {
                tracing::warn!(error = %error, position = %at, "retrying to read a rejected record");
            }
            None => {}
        }
    }
    consumer.unassign()?;
    Ok(found)
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

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

    use super::*;
    use crate::record::Reason;

    #[tokio::test]
    async fn one_client_reads_record_after_record_and_says_what_is_gone() {
        let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
        cluster.create_topic("events", 2, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
        for number in 0..200 {
            let value = number.to_string();
            let record = BaseRecord::<(), _>::to("events").partition(number % 2).payload(&value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        config.set("group.id", "group").set("auto.offset.reset", "error");
        let reader = RecordReader::new(config, "events".to_owned());
        let why = Rejection::new(Reason::RowError, String::new(), None);
        for (partition, offset) in [(0, 3), (0, 90), (1, 7), (0, 3), (1, 0), (1, 99)] {
            let letter = reader.read(Position::new(partition, offset), why.clone()).await;
            let value = letter.expect("it is there").value.expect("a value");
            let expected = (offset * 2 + i64::from(partition)).to_string();
            assert_eq!(String::from_utf8_lossy(&value), expected);
        }
        assert_eq!(pool(&reader.idle).len(), 1);
        assert!(reader.read(Position::new(0, 1_000), why.clone()).await.is_none());
        drop(cluster);
        // Without a broker it goes on trying, and ends with whoever waits for it.
        let read = reader.read(Position::new(0, 3), why);
        assert!(tokio::time::timeout(Duration::from_secs(2), read).await.is_err());
    }
}
