//! A row as a message: its JSON, its key and its headers (docs/reference/kafka.md).

use serde_json::Value;

use super::columns::{KeyError, key_path, members};
use crate::record::Position;
use crate::row::{Cell, FieldError, FieldValue, Fields, TableSchema, json};

/// A message of the topic of rows, or of that of dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// `None`: by the key, or any.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch. `None`: now.
    pub timestamp_ms: Option<i64>,
}

impl Message {
    /// Bytes of its parts.
    pub fn bytes(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + length(value));
        length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }
}

/// How the rows of a domain become messages.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    columns: TableSchema,
    /// For each column whether it is a member of the JSON object.
    members: Vec<bool>,
    /// The field that is the key, as columns that lead to it. `None`: the record's key.
    key: Option<Vec<usize>>,
    /// The topic that the records come from.
    source: String,
    places: Places,
}

/// The indices of the position columns that a message needs.
#[derive(Debug, Clone)]
struct Places {
    key: Option<usize>,
    headers: Option<usize>,
    previous: Option<usize>,
    event_type: Option<usize>,
}

impl Layout {
    pub fn new(
        columns: &TableSchema,
        key: Option<&[String]>,
        source: &str,
    ) -> Result<Self, KeyError> {
        let place = |name| columns.columns.iter().position(|column| column.name == name);
        Ok(Self {
            members: members(columns),
            key: key.map(|key| key_path(columns, key)).transpose()?,
            source: source.to_owned(),
            places: Places {
                key: place("_kafka_key"),
                headers: place("_kafka_headers"),
                previous: place("_kafka_previous"),
                event_type: place("_event_type"),
            },
            columns: columns.clone(),
        })
    }

    pub fn columns(&self) -> &TableSchema {
        &self.columns
    }

    /// The message of an encoded row.
    pub fn message(&self, at: Position, row: &[u8]) -> Result<Message, FieldError> {
        let columns = &self.columns.columns;
        let mut values = Vec::with_capacity(columns.len());
        Fields::new(columns, row).read(&mut values)?;
        let value = json::object(columns, &values, |index| self.members[index])?;
        let key = match &self.key {
            Some(path) => key_at(&values, path)?,
            None => match self.places.key.and_then(|index| values.get(index)) {
                Some(FieldValue::Bytes(bytes)) => Some(bytes.to_vec()),
                _ => None,
            },
        };
        let text = |place: Option<usize>| place.and_then(|index| values.get(index)).copied();
        let mut headers = vec![
            header("source_topic", &self.source),
            header("source_partition", &at.partition.to_string()),
            header("source_offset", &at.offset.to_string()),
        ];
        if let Some(FieldValue::Int64(previous)) = text(self.places.previous) {
            headers.push(header("source_previous", &previous.to_string()));
        }
        if let Some(FieldValue::String(event_type)) = text(self.places.event_type) {
            headers.push(header("event_type", event_type));
        }
        if let Some(FieldValue::Json(source)) = text(self.places.headers)
            && let Some(trace) = traceparent(source)
        {
            headers.push(header(TRACEPARENT, &trace));
        }
        Ok(Message { key, value: Some(value.into_bytes()), headers, ..Message::default() })
    }
}

fn header(name: &str, value: &str) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), Some(value.as_bytes().to_vec()))
}

/// The value at the end of a path as a key: text and bytes as they are, everything else as in JSON.
fn key_at(values: &[FieldValue<'_>], path: &[usize]) -> Result<Option<Vec<u8>>, FieldError> {
    let Some((first, rest)) = path.split_first() else { return Ok(None) };
    Ok(match values.get(*first) {
        None | Some(FieldValue::Null) => None,
        Some(FieldValue::Bytes(bytes)) => Some(bytes.to_vec()),
        Some(FieldValue::Record(fields)) => {
            let mut inner = Vec::new();
            fields.read(&mut inner)?;
            key_at(&inner, rest)?
        }
        Some(value) => Some(match json::cell(*value)? {
            Cell::Scalar(Value::String(text)) => text.into_bytes(),
            cell => cell.on_one_line().into_bytes(),
        }),
    })
}

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// The record's trace, of the JSON object that the headers are in. Of several the last counts.
fn traceparent(headers: &str) -> Option<String> {
    if !headers.contains(TRACEPARENT) {
        return None;
    }
    let headers: Value = serde_json::from_str(headers).ok()?;
    let value = match headers.get(TRACEPARENT)? {
        Value::Array(all) => all.last()?,
        one => one,
    };
    value.as_str().map(str::to_owned)
}
