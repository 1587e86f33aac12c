//! One message of the topic, borrowed from librdkafka.

use rdkafka::message::{BorrowedMessage, Message};

use super::native;
use crate::record::{Event, HeaderList, Position};

/// A message of an assigned partition; its memory is released when it is dropped.
pub struct Record<'a>(BorrowedMessage<'a>);

impl<'a> Record<'a> {
    pub(super) fn of(message: BorrowedMessage<'a>) -> Self {
        Self(message)
    }
}

impl Record<'_> {
    /// The record as the pipeline reads it; it borrows from the message.
    #[inline]
    pub fn event(&self) -> Event<'_> {
        Event {
            at: position(&self.0),
            timestamp_ms: self.0.timestamp().to_millis(),
            key: self.0.key(),
            value: self.0.payload(),
            headers: self,
        }
    }
}

#[inline]
pub(super) fn position(message: &BorrowedMessage<'_>) -> Position {
    Position::new(message.partition(), message.offset())
}

impl HeaderList for Record<'_> {
    fn len(&self) -> usize {
        self.0.headers().map_or(0, native::header_count)
    }

    fn get(&self, index: usize) -> (&str, Option<&[u8]>) {
        self.0.headers().and_then(|headers| native::header(headers, index)).map_or(
            ("", None),
            // A name that is not UTF-8 breaks Kafka's own protocol; its value is kept unnamed.
            |(name, value)| (std::str::from_utf8(name).unwrap_or(""), value),
        )
    }
}
