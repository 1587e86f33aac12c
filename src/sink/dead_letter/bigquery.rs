//! Dead letters in a BigQuery table next to the domain's own.

use prost::encoding::{bytes as byte_string, int64, string};
use tokio::sync::Mutex;
use tonic::transport::Channel;

use super::about::About;
use super::headers::headers_json;
use crate::clock::Clock;
use crate::config::TableId;
use crate::record::DeadLetter;
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};
use crate::sink::BatchId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::appender::{ANSWER, Appended, Appender, Destination};
use crate::sink::bigquery::descriptor::writer_schema;
use crate::stop::Stop;

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

/// The table's columns. `value` holds the first MiB of the record's value; `value_bytes` and
/// `value_sha256` (lower-case hex) describe the whole value. Times are in microseconds UTC.
fn columns() -> Vec<Column> {
    use ColumnType::{Bytes, Int64, Json, String, Timestamp};
    vec![
        Column::nullable("_kafka_topic", String),
        Column::nullable("_kafka_partition", Int64),
        Column::nullable("_kafka_offset", Int64),
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

impl LetterTable {
    pub async fn open(
        bigquery: &BigQuery,
        table: TableId,
        manage: bool,
        about: About,
    ) -> Result<Self, Stop> {
        let desired = TableSchema { columns: columns() };
        let columns = bigquery.prepare(&table, &desired, manage, "_ingested_at").await?.columns;
        let to =
            Destination { schema: writer_schema(&columns), table, buffered: false, answer: ANSWER };
        Ok(Self {
            to,
            columns,
            about,
            clock: bigquery.clock(),
            channel: bigquery.channel(),
            appender: Mutex::new(None),
            bigquery: bigquery.clone(),
        })
    }

    /// Durable once this returns.
    pub async fn send(&self, letters: &[DeadLetter]) -> Result<(), Stop> {
        let now = self.clock.now_micros();
        let mut rows = RowBuffer::default();
        for letter in letters {
            let Ok(()) = rows.push(letter.at, |into| {
                self.encode(letter, now, into);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        let mut kept = self.appender.lock().await;
        // It is put back only after success. Where this future is dropped instead, because its lane
        // was given up, the appender goes with it, and nobody takes its answers for their own.
        let mut appender = kept.take().unwrap_or_else(|| {
            Appender::new(self.bigquery.clone(), self.channel.clone(), self.to.clone())
        });
        appender.admit(BatchId(0), rows, false);
        while appender.settled().is_none() {
            appender.send().await?;
            if let Appended::Refused { rows, .. } = appender.next().await? {
                let message = rows.into_iter().next().map_or(String::new(), |(_, message)| message);
                return Err(self.refused(message));
            }
        }
        *kept = Some(appender);
        Ok(())
    }

    fn refused(&self, message: String) -> Stop {
        Stop::new(
            format!("append dead letters to {}", self.to.table),
            "BigQuery refuses a dead letter; please report this with the message",
            message,
        )
    }

    /// Writes the columns that the live table has; a column's field number is its index + 1.
    fn encode(&self, letter: &DeadLetter, now: i64, into: &mut Vec<u8>) {
        for (index, column) in self.columns.columns.iter().enumerate() {
            let tag = index as u32 + 1;
            let mut text = |value: Option<&str>| {
                if let Some(value) = value {
                    string::encode(tag, &value.to_owned(), into);
                }
            };
            match column.source.as_str() {
                "_kafka_topic" => text(Some(&self.about.topic)),
                "_kafka_headers" => text(headers_json(letter).as_deref()),
                "value_sha256" => text(Some(&letter.value_sha256)),
                "reason" => text(Some(letter.rejection.reason.code())),
                "detail" => text(Some(&letter.rejection.detail)),
                "_event_type" => text(letter.rejection.event_type.as_deref()),
                "_contract" => text(Some(&self.about.contract)),
                "consumer_group" => text(Some(&self.about.group)),
                "_kafka_partition" => int64::encode(tag, &i64::from(letter.at.partition.0), into),
                "_kafka_offset" => int64::encode(tag, &letter.at.offset.0, into),
                "value_bytes" => int64::encode(tag, &(letter.value_bytes as i64), into),
                "_ingested_at" => int64::encode(tag, &now, into),
                "_kafka_timestamp" => {
                    if let Some(millis) = letter.timestamp_ms {
                        int64::encode(tag, &millis.saturating_mul(1_000), into);
                    }
                }
                "_kafka_key" => {
                    if let Some(key) = &letter.key {
                        byte_string::encode(tag, key, into);
                    }
                }
                "value" => {
                    if let Some(value) = &letter.value {
                        byte_string::encode(tag, value, into);
                    }
                }
                _ => {}
            }
        }
    }
}
