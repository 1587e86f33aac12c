//! Rows for tests, encoded as the transcoder encodes them.

use prost::encoding::{WireType, double, encode_key, encode_varint, int64};

use crate::record::Position;
use crate::row::{Column, ColumnType, Mode, RowBuffer, TableSchema};

pub const TOPIC: &str = "amounts";

/// A value of a row.
#[derive(Debug, Clone)]
pub enum Value {
    None,
    Text(String),
    Bytes(Vec<u8>),
    Integer(i64),
    Float(f64),
    Record(Vec<Value>),
    Array(Vec<Value>),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The position columns that the tests need, and these.
pub fn schema(payload: Vec<Column>) -> TableSchema {
    use ColumnType::{Int64, Timestamp};
    let positions = [
        ("_kafka_topic", ColumnType::String),
        ("_kafka_partition", Int64),
        ("_kafka_offset", Int64),
        ("_kafka_previous", Int64),
        ("_kafka_timestamp", Timestamp),
        ("_event_type", ColumnType::String),
        ("_ingested_at", Timestamp),
    ];
    let positions = positions.into_iter().map(|(name, kind)| Column::nullable(name, kind));
    TableSchema { columns: positions.chain(payload).collect() }
}

pub fn array(name: &str, kind: ColumnType) -> Column {
    Column { mode: Mode::Repeated, ..Column::nullable(name, kind) }
}

/// Appends a row of [`schema`] with this time of the record, in microseconds.
pub fn push(rows: &mut RowBuffer, at: Position, micros: Option<i64>, payload: &[Value]) {
    let mut values = vec![
        Value::text(TOPIC),
        Value::Integer(at.partition.0.into()),
        Value::Integer(at.offset.0),
        Value::Integer(at.offset.0 - 1),
        micros.map_or(Value::None, Value::Integer),
        Value::text("E"),
        Value::Integer(1_795_255_200_000_000),
    ];
    values.extend_from_slice(payload);
    let Ok(()) = rows.push(at, |into| {
        encode(&values, into);
        Ok::<(), std::convert::Infallible>(())
    });
}

fn encode(values: &[Value], into: &mut Vec<u8>) {
    for (index, value) in values.iter().enumerate() {
        one(index as u32 + 1, value, into);
    }
}

fn one(tag: u32, value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::None => {}
        Value::Text(text) => delimited(tag, text.as_bytes(), into),
        Value::Bytes(bytes) => delimited(tag, bytes, into),
        Value::Integer(value) => int64::encode(tag, value, into),
        Value::Float(value) => double::encode(tag, value, into),
        Value::Record(values) => {
            let mut inner = Vec::new();
            encode(values, &mut inner);
            delimited(tag, &inner, into);
        }
        Value::Array(items) => items.iter().for_each(|item| one(tag, item, into)),
    }
}

fn delimited(tag: u32, bytes: &[u8], into: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, into);
    encode_varint(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}
