//! Writes the columns that say which record a row comes from, and by which contract it was read.

use super::fault::Result;
use super::headers;
use super::options::Ingestion;
use super::partition::PartitionCheck;
use super::time;
use super::wire::Tag;
use crate::record::Event;
use crate::row::{ColumnType, TableSchema};

/// The tags of the position columns; `None` for one that the table does not have.
#[derive(Debug)]
pub(super) struct PositionColumns {
    topic: Option<Tag>,
    partition: Option<Tag>,
    offset: Option<Tag>,
    previous: Option<Tag>,
    timestamp: Option<Tag>,
    key: Option<Tag>,
    headers: Option<Tag>,
    event_type: Option<Tag>,
    ingested_at: Option<Tag>,
    contract: Option<Tag>,
}

impl PositionColumns {
    pub(super) fn of(table: &TableSchema) -> Self {
        let tag = |name: &str, kind: ColumnType| Tag::find(table, name, &kind);
        Self {
            topic: tag("_kafka_topic", ColumnType::String),
            partition: tag("_kafka_partition", ColumnType::Int64),
            offset: tag("_kafka_offset", ColumnType::Int64),
            previous: tag("_kafka_previous", ColumnType::Int64),
            timestamp: tag("_kafka_timestamp", ColumnType::Timestamp),
            key: tag("_kafka_key", ColumnType::Bytes),
            headers: tag("_kafka_headers", ColumnType::Json),
            event_type: tag("_event_type", ColumnType::String),
            ingested_at: tag("_ingested_at", ColumnType::Timestamp),
            contract: tag("_contract", ColumnType::String),
        }
    }

    /// Encodes the columns that are the same in every row.
    pub(super) fn constants(&self, topic: &str, contract: &str) -> Box<[u8]> {
        constants([(self.topic, topic), (self.contract, contract)])
    }

    /// Encodes the column that is the same in every row of an event type.
    pub(super) fn event_type_constant(&self, event_type: &str) -> Box<[u8]> {
        constants([(self.event_type, event_type)])
    }

    /// Writes the columns that differ from record to record. `_kafka_timestamp` stays NULL if the
    /// record's timestamp is outside the years 1 to 9999, which no broker sets; `_kafka_headers`
    /// stays NULL if the record has no headers.
    pub(super) fn write(&self, event: &Event<'_>, ingestion: Ingestion, row: &mut Vec<u8>) {
        if let Some(tag) = self.partition {
            tag.int64(i64::from(event.at.partition.0), row);
        }
        if let Some(tag) = self.offset {
            tag.int64(event.at.offset.0, row);
        }
        if let (Some(tag), Some(previous)) = (self.previous, ingestion.previous) {
            tag.int64(previous.0, row);
        }
        if let (Some(tag), Some(micros)) = (self.timestamp, micros(event)) {
            tag.int64(micros, row);
        }
        if let (Some(tag), Some(key)) = (self.key, event.key) {
            tag.bytes(key, row);
        }
        if let Some(tag) = self.headers.filter(|_| !event.headers.is_empty()) {
            tag.delimited(row, |row| headers::write(event.headers, row));
        }
        if let Some(tag) = self.ingested_at {
            tag.int64(ingestion.at_micros, row);
        }
    }
}

fn constants<const N: usize>(columns: [(Option<Tag>, &str); N]) -> Box<[u8]> {
    let mut row = Vec::new();
    for (tag, value) in columns {
        if let Some(tag) = tag {
            tag.bytes(value.as_bytes(), &mut row);
        }
    }
    row.into_boxed_slice()
}

/// Checks the record's timestamp for a table that is partitioned by `_kafka_timestamp`.
pub(super) fn check_timestamp(event: &Event<'_>, partition: PartitionCheck<'_>) -> Result<()> {
    match micros(event) {
        Some(micros) => {
            partition.micros(micros).map_err(|fault| fault.under_key("_kafka_timestamp"))
        }
        None => Ok(()),
    }
}

/// The record's timestamp in microseconds, if a TIMESTAMP column can hold it.
fn micros(event: &Event<'_>) -> Option<i64> {
    let micros = event.timestamp_ms?.checked_mul(1_000)?;
    time::in_micros_range(micros).is_ok().then_some(micros)
}
