//! Reading single records again by position, without the group: the raw value of a row that
//! BigQuery refused.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::native;
use crate::record::{DeadLetter, Position, Reason, Rejection};
use crate::sink::Reread;

/// Long enough for a broker that is restarting; the batch waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reader for refused rows. Refusals are rare, so each makes a client of its own.
pub struct KafkaReread {
    config: ClientConfig,
    topic: String,
}

impl KafkaReread {
    /// `config` is the consumer's; the group is only a name here, it is never joined.
    pub fn new(config: ClientConfig, topic: String) -> Self {
        Self { config, topic }
    }
}

#[async_trait]
impl Reread for KafkaReread {
    async fn reread(&self, at: Position) -> Option<DeadLetter> {
        let (config, topic) = (self.config.clone(), self.topic.clone());
        tokio::task::spawn_blocking(move || read_at(&config, &topic, at)).await.ok().flatten()
    }
}

fn read_at(config: &ClientConfig, topic: &str, at: Position) -> Option<DeadLetter> {
    let consumer: BaseConsumer = config.create().ok()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, at.partition.0, KafkaOffset::Offset(at.offset.0)).ok()?;
    consumer.assign(&list).ok()?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) if message.offset() == at.offset.0 => {
                return Some(letter(&message, at));
            }
            // Compaction took the record away meanwhile.
            Some(Ok(_)) => return None,
            Some(Err(error)) => {
                tracing::warn!(error = %error, position = %at, "reading a refused row again");
            }
            None => {}
        }
    }
    None
}

fn letter(message: &BorrowedMessage<'_>, at: Position) -> DeadLetter {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        (0..native::header_count(headers))
            .filter_map(|index| native::header(headers, index))
            .map(|(name, value)| {
                (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec))
            })
            .collect()
    });
    let rejection = Rejection { reason: Reason::RowError, detail: String::new(), event_type: None };
    DeadLetter::new(
        at,
        message.timestamp().to_millis(),
        message.key(),
        headers,
        message.payload(),
        rejection,
    )
}
