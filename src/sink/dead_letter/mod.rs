//! Dead letters: rejected records with all a person needs to send them again, durable before the
//! offset that covers them is committed. They may repeat; position tells copies apart.

mod bigquery;
mod kafka;

use std::sync::Arc;

use rdkafka::config::ClientConfig;

use crate::config::TableId;
use crate::record::DeadLetter;
use crate::sink::bigquery::BigQuery;
use crate::stop::Stop;

/// What all letters of an instance have in common.
#[derive(Debug, Clone)]
pub struct About {
    pub topic: String,
    pub group: String,
    /// `Contract::id`.
    pub contract: String,
}

/// Where dead letters go; cloning shares the connection.
#[derive(Clone)]
pub enum DeadLetters {
    BigQuery(Arc<bigquery::LetterTable>),
    Kafka(Arc<kafka::LetterTopic>),
}

impl DeadLetters {
    /// The table `<BQ_TABLE>_dead_letters`, made where it is missing unless `manage` is off.
    pub async fn bigquery(
        sink: &BigQuery,
        table: &TableId,
        manage: bool,
        about: About,
    ) -> Result<Self, Stop> {
        let table = bigquery::LetterTable::open(sink, table.dead_letters(), manage, about).await?;
        Ok(Self::BigQuery(Arc::new(table)))
    }

    /// A topic, by an idempotent producer.
    pub fn kafka(config: &ClientConfig, topic: &str, about: About) -> Result<Self, Stop> {
        Ok(Self::Kafka(Arc::new(kafka::LetterTopic::open(config, topic, about)?)))
    }

    /// Durable once this answers. Outages are waited out inside.
    pub async fn send(&self, letters: &[DeadLetter]) -> Result<(), Stop> {
        match self {
            Self::BigQuery(table) => table.send(letters).await,
            Self::Kafka(topic) => topic.send(letters).await,
        }
    }
}

/// Headers as a JSON object of name → list of values; bytes that are not UTF-8 as `base64:…`.
fn headers_json(letter: &DeadLetter) -> Option<String> {
    use base64::Engine;
    if letter.headers.is_empty() {
        return None;
    }
    let mut object = serde_json::Map::new();
    for (name, value) in &letter.headers {
        let text = value.as_ref().map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(bytes)),
        });
        let values = object.entry(name.clone()).or_insert_with(|| serde_json::Value::Array(vec![]));
        if let serde_json::Value::Array(values) = values {
            values.push(text.map_or(serde_json::Value::Null, serde_json::Value::String));
        }
    }
    Some(serde_json::Value::Object(object).to_string())
}
