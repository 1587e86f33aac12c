//! An error of the cluster that rows are written to, and the one match that decides what to do about
//! it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::source::TransactionError;
use crate::stop::Stop;

/// What to do after a failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A broker or a connection was in the way: try again.
    Retry,
    /// Another producer has this one's transactional id by now.
    Fenced,
    /// A person has to act; the text says how.
    Stop(String),
}

/// An operation failed: which, and why.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    #[error("{operation}: {source}")]
    Transaction { operation: &'static str, source: TransactionError },
    #[error("{operation}: {source}")]
    Kafka { operation: &'static str, source: KafkaError },
    #[error("write to topic {topic}: {code}")]
    Undelivered { topic: String, code: RDKafkaErrorCode },
    #[error("{operation}: no answer")]
    NoAnswer { operation: &'static str },
}

/// What the operations of a lane need, for hints.
pub(super) struct Names<'a> {
    pub topic: &'a str,
    pub group: &'a str,
    pub transactional_id: &'a str,
}

impl OutError {
    pub fn transaction(operation: &'static str) -> impl FnOnce(TransactionError) -> Self {
        move |source| Self::Transaction { operation, source }
    }

    pub fn kafka(operation: &'static str) -> impl FnOnce(KafkaError) -> Self {
        move |source| Self::Kafka { operation, source }
    }

    fn code(&self) -> Option<RDKafkaErrorCode> {
        match self {
            Self::Transaction { source, .. } => Some(source.code),
            Self::Kafka { source, .. } => source.rdkafka_error_code(),
            Self::Undelivered { code, .. } => Some(*code),
            Self::NoAnswer { .. } => None,
        }
    }

    pub(super) fn verdict(&self, of: &Names<'_>) -> Verdict {
        if let Self::Kafka {
            source: KafkaError::ClientCreation(_) | KafkaError::ClientConfig(..),
            ..
        } = self
        {
            return Verdict::Stop(
                "check the properties of the write environment's `kafka` section".to_owned(),
            );
        }
        let Some(code) = self.code() else { return Verdict::Retry };
        verdict(code, of)
    }

    /// The error as what stops the instance.
    pub fn stop(self, what: impl Into<String>, hint: impl Into<String>) -> Stop {
        Stop::new(what, hint, self)
    }
}

pub(super) fn verdict(code: RDKafkaErrorCode, of: &Names<'_>) -> Verdict {
    use RDKafkaErrorCode as Code;
    let Names { topic, group, transactional_id } = of;
    Verdict::Stop(match code {
        Code::Fenced | Code::InvalidProducerEpoch | Code::ProducerFenced => return Verdict::Fenced,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => format!(
            "create the topics {topic} and, unless DEAD_LETTER names another one, \
             {topic}_dead_letters: kafka-topics --create --topic …"
        ),
        Code::TopicAuthorizationFailed => format!(
            "grant this principal WRITE and DESCRIBE on the topics {topic} and \
             {topic}_dead_letters, and READ on {topic}"
        ),
        Code::TransactionalIdAuthorizationFailed => format!(
            "grant this principal WRITE and DESCRIBE on the transactional id {transactional_id}, or \
             on those with its prefix (--transactional-id … --resource-pattern-type prefixed)"
        ),
        Code::GroupAuthorizationFailed => format!(
            "grant this principal READ on the group {group}, or on those with its prefix (--group … \
             --resource-pattern-type prefixed)"
        ),
        Code::ClusterAuthorizationFailed => {
            "grant this principal IDEMPOTENT_WRITE on the cluster".to_owned()
        }
        Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => {
            "check the security properties of the write environment's `kafka` section".to_owned()
        }
        Code::UnsupportedFeature | Code::UnsupportedVersion => {
            "the brokers do not support transactions: write to Apache Kafka 2.5 or later".to_owned()
        }
        Code::OffsetMetadataTooLarge => {
            "let brokers keep 4,096 bytes of metadata (offset.metadata.max.bytes)".to_owned()
        }
        Code::InvalidTransactionTimeout => {
            "let brokers take a timeout of 30 s (transaction.max.timeout.ms)".to_owned()
        }
        _ => return Verdict::Retry,
    })
}
