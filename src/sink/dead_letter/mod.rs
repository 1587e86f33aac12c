//! Dead letters: rejected records with all that a person needs to send them again. They are durable
//! before the offset that covers them is committed. They may repeat; the position tells copies apart.

mod about;
mod bigquery;
mod headers;
mod kafka;
pub mod letter_message;
pub mod letter_row;
pub mod on_retry;

use std::fmt;
use std::sync::Arc;

use rdkafka::config::ClientConfig;

pub use self::about::About;
pub use self::headers::{headers_value, read_headers};
use self::on_retry::OnRetry;
use crate::config::TableId;
use crate::record::DeadLetter;
use crate::sink::bigquery::BigQuery;
use crate::stop::Stop;

/// Where dead letters go. Clones share the connection.
#[derive(Clone)]
pub enum DeadLetters {
    BigQuery(Arc<bigquery::LetterTable>),
    Kafka(Arc<kafka::LetterTopic>),
}

/// The table or the topic.
impl fmt::Display for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BigQuery(table) => table.fmt(f),
            Self::Kafka(topic) => topic.fmt(f),
        }
    }
}

impl DeadLetters {
    /// To the table `<BQ_TABLE>_dead_letters`, which is created where it is missing unless `manage`
    /// is off.
    pub async fn bigquery(
        bigquery: &BigQuery,
        table: &TableId,
        manage: bool,
        about: About,
    ) -> Result<Self, Stop> {
        let table = bigquery::LetterTable::open(bigquery, table.dead_letters(), manage, about);
        Ok(Self::BigQuery(Arc::new(table.await?)))
    }

    /// To a topic, by an idempotent producer of this configuration.
    pub fn kafka(config: &ClientConfig, topic: &str, about: About) -> Result<Self, Stop> {
        Ok(Self::Kafka(Arc::new(kafka::LetterTopic::open(config, topic, about)?)))
    }

    /// Delivers the letters; they are durable once this returns. Outages are retried inside, and
    /// `on_retry` is called at each retry.
    pub async fn send(&self, letters: &[DeadLetter], on_retry: &OnRetry) -> Result<(), Stop> {
        match self {
            Self::BigQuery(table) => table.send(letters, on_retry).await,
            Self::Kafka(topic) => topic.send(letters, on_retry).await,
        }
    }
}
