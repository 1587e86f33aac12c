//! One record as the consumer thread sees it: borrowed from the Kafka client, never copied.

use super::position::Position;

/// A record of the topic.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub at: Position,
    /// Milliseconds since the epoch; `None` where the record has no timestamp.
    pub timestamp_ms: Option<i64>,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: &'a dyn HeaderList,
}

impl Event<'_> {
    /// A record of which only the position is known.
    pub fn unknown(at: Position) -> Self {
        Self { at, timestamp_ms: None, key: None, value: None, headers: &NoHeaders }
    }
}

/// Headers in the order of the record. Names may repeat, values may be absent.
pub trait HeaderList {
    fn len(&self) -> usize;
    fn get(&self, index: usize) -> (&str, Option<&[u8]>);
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The headers of a record that has none.
pub struct NoHeaders;

impl HeaderList for NoHeaders {
    fn len(&self) -> usize {
        0
    }
    fn get(&self, _: usize) -> (&str, Option<&[u8]>) {
        ("", None)
    }
}

impl HeaderList for Vec<(String, Option<Vec<u8>>)> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }
    fn get(&self, index: usize) -> (&str, Option<&[u8]>) {
        let (name, value) = &self[index];
        (name, value.as_deref())
    }
}
