//! What to do about what Kafka answers.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::error_chain::chain;
use crate::source::{PollError, ReadError};
use crate::stop::Stop;
use crate::telemetry::Health;

/// The brokers have not said what the topic is.
pub(super) fn not_described(topic: &str, health: &Health, error: &KafkaError) -> Result<(), Stop> {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            tracing::warn!(topic, "the topic does not exist");
            health.missing_topic(Some(topic.to_owned()));
        }
        Some(Code::TopicAuthorizationFailed) => {
            let hint = "grant READ and DESCRIBE on the topic to this principal";
            return Err(Stop::new(format!("read topic {topic}"), hint, error.clone()));
        }
        _ => tracing::warn!(topic, %error, "the brokers do not say what the topic is"),
    }
    Ok(())
}

/// What to do about a failed read: whether a new client is needed.
pub(super) fn failed(topic: &str, health: &Health, error: ReadError) -> Result<bool, Stop> {
    match error {
        ReadError::Poll(PollError::Refused { hint, source, .. }) => {
            Err(Stop::new(format!("read topic {topic}"), hint, source))
        }
        ReadError::Poll(PollError::Passing(error)) => {
            tracing::warn!(topic, %error, "reading is interrupted");
            Ok(false)
        }
        ReadError::Poll(PollError::NoTopic(_)) => {
            tracing::warn!(topic, "the topic does not exist");
            health.missing_topic(Some(topic.to_owned()));
            Ok(false)
        }
        error @ (ReadError::Lost(_)
        | ReadError::Poll(
            PollError::Client(_) | PollError::Misdirected(_) | PollError::Changed(_),
        )) => {
            tracing::warn!(topic, error = chain(&error), "reading with a new client");
            Ok(true)
        }
    }
}
