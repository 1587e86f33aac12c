//! What an answer says of one event.

use rdkafka::types::RDKafkaErrorCode as Code;
use serde::Serialize;

use super::refusal::Refusal;
use crate::source::Outcome;

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EventAnswer {
    /// Counted from 0, in the order of the request.
    pub index: usize,
    /// As if the event had been sent alone.
    pub status: u16,
    #[serde(flatten)]
    pub what: What,
}

/// Why an event has its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum What {
    Published {
        partition: i32,
        offset: i64,
        /// The domain's consumer leaves it out.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ignored: bool,
    },
    Not {
        reason: &'static str,
        detail: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        event_type: Option<String>,
    },
}

/// The broker has not taken it: the event is not on the topic.
const NOT_PUBLISHED: &str = "not_published";

/// The broker was sent the event and has not acknowledged it.
const UNKNOWN: &str = "unknown";

/// The broker refuses the event, and will again.
const REFUSED: &str = "refused_by_broker";

impl EventAnswer {
    pub fn refused(index: usize, refusal: Refusal) -> Self {
        let Refusal { reason, detail, event_type } = refusal;
        Self { index, status: 422, what: What::Not { reason, detail, event_type } }
    }

    pub fn of(index: usize, outcome: Outcome, ignored: bool) -> Self {
        let not = |status, reason, code: Code| Self {
            index,
            status,
            what: What::Not { reason, detail: code.to_string(), event_type: None },
        };
        match outcome {
            Outcome::Published(at) => Self {
                index,
                status: 202,
                what: What::Published { partition: at.partition.0, offset: at.offset.0, ignored },
            },
            Outcome::NotPublished(code) if is_final(code) => not(500, REFUSED, code),
            Outcome::NotPublished(code) => not(503, NOT_PUBLISHED, code),
            Outcome::Unknown(code) => not(503, UNKNOWN, code),
        }
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self.what, What::Not { reason, .. } if reason == UNKNOWN)
    }
}

/// Whether the broker will refuse the same record again.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::MessageSizeTooLarge
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::PolicyViolation
    )
}
