//! A rejected record, with everything a person needs to inspect it and send it again.

use sha2::{Digest, Sha256};

use super::event::Event;
use super::outcome::Rejection;
use super::position::{Offset, Partition, Position};

/// A rejected record on its way to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub at: Position,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The first MiB of the value.
    pub value: Option<Vec<u8>>,
    /// Bytes of the whole value.
    pub value_bytes: u64,
    /// SHA-256 of the whole value, lower-case hex.
    pub value_sha256: String,
    /// For a row that the sink refused: the record of the row before it, which the row named. The
    /// row after it names this record, so the chain of rows goes through the letter.
    pub previous: Option<Offset>,
    pub rejection: Rejection,
    /// `None`: the first letter of its record.
    pub again: Option<Again>,
}

/// What a redrive knows of a letter that it writes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// It was rejected once more: so many redrives have written it.
    Tried(u64),
    /// It stays as it is: its message has these headers, and this time in milliseconds since the epoch.
    Unchanged { headers: Vec<(String, Option<Vec<u8>>)>, written_ms: Option<i64> },
    /// No letter, but a mark: in this partition of the letters all before this offset is dealt with.
    Passed { partition: Partition, before: Offset },
}

/// Which record became a dead letter, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub at: Position,
    pub rejection: Rejection,
}

/// How much of a value a dead letter keeps: enough to read it, and far below an append's limit.
const KEPT_BYTES: usize = 1 << 20;

impl DeadLetter {
    /// The letter without its record.
    pub fn rejected(&self) -> Rejected {
        Rejected { at: self.at, rejection: self.rejection.clone() }
    }

    /// Copies the record: of its value the first MiB, with the length and hash of the whole.
    pub fn of(event: &Event<'_>, rejection: Rejection) -> Self {
        let headers = (0..event.headers.len())
            .map(|index| event.headers.get(index))
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        let value = event.value.unwrap_or_default();
        let kept = |value: &[u8]| value[..value.len().min(KEPT_BYTES)].to_vec();
        Self {
            at: event.at,
            timestamp_ms: event.timestamp_ms,
            key: event.key.map(<[u8]>::to_vec),
            headers,
            value: event.value.map(kept),
            value_bytes: value.len() as u64,
            value_sha256: Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect(),
            previous: None,
            rejection,
            again: None,
        }
    }

    /// The partition that its message has to be in.
    pub fn partition(&self) -> Option<i32> {
        match self.again {
            Some(Again::Passed { partition, .. }) => Some(partition.0),
            Some(Again::Tried(_) | Again::Unchanged { .. }) | None => None,
        }
    }

    /// When it was written first, in milliseconds since the epoch. `None`: now.
    pub fn written_ms(&self) -> Option<i64> {
        match self.again {
            Some(Again::Unchanged { written_ms, .. }) => written_ms,
            Some(Again::Tried(_) | Again::Passed { .. }) | None => None,
        }
    }

    /// Bytes it holds in memory, for the limit on what is in flight.
    pub fn bytes(&self) -> usize {
        let unchanged: &[_] = match &self.again {
            Some(Again::Unchanged { headers, .. }) => headers,
            Some(Again::Tried(_) | Again::Passed { .. }) | None => &[],
        };
        let headers = self.headers.iter().chain(unchanged).map(|(name, value)| {
            name.len() + value.as_ref().map_or(0, Vec::len) + size_of::<(String, Option<Vec<u8>>)>()
        });
        size_of::<Self>()
            + self.key.as_ref().map_or(0, Vec::len)
            + self.value.as_ref().map_or(0, Vec::len)
            + self.value_sha256.len()
            + self.rejection.detail.len()
            + self.rejection.event_type.as_ref().map_or(0, String::len)
            + headers.sum::<usize>()
    }
}
