//! A record that owns its parts, for work that goes on after the Kafka client has moved on.

use super::event::Event;
use super::position::Position;
use super::unsent::UnsentRecord;

/// A copy of a record of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedEvent {
    pub at: Position,
    /// Milliseconds since the epoch; `None` where the record has no timestamp.
    pub timestamp_ms: Option<i64>,
    pub record: UnsentRecord,
}

impl OwnedEvent {
    /// Copies a record.
    pub fn of(event: &Event<'_>) -> Self {
        let headers = (0..event.headers.len())
            .map(|index| event.headers.get(index))
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        let record = UnsentRecord {
            key: event.key.map(<[u8]>::to_vec),
            headers,
            value: event.value.map(<[u8]>::to_vec),
        };
        Self { at: event.at, timestamp_ms: event.timestamp_ms, record }
    }

    pub fn event(&self) -> Event<'_> {
        Event {
            at: self.at,
            timestamp_ms: self.timestamp_ms,
            key: self.record.key.as_deref(),
            value: self.record.value.as_deref(),
            headers: &self.record.headers,
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let header = |(name, value): &(String, Option<Vec<u8>>)| {
            name.len() + value.as_ref().map_or(0, Vec::len)
        };
        let UnsentRecord { key, headers, value } = &self.record;
        size_of::<Self>()
            + key.as_ref().map_or(0, Vec::len)
            + value.as_ref().map_or(0, Vec::len)
            + headers.iter().map(header).sum::<usize>()
    }
}
