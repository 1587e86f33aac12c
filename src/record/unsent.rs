//! A record before it is on the topic.

use super::event::Event;
use super::position::Position;

/// A record to publish, or to check as if it had been published. It owns its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnsentRecord {
    pub key: Option<Vec<u8>>,
    /// Names may repeat, values may be absent.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl UnsentRecord {
    /// The record as a consumer would see it at this position.
    pub fn at(&self, at: Position, timestamp_ms: i64) -> Event<'_> {
        Event {
            at,
            timestamp_ms: Some(timestamp_ms),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }
}
