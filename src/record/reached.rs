//! How far a partition has been processed.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::event::Event;
use super::position::Offset;

/// A record that was read, so that it can be recognised when it is read again. An offset alone
/// cannot tell: a topic that was created again, or a log that was cut off and written anew, has
/// other records at the same offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    pub offset: Offset,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// XXH3 of the value, seeded with that of the key.
    pub hash: u64,
}

impl Bookmark {
    #[inline]
    pub fn of(event: &Event<'_>) -> Self {
        let key = event.key.map_or(0, xxh3_64);
        let hash = event.value.map_or(!key, |value| xxh3_64_with_seed(value, key));
        Self { offset: event.at.offset, timestamp_ms: event.timestamp_ms, hash }
    }
}

/// How far a partition has been processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The next offset to read.
    pub next: Offset,
    /// The last record before it.
    pub last: Option<Bookmark>,
    /// The last record before it that became a row: the row after it names it as its predecessor.
    pub last_row: Option<Offset>,
}

impl Reached {
    /// Only the offset is known.
    pub fn at(next: Offset) -> Self {
        Self { next, last: None, last_row: None }
    }
}
