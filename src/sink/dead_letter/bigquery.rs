//! Dead letters in a BigQuery table next to the domain's own.
//!
//! A record that the contract rejects may be anything: its key or headers may be larger than a request
//! to BigQuery, or something that BigQuery does not take. A letter must never stop the instance for
//! good, so keys and headers above a limit are left out, and of a letter that BigQuery refuses all that
//! came from the record. What remains names the record, with the size and hash of its value.

use std::fmt;

use prost::encoding::{WireType, encode_key, encode_varint, int64};
use tokio::sync::Mutex;
use tonic::transport::Channel;

use super::about::About;
use super::headers::headers_json;
use super::on_retry::OnRetry;
use crate::clock::Clock;
use crate::config::TableId;
use crate::record::DeadLetter;
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};
use crate::sink::BatchId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::appender::{ANSWER, Appended, Appender, Destination, RefusedRow};
use crate::sink::bigquery::descriptor::writer_schema;
use crate::stop::Stop;

/// The most bytes of a key, and of headers as JSON. A letter with the largest of both and its MiB of
/// value is far below what BigQuery takes in a request.
const PART_BYTES: usize = 1 << 20;

/// The dead-letter table and the appender to its default stream.
pub struct LetterTable {
    bigquery: BigQuery,
    channel: Channel,
    to: Destination,
    columns: TableSchema,
    about: About,
    clock: Clock,
    /// `None` before the first letter, and while letters are being sent. Sending is exclusive: dead
    /// letters are few.
    appender: Mutex<Option<Appender>>,
}

/// How much of its record a letter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The first MiB of the value, and the key, the headers and the event type, each unless it is
    /// larger than [`PART_BYTES`].
    Parts,
    /// Position, size and hash.
    Position,
}

/// The table's columns. `value` holds the first MiB of the record's value; `value_bytes` and
/// `value_sha256` (lower-case hex) describe the whole value. Times are in microseconds UTC.
fn columns() -> Vec<Column> {
    use ColumnType::{Bytes, Int64, Json, String, Timestamp};
    vec![
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
    ]
}

impl fmt::Display for LetterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.table.fmt(f)
    }
}

impl LetterTable {
    pub async fn open(
        bigquery: &BigQuery,
        table: TableId,
        manage: bool,
        about: About,
    ) -> Result<Self, Stop> {
        let desired = TableSchema { columns: columns() };
        let prepared = bigquery.prepare(&table, &desired, manage, "_ingested_at").await?;
        let to = Destination {
            schema: writer_schema(&prepared.columns),
            created: prepared.created,
            table,
            buffered: false,
            answer: ANSWER,
        };
        Ok(Self {
            to,
            columns: prepared.columns,
            about,
            clock: bigquery.clock(),
            channel: bigquery.channel(),
            appender: Mutex::new(None),
            bigquery: bigquery.clone(),
        })
    }

    /// Durable once this returns.
    pub async fn send(&self, letters: &[DeadLetter], on_retry: &OnRetry) -> Result<(), Stop> {
        let mut slot = self.appender.lock().await;
        // It is put back only after success. Where this future is dropped instead, because its lane
        // was given up, the appender goes with it, and nobody takes its answers for their own.
        let mut appender = slot.take().unwrap_or_else(|| {
            Appender::new(self.bigquery.clone(), self.channel.clone(), self.to.clone())
        });
        let refused = self.append(&mut appender, letters.iter(), Kept::Parts, on_retry).await?;
        if !refused.is_empty() {
            let refused_now = |letter: &&DeadLetter| refused.iter().any(|row| row.at == letter.at);
            let letters = letters.iter().filter(refused_now);
            let still = self.append(&mut appender, letters, Kept::Position, on_retry).await?;
            if let Some(row) = still.into_iter().next() {
                return Err(self.refused(row.message));
            }
        }
        *slot = Some(appender);
        Ok(())
    }

    /// Returns the letters that BigQuery refuses; all others are durable.
    async fn append(
        &self,
        appender: &mut Appender,
        letters: impl Iterator<Item = &DeadLetter>,
        kept: Kept,
        on_retry: &OnRetry,
    ) -> Result<Vec<RefusedRow>, Stop> {
        let now = self.clock.now_micros();
        let mut rows = RowBuffer::default();
        for letter in letters {
            let Ok(()) = rows.push(letter.at, |into| {
                self.encode(letter, kept, now, into);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        appender.admit(BatchId(0), rows, false);
        let mut refused = Vec::new();
        while appender.settled().is_none() {
            if let Appended::Retrying = appender.send().await? {
                on_retry();
            }
            match appender.next().await? {
                Appended::Refused { batch, rows } => {
                    for RefusedRow { at, message, .. } in &rows {
                        tracing::warn!(position = %at, message, "bigquery refuses a dead letter");
                    }
                    refused.extend(rows);
                    appender.delivered(batch, Vec::new());
                }
                Appended::Retrying => on_retry(),
                Appended::Acknowledged(_) | Appended::Nothing => {}
            }
        }
        Ok(refused)
    }

    fn refused(&self, message: String) -> Stop {
        Stop::new(
            format!("append dead letters to {}", self.to.table),
            "BigQuery refuses a dead letter; please report this with the message",
            message,
        )
    }

    /// Writes the columns that the live table has; a column's field number is its index + 1.
    fn encode(&self, letter: &DeadLetter, kept: Kept, now: i64, into: &mut Vec<u8>) {
        let is_kept = |part: &str, bytes: usize| {
            let is_kept = kept == Kept::Parts && bytes <= PART_BYTES;
            if !is_kept {
                tracing::warn!(position = %letter.at, bytes, "a dead letter is written without its {part}");
            }
            is_kept
        };
        let value = letter.value.as_deref().filter(|value| is_kept("value", value.len()));
        let key = letter.key.as_deref().filter(|key| is_kept("key", key.len()));
        let headers = headers_json(letter).filter(|json| is_kept("headers", json.len()));
        let event_type = letter.rejection.event_type.as_deref();
        let event_type = event_type.filter(|name| is_kept("event type", name.len()));
        let micros = letter.timestamp_ms.and_then(|millis| millis.checked_mul(1_000));
        let micros = micros.filter(|micros| ColumnType::TIMESTAMPS.contains(micros));
        for (index, column) in self.columns.columns.iter().enumerate() {
            let tag = index as u32 + 1;
            match column.source.as_str() {
                "_kafka_topic" => text(tag, Some(&self.about.topic), into),
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
                "_contract" => text(tag, Some(&self.about.contract), into),
                "consumer_group" => text(tag, Some(&self.about.group), into),
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
