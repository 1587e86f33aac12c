//! Dead letters in a BigQuery table beside the domain's own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::Response;
use gcp_bigquery_client::google::rpc;
use prost::encoding::{bytes as byte_string, int64, string};
use tokio::sync::Mutex;
use tonic::transport::Channel;

use super::{About, headers_json};
use crate::clock::Clock;
use crate::config::TableId;
use crate::record::DeadLetter;
use crate::retry::Backoff;
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};
use crate::sink::SinkError;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::append::{Append, Connection};
use crate::sink::bigquery::descriptor::writer_schema;
use crate::sink::bigquery::errors::{CallError, Verdict};

/// An answer that takes longer is asked for again.
const ANSWER: Duration = Duration::from_secs(60);

/// One append's worth; BigQuery takes 20 MB.
const REQUEST_BYTES: usize = 9 << 20;

/// The dead-letter table and the one connection to its default stream.
pub struct LetterTable {
    bigquery: BigQuery,
    stream: String,
    schema: Bytes,
    columns: TableSchema,
    about: About,
    clock: Clock,
    channel: Channel,
    /// One request at a time: dead letters are few, and their order is a courtesy.
    connection: Mutex<Option<Connection>>,
}

/// The table's columns. `value` holds the first MiB; `value_bytes` and `value_sha256` (lower-case
/// hex) speak of the whole value; times are in microseconds UTC.
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
    ) -> Result<Self, SinkError> {
        let desired = TableSchema { columns: columns() };
        let columns = bigquery.prepare(&table, &desired, manage, "_ingested_at").await?;
        Ok(Self {
            stream: format!("{}/streams/_default", table.path()),
            schema: writer_schema(&columns),
            columns,
            about,
            clock: bigquery.clock(),
            channel: bigquery.channel(),
            connection: Mutex::new(None),
            bigquery: bigquery.clone(),
        })
    }

    pub async fn send(&self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        let now = self.clock.now_micros();
        let mut rows = RowBuffer::default();
        for letter in letters {
            let Ok(()) = rows.push(letter.at, |into| {
                self.encode(letter, now, into);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        for part in rows.split(REQUEST_BYTES) {
            self.append(Arc::new(part)).await?;
        }
        Ok(())
    }

    /// Writes the columns that the table has, in their own field numbers.
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

    async fn append(&self, rows: Arc<RowBuffer>) -> Result<(), SinkError> {
        let mut held = self.connection.lock().await;
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        loop {
            // Taken out while a request is on its way: whoever stops waiting (a lane that is given
            // up) drops the connection with it, and nobody takes its answer for their own.
            let connection = held.take();
            let error = match self.once(connection, &rows).await {
                Ok(connection) => {
                    *held = Some(connection);
                    return Ok(());
                }
                Err(error) => error,
            };
            match error.verdict() {
                Verdict::Retry | Verdict::RetrySlowly => {
                    tracing::warn!(error = %error, "append dead letters again");
                    tokio::time::sleep(backoff.pause()).await;
                }
                Verdict::AlreadyExists | Verdict::FreshStream => {
                    return Err(
                        error.stop("the default stream knows no offsets; please report this")
                    );
                }
                Verdict::Stop(hint) => return Err(error.stop(hint)),
            }
        }
    }

    /// One request and its answer; gives the connection back if it may be used again.
    async fn once(
        &self,
        connection: Option<Connection>,
        rows: &Arc<RowBuffer>,
    ) -> Result<Connection, CallError> {
        let fresh = connection.is_none();
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.bigquery.append(&self.channel, &self.stream).await?,
        };
        let operation = "append dead letters to";
        connection.send(Append {
            stream: fresh.then(|| Arc::from(self.stream.as_str())),
            schema: fresh.then(|| self.schema.clone()),
            offset: None,
            rows: rows.clone(),
        });
        match tokio::time::timeout(ANSWER, connection.answer()).await {
            Ok(Some(Ok(response))) => match response.response {
                Some(Response::Error(status)) => {
                    Err(CallError::in_band(operation, &self.stream, &status))
                }
                _ if !response.row_errors.is_empty() => {
                    let status = rpc::Status {
                        code: tonic::Code::InvalidArgument.into(),
                        message: response.row_errors[0].message.clone(),
                        details: Vec::new(),
                    };
                    Err(CallError::in_band(operation, &self.stream, &status))
                }
                _ => Ok(connection),
            },
            Ok(Some(Err(status))) => Err(CallError::of_status(operation, &self.stream, &status)),
            Ok(None) | Err(_) => Err(CallError::no_answer(operation, &self.stream)),
        }
    }
}
