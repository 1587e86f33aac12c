//! A dead letter as a row, for the sinks that keep dead letters in a table.

use prost::encoding::{WireType, encode_key, encode_varint, int64};

use super::about::About;
use super::headers::headers_json;
use crate::record::DeadLetter;
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};

/// How much of its record a letter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// So many bytes of the value, and the key, the headers and the event type, each unless it has
    /// more.
    Parts(usize),
    /// Position, size and hash.
    Position,
}

impl Kept {
    /// Parts of a MiB. A letter with the largest key and headers and its MiB of value is far below what
    /// BigQuery takes in a request.
    pub const MIB: Self = Self::Parts(1 << 20);
}

/// The table's columns. `value` holds the first MiB of the record's value; `value_bytes` and
/// `value_sha256` (lower-case hex) describe the whole value. Times are in microseconds UTC.
pub fn columns() -> TableSchema {
    use ColumnType::{Bytes, Int64, Json, String, Timestamp};
    let columns = vec![
        Column::nullable("_kafka_topic", String),
        Column::nullable("_kafka_partition", Int64),
        Column::nullable("_kafka_offset", Int64),
        Column::nullable("_kafka_previous", Int64),
        Column::nullable("_kafka_timestamp", Timestamp),
        Column::nullable("_kafka_key", Bytes),
        Column::nullable("_kafka_headers", Json),
        Column::nullable("value", Bytes),
        Column::nullable("value_bytes", Int64),
        Column::nullable("value_sha256", String),
        Column::nullable("reason", String),
        Column::nullable("detail", String),
        Column::nullable("_event_type", String),
        Column::nullable("_contract", String),
        Column::nullable("consumer_group", String),
        Column::nullable("_ingested_at", Timestamp),
    ];
    TableSchema { columns }
}

impl About {
    /// The letters, each with how much of its record it holds, as rows with these columns. `now` in
    /// microseconds since the epoch.
    pub fn rows<'l>(
        &self,
        columns: &TableSchema,
        letters: impl Iterator<Item = (&'l DeadLetter, Kept)>,
        now: i64,
    ) -> RowBuffer {
        let mut rows = RowBuffer::default();
        for (letter, kept) in letters {
            let Ok(()) = rows.push(letter.at, |into| {
                self.encode(columns, letter, kept, now, into);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        rows
    }

    /// Writes the columns that the live table has; a column's field number is its index + 1.
    fn encode(
        &self,
        columns: &TableSchema,
        letter: &DeadLetter,
        kept: Kept,
        now: i64,
        into: &mut Vec<u8>,
    ) {
        let is_kept = |part: &str, bytes: usize| {
            let is_kept = matches!(kept, Kept::Parts(most) if bytes <= most);
            if !is_kept {
                tracing::warn!(position = %letter.at, bytes, "a dead letter is written without its {part}");
            }
            is_kept
        };
        let most = match kept {
            Kept::Parts(most) => most,
            Kept::Position => usize::MAX,
        };
        let value = letter.value.as_deref().map(|value| &value[..value.len().min(most)]);
        let value = value.filter(|value| is_kept("value", value.len()));
        let key = letter.key.as_deref().filter(|key| is_kept("key", key.len()));
        let headers = headers_json(letter).filter(|json| is_kept("headers", json.len()));
        let event_type = letter.rejection.event_type.as_deref();
        let event_type = event_type.filter(|name| is_kept("event type", name.len()));
        let micros = letter.timestamp_ms.and_then(|millis| millis.checked_mul(1_000));
        let micros = micros.filter(|micros| ColumnType::TIMESTAMPS.contains(micros));
        for (index, column) in columns.columns.iter().enumerate() {
            let tag = index as u32 + 1;
            match column.source.as_str() {
                "_kafka_topic" => text(tag, Some(&self.topic), into),
                "_kafka_partition" => number(tag, Some(letter.at.partition.0.into()), into),
                "_kafka_offset" => number(tag, Some(letter.at.offset.0), into),
                "_kafka_previous" => number(tag, letter.previous.map(|offset| offset.0), into),
                "_kafka_timestamp" => number(tag, micros, into),
                "_kafka_key" => binary(tag, key, into),
                "_kafka_headers" => text(tag, headers.as_deref(), into),
                "value" => binary(tag, value, into),
                "value_bytes" => number(tag, Some(letter.value_bytes as i64), into),
                "value_sha256" => text(tag, Some(&letter.value_sha256), into),
                "reason" => text(tag, Some(letter.rejection.reason.code()), into),
                "detail" => text(tag, Some(&letter.rejection.detail), into),
                "_event_type" => text(tag, event_type, into),
                "_contract" => text(tag, Some(&self.contract), into),
                "consumer_group" => text(tag, Some(&self.group), into),
                "_ingested_at" => number(tag, Some(now), into),
                _ => {}
            }
        }
    }
}

fn text(tag: u32, value: Option<&str>, into: &mut Vec<u8>) {
    binary(tag, value.map(str::as_bytes), into);
}

fn binary(tag: u32, value: Option<&[u8]>, into: &mut Vec<u8>) {
    if let Some(value) = value {
        encode_key(tag, WireType::LengthDelimited, into);
        encode_varint(value.len() as u64, into);
        into.extend_from_slice(value);
    }
}

fn number(tag: u32, value: Option<i64>, into: &mut Vec<u8>) {
    if let Some(value) = value {
        int64::encode(tag, &value, into);
    }
}
