//! A dead letter as every store has it.

use super::standing::{Record, Standing};
use crate::record::{Offset, OwnedEvent, Position, UnsentRecord};

/// A dead letter with what is kept of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The topic of the record.
    pub topic: String,
    /// The record's position, timestamp, key, headers, and what is kept of its value.
    pub event: OwnedEvent,
    /// Bytes of the whole value.
    pub value_bytes: u64,
    /// SHA-256 of the whole value, lower-case hex.
    pub value_sha256: String,
    /// For a row that the sink refused: the record of the row before it.
    pub previous: Option<Offset>,
    /// A [`Reason`](crate::record::Reason)'s code, maybe one of another version.
    pub reason: String,
    /// Names a place in the event and what is wrong there, and no value.
    pub detail: String,
    pub event_type: Option<String>,
    /// `Contract::id` of the contract that rejected it.
    pub contract: Option<String>,
    /// The consumer group that rejected it.
    pub group: Option<String>,
    /// When it became a dead letter, in microseconds since the epoch.
    pub written_micros: Option<i64>,
    /// Its own place, if it is in a topic.
    pub message: Option<Position>,
    /// Parts of the record that were left out, because the topic of dead letters does not take more.
    pub left_out: Option<String>,
    /// How often a redrive wrote it. Of a letter in a table 0 unless the table was asked.
    pub tries: u64,
    /// What the table of rows has at its place. `None`: it was not asked.
    pub standing: Option<Standing>,
}

/// What a letter has of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of it, so that it can be put through a contract again.
    Whole,
    /// So many bytes of the value.
    Beginning(usize),
    /// The value, but not its key or its headers.
    Value,
    /// The value was not read.
    NotRead,
}

impl Letter {
    pub fn at(&self) -> Position {
        self.event.at
    }

    pub fn record(&self) -> &UnsentRecord {
        &self.event.record
    }

    /// The letter without key, headers and value.
    pub fn without_record(mut self) -> Self {
        self.event.record = UnsentRecord { key: None, headers: Vec::new(), value: None };
        self
    }

    /// What it has of its record. Only meaningful where the value was read.
    pub fn kept(&self) -> Kept {
        let bytes = self.record().value.as_ref().map_or(0, Vec::len);
        match () {
            () if bytes as u64 != self.value_bytes => Kept::Beginning(bytes),
            () if self.left_out.is_some() => Kept::Value,
            () => Kept::Whole,
        }
    }

    /// What tells its record apart from others of the topic, and of one of the same name.
    pub fn key(&self) -> Record {
        let micros = self.event.timestamp_ms.and_then(|millis| millis.checked_mul(1_000));
        (self.at(), micros.unwrap_or(-1))
    }

    /// The place in the event that the detail names, a JSON pointer.
    pub fn place(&self) -> Option<&str> {
        place(&self.detail)
    }
}

/// The JSON pointer at the beginning of a detail: `/items/1/sku` of `/items/1/sku: found array`.
pub fn place(detail: &str) -> Option<&str> {
    let (place, _) = detail.split_once(": ")?;
    place.starts_with('/').then_some(place)
}
