//! Dead letters in a Kafka topic: key and value as they were, everything else as headers.

use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::about::About;
use super::on_retry::OnRetry;
use crate::record::DeadLetter;
use crate::retry::Backoff;
use crate::stop::Stop;

/// The dead-letter topic and its producer.
pub struct LetterTopic {
    producer: FutureProducer,
    topic: String,
    about: About,
}

impl LetterTopic {
    /// `config` is an idempotent producer's: a delivery is durable on all replicas in sync.
    pub fn open(config: &ClientConfig, topic: &str, about: About) -> Result<Self, Stop> {
        let producer = config.create().map_err(|error: KafkaError| {
            let hint = "check the consume environment's properties";
            Stop::new(format!("open the dead-letter topic {topic}"), hint, error)
        })?;
        Ok(Self { producer, topic: topic.to_owned(), about })
    }

    /// Durable once this returns.
    pub async fn send(&self, letters: &[DeadLetter], on_retry: &OnRetry) -> Result<(), Stop> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        let mut left: Vec<&DeadLetter> = letters.iter().collect();
        loop {
            let answers = join_all(left.iter().map(|letter| self.deliver(letter))).await;
            let mut failed = Vec::new();
            for (letter, answer) in left.into_iter().zip(answers) {
                match answer {
                    Ok(()) => {}
                    Err(error) if needs_a_person(&error) => return Err(self.stop(error)),
                    Err(error) => {
                        tracing::warn!(error = %error, position = %letter.at, "retrying a dead letter");
                        failed.push(letter);
                    }
                }
            }
            if failed.is_empty() {
                return Ok(());
            }
            left = failed;
            on_retry();
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn deliver(&self, letter: &DeadLetter) -> Result<(), KafkaError> {
        let mut record = FutureRecord::to(&self.topic).headers(self.headers(letter));
        if let Some(key) = &letter.key {
            record = record.key(key);
        }
        if let Some(value) = &letter.value {
            record = record.payload(value);
        }
        let sent = self.producer.send(record, Duration::from_secs(60)).await;
        sent.map(drop).map_err(|(error, _)| error)
    }

    /// The record's own headers first, then ours, all beginning with `dead_letter.`.
    fn headers(&self, letter: &DeadLetter) -> OwnedHeaders {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &letter.headers {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        let optional = |number: Option<i64>| number.map(|number| number.to_string());
        let facts = [
            ("dead_letter.reason", Some(letter.rejection.reason.code().to_owned())),
            ("dead_letter.detail", Some(letter.rejection.detail.clone())),
            ("dead_letter.event_type", letter.rejection.event_type.clone()),
            ("dead_letter.topic", Some(self.about.topic.clone())),
            ("dead_letter.partition", Some(letter.at.partition.to_string())),
            ("dead_letter.offset", Some(letter.at.offset.to_string())),
            ("dead_letter.timestamp_ms", optional(letter.timestamp_ms)),
            ("dead_letter.value_bytes", Some(letter.value_bytes.to_string())),
            ("dead_letter.value_sha256", Some(letter.value_sha256.clone())),
            ("dead_letter.contract", Some(self.about.contract.clone())),
            ("dead_letter.consumer_group", Some(self.about.group.clone())),
        ];
        for (key, value) in facts.iter().filter(|(_, value)| value.is_some()) {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        headers
    }

    fn stop(&self, error: KafkaError) -> Stop {
        Stop::new(
            format!("send dead letters to topic {}", self.topic),
            "create the topic, grant WRITE on it, and let it take messages of at least 2 MiB",
            error,
        )
    }
}

fn needs_a_person(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::MessageSizeTooLarge
                | Code::Fatal
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, Position, Reason, Rejection};

    #[tokio::test]
    async fn each_retry_is_reported_while_the_broker_is_away() {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1").set("message.timeout.ms", "200");
        let [topic, group, contract] = ["topic", "group", "contract"].map(str::to_owned);
        let about = About { topic, group, contract };
        let letters = LetterTopic::open(&config, "letters", about).expect("a producer");
        let detail = String::new();
        let rejection = Rejection { reason: Reason::InvalidJson, detail, event_type: None };
        let letter = DeadLetter::of(&Event::unknown(Position::new(0, 1)), rejection);
        let (reported, mut retried) = tokio::sync::watch::channel(0);
        let on_retry = move || reported.send_modify(|count| *count += 1);
        let delivery = tokio::spawn(async move { letters.send(&[letter], &on_retry).await });
        let twice = retried.wait_for(|count| *count >= 2);
        let in_time = tokio::time::timeout(Duration::from_secs(60), twice).await;
        assert!(in_time.is_ok(), "no retry is reported");
        delivery.abort();
    }
}
