//! Dead letters in a Kafka topic: key and value as they were, everything else as headers.
//!
//! A letter that is larger than the topic allows loses parts of its record until it fits
//! (letter_message.rs).

use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::about::About;
use super::letter_message::Parts;
use super::on_retry::OnRetry;
use crate::record::DeadLetter;
use crate::retry::Backoff;
use crate::source;
use crate::stop::Stop;

/// The dead-letter topic and its producer.
pub struct LetterTopic {
    producer: FutureProducer,
    topic: String,
    about: About,
}

impl fmt::Display for LetterTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.topic)
    }
}

impl LetterTopic {
    /// `config` is an idempotent producer's: a delivery is durable on all replicas in sync.
    pub fn open(config: &ClientConfig, topic: &str, about: About) -> Result<Self, Stop> {
        let mut config = config.clone();
        // Each letter is sent alone: the broker refuses a batch as a whole if it is larger than a
        // message may be, and then nobody knows whether one of its letters is.
        config.set("batch.num.messages", "1");
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
            let whole = left.iter().map(|letter| self.deliver(letter, Parts::whole(letter)));
            let answers = join_all(whole).await;
            let mut failed = Vec::new();
            for (letter, answer) in left.into_iter().zip(answers) {
                match self.cut(letter, answer).await {
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

    /// Delivers as much of a letter as the topic takes, if the whole letter was too large for it.
    async fn cut(
        &self,
        letter: &DeadLetter,
        answer: Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        let mut answer = answer;
        for kept in Parts::smaller(letter) {
            if !answer.as_ref().is_err_and(is_too_large) {
                break;
            }
            answer = self.deliver(letter, kept).await;
            if answer.is_ok() {
                tracing::warn!(
                    position = %letter.at,
                    value_bytes = kept.value,
                    headers = kept.headers,
                    key = kept.key,
                    "a dead letter is larger than its topic allows and was cut"
                );
            }
        }
        answer
    }

    async fn deliver(&self, letter: &DeadLetter, kept: Parts) -> Result<(), KafkaError> {
        let mut record = FutureRecord::to(&self.topic);
        if let Some(headers) = source::headers(&self.about.letter_headers(letter, kept)) {
            record = record.headers(headers);
        }
        if let Some(key) = letter.key.as_ref().filter(|_| kept.key) {
            record = record.key(key);
        }
        if let Some(value) = &letter.value {
            record = record.payload(&value[..kept.value]);
        }
        if let Some(written) = letter.written_ms() {
            record = record.timestamp(written);
        }
        let sent = self.producer.send(record, Duration::from_secs(60)).await;
        sent.map(drop).map_err(|(error, _)| error)
    }

    fn stop(&self, error: KafkaError) -> Stop {
        Stop::new(
            format!("send dead letters to topic {}", self.topic),
            "create the topic, grant WRITE on it, and let it take messages of at least 16 KiB",
            error,
        )
    }
}

/// A record is larger than its topic allows.
fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
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
        let rejection = Rejection::new(Reason::InvalidJson, detail, None);
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
