//! The oracle: the whole transcoder written again, slowly and obviously. It uses serde_json's tree,
//! the `jsonschema` crate and jiff, and reads the contract's JSON Schema directly.

use std::collections::BTreeMap;

use base64::Engine;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::descriptor::Cell;
use super::named::{at, first};
use super::plain::Plain;
use super::scalar::{self, is_whole};
use crate::config::RowLayout;
use crate::contract::Discriminator;
use crate::record::{Event, Reason};
use crate::row::{Column, ColumnType, Mode, TableSchema};

/// The outcome that a record must have.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Ignored(String),
    Row(Vec<(String, Cell)>),
    Rejected(Reason),
}

pub(super) struct Oracle {
    pub(super) topic: String,
    pub(super) contract: String,
    pub(super) discriminator: Discriminator,
    pub(super) ignore: Vec<String>,
    /// Event type → its JSON Schema.
    pub(super) events: BTreeMap<String, Value>,
    pub(super) table: TableSchema,
    pub(super) layout: RowLayout,
    pub(super) partition_by: String,
    /// Days back and ahead that the partition accepts.
    pub(super) window: Option<(i64, i64)>,
    pub(super) now_micros: i64,
    pub(super) max_bytes: usize,
}

impl Oracle {
    pub(super) fn judge(&self, event: &Event<'_>, ingested_at: i64) -> Verdict {
        let Some(value) = event.value else { return Verdict::Ignored("tombstone".to_owned()) };
        if let Some(kind) = self.named_first(event, value)
            && self.ignore.contains(&kind)
        {
            // A later duplicate of the type counts only if the whole text is JSON.
            match (&self.discriminator, Plain::read(String::from_utf8_lossy(value).as_bytes())) {
                (Discriminator::Header(_) | Discriminator::Only(_), _) | (_, Err(_)) => {
                    return Verdict::Ignored(kind);
                }
                (Discriminator::Payload(path), Ok(plain)) => {
                    if at(&plain, path) == Some(&Plain::String(kind.clone())) {
                        return Verdict::Ignored(kind);
                    }
                }
            }
        }
        self.row(event, value, ingested_at).unwrap_or_else(Verdict::Rejected)
    }

    fn row(&self, event: &Event<'_>, value: &[u8], ingested_at: i64) -> Result<Verdict, Reason> {
        match value {
            [] => return Err(Reason::Empty),
            [0, _, _, _, _, ..] => return Err(Reason::RegistryFramed),
            value if value.len() > self.max_bytes => return Err(Reason::TooLarge),
            _ => {}
        }
        let plain = Plain::read(value)?;
        if let (Discriminator::Payload(_), false) =
            (&self.discriminator, matches!(plain, Plain::Object(_)))
        {
            return Err(Reason::InvalidJson);
        }
        let kind = match &self.discriminator {
            Discriminator::Header(_) | Discriminator::Only(_) => self.named_first(event, value),
            Discriminator::Payload(path) => match at(&plain, path) {
                Some(Plain::String(kind)) => Some(kind.clone()),
                _ => None,
            },
        }
        .ok_or(Reason::NoEventType)?;
        if self.ignore.contains(&kind) {
            return Ok(Verdict::Ignored(kind));
        }
        let schema = self.events.get(&kind).ok_or(Reason::UnknownEventType)?;
        if self.partition_by == "_kafka_timestamp"
            && let Some(micros) = kafka_time(event)
        {
            self.in_window(micros)?;
        }
        let Plain::Object(members) = &plain else { return Err(Reason::InvalidJson) };
        let validator = jsonschema::validator_for(schema).unwrap();
        let cells = self.cells(event, &kind, ingested_at, schema, &plain, members);
        // If a double holds every number exactly, the JSON Schema validator has to find a fault of
        // types or required fields too.
        if let Err(Reason::WrongType | Reason::MissingField | Reason::NullInArray) = cells
            && plain.is_exact()
        {
            assert!(!validator.is_valid(&without_nulls(schema, &plain).value()), "{plain:?}");
        }
        let mut cells = cells?;
        if !validator.is_valid(&plain.value()) {
            let value = without_nulls(schema, &plain).value();
            validator.validate(&value).map_err(|error| match error.kind() {
                ValidationErrorKind::Type { .. } => Reason::WrongType,
                ValidationErrorKind::Required { .. } => Reason::MissingField,
                _ => Reason::ContractViolation,
            })?;
        }
        let has = |name: &str| self.table.columns.iter().any(|column| column.name == name);
        cells.retain(|(name, _)| has(name));
        let place = |name: &str| self.table.columns.iter().position(|c| c.name == name);
        cells.sort_by_key(|(name, _)| place(name));
        Ok(Verdict::Row(cells))
    }

    fn cells(
        &self,
        event: &Event<'_>,
        kind: &str,
        ingested_at: i64,
        schema: &Value,
        plain: &Plain,
        members: &[(String, Plain)],
    ) -> Result<Vec<(String, Cell)>, Reason> {
        let mut cells = self.position(event, kind, ingested_at);
        match self.layout {
            RowLayout::Envelope => {
                checked(schema, plain)?;
                cells.push(("payload".to_owned(), Cell::Json(plain.clone())));
            }
            RowLayout::Columns => {
                let mut extra = Vec::new();
                let columns = &self.table.columns;
                cells.extend(self.members(schema, members, columns, &mut extra, true)?);
                if !extra.is_empty() {
                    cells.push(("_extra".to_owned(), Cell::Json(Plain::Object(extra))));
                }
            }
        }
        Ok(cells)
    }

    fn position(&self, event: &Event<'_>, kind: &str, ingested_at: i64) -> Vec<(String, Cell)> {
        let mut cells = vec![
            ("_kafka_topic", Cell::Text(self.topic.clone())),
            ("_kafka_partition", Cell::Int(event.at.partition.0.into())),
            ("_kafka_offset", Cell::Int(event.at.offset.0)),
            ("_event_type", Cell::Text(kind.to_owned())),
            ("_ingested_at", Cell::Int(ingested_at)),
            ("_contract", Cell::Text(self.contract.clone())),
        ];
        if let Some(micros) = kafka_time(event) {
            cells.push(("_kafka_timestamp", Cell::Int(micros)));
        }
        if let Some(key) = event.key {
            cells.push(("_kafka_key", Cell::Bytes(key.to_vec())));
        }
        if !event.headers.is_empty() {
            cells.push(("_kafka_headers", Cell::Json(headers(event))));
        }
        cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect()
    }

    /// The columns of an object whose fields have columns.
    fn members(
        &self,
        schema: &Value,
        members: &[(String, Plain)],
        columns: &[Column],
        extra: &mut Vec<(String, Plain)>,
        top: bool,
    ) -> Result<Vec<(String, Cell)>, Reason> {
        let mut cells = Vec::new();
        for (key, value) in members {
            let Some(property) = schema["properties"].get(key) else {
                float64(value)?;
                extra.push((key.clone(), value.clone()));
                continue;
            };
            let optional = !required(schema, key);
            if *value == Plain::Null && (optional || takes_null(property)) {
                continue;
            }
            // A field may have the name of a position column; its own column has another name.
            let ours = TableSchema::position_columns();
            let is_ours = |name: &str| name == "_extra" || ours.iter().any(|c| c.name == name);
            let column = columns.iter().find(|c| c.source == *key && !(top && is_ours(&c.name)));
            let Some(column) = column else {
                checked(property, value)?;
                continue;
            };
            let partition = top && column.name == self.partition_by;
            let (cell, inner) = self.cell(property, value, column, partition)?;
            extra.extend(inner.map(|inner| (key.clone(), inner)));
            if cell != Cell::Repeated(Vec::new()) {
                cells.push((column.name.clone(), cell));
            }
        }
        all_there(schema, members)?;
        let place = |name: &str| columns.iter().position(|c| c.name == name);
        cells.sort_by_key(|(name, _)| place(name));
        Ok(cells)
    }

    /// What the column holds, and the part of the value that goes to `_extra`.
    fn cell(
        &self,
        schema: &Value,
        value: &Plain,
        column: &Column,
        partition: bool,
    ) -> Result<(Cell, Option<Plain>), Reason> {
        if column.mode == Mode::Repeated {
            let Plain::Array(items) = value else { return Err(Reason::WrongType) };
            let single = Column { mode: Mode::Nullable, ..column.clone() };
            let item = |item: &Plain| match item {
                Plain::Null => Err(Reason::NullInArray),
                item => self.cell(&schema["items"], item, &single, false),
            };
            let items: Vec<_> = items.iter().map(item).collect::<Result<_, _>>()?;
            let (cells, mut extras): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            while extras.last().is_some_and(Option::is_none) {
                extras.pop();
            }
            let extras = extras.into_iter().map(|extra| extra.unwrap_or(Plain::Null)).collect();
            let extra = Some(Plain::Array(extras)).filter(|all| *all != Plain::Array(Vec::new()));
            return Ok((Cell::Repeated(cells), extra));
        }
        if column.kind == ColumnType::Json {
            checked(schema, value)?;
            return Ok((Cell::Json(value.clone()), None));
        }
        if let ColumnType::Record(fields) = &column.kind {
            let Plain::Object(members) = value else { return Err(Reason::WrongType) };
            let mut extra = Vec::new();
            let cells = self.members(schema, members, fields, &mut extra, false)?;
            let extra = (!extra.is_empty()).then_some(Plain::Object(extra));
            return Ok((Cell::Record(cells), extra));
        }
        self.scalar(schema, value, column, partition).map(|cell| (cell, None))
    }

    fn scalar(
        &self,
        schema: &Value,
        value: &Plain,
        column: &Column,
        partition: bool,
    ) -> Result<Cell, Reason> {
        // The JSON type is checked first, then the conversion to the column's type.
        let (text, is_string) = match (json_type(schema), value) {
            (_, Plain::Number(text)) if column.kind == ColumnType::String => {
                checked(schema, value)?;
                return Ok(Cell::Text(text.clone()));
            }
            ("any", Plain::String(text)) => return Ok(Cell::Text(text.clone())),
            // The generated schemas allow strings and integers here, and the validator says so.
            ("any", value) => {
                checked(schema, value)?;
                return Ok(Cell::Text(String::new()));
            }
            ("boolean", Plain::Bool(value)) => return Ok(Cell::Bool(*value)),
            ("integer", Plain::Number(text)) if is_whole(text) => (text, false),
            ("number", Plain::Number(text)) => (text, false),
            ("string", Plain::String(text)) => (text, true),
            _ => return Err(Reason::WrongType),
        };
        let cell = scalar::cell(&column.kind, text, is_string)?;
        match (&column.kind, &cell) {
            (ColumnType::Timestamp, Cell::Int(micros)) if partition => self.in_window(*micros)?,
            (ColumnType::Date, Cell::Int(days)) if partition => {
                let today = self.now_micros.div_euclid(86_400_000_000);
                if let Some((back, ahead)) = self.window
                    && (*days < today - back || *days > today + ahead)
                {
                    return Err(Reason::OutOfRange);
                }
            }
            _ => {}
        }
        Ok(cell)
    }

    fn in_window(&self, micros: i64) -> Result<(), Reason> {
        let day = 86_400_000_000;
        let Some((back, ahead)) = self.window else { return Ok(()) };
        let past = self.now_micros - back * day;
        let future = self.now_micros + ahead * day;
        if micros < past || micros > future { Err(Reason::OutOfRange) } else { Ok(()) }
    }

    /// The first event type, found without reading the text behind it.
    fn named_first(&self, event: &Event<'_>, value: &[u8]) -> Option<String> {
        match &self.discriminator {
            Discriminator::Header(name) => {
                let headers = (0..event.headers.len()).map(|index| event.headers.get(index));
                let value = headers.filter(|(n, value)| n == name && value.is_some()).last()?.1?;
                Some(String::from_utf8_lossy(value).into_owned())
            }
            Discriminator::Only(name) => Some(name.clone()),
            Discriminator::Payload(path) => first(&String::from_utf8_lossy(value), path),
        }
    }
}

/// The record's timestamp in microseconds, if it is in the years 1 to 9999.
fn kafka_time(event: &Event<'_>) -> Option<i64> {
    let years = -62_135_596_800_000..253_402_300_800_000;
    event.timestamp_ms.filter(|ms| years.contains(ms)).map(|ms| ms * 1000)
}

fn headers(event: &Event<'_>) -> Plain {
    let mut members: Vec<(String, Vec<Plain>)> = Vec::new();
    for (name, value) in (0..event.headers.len()).map(|index| event.headers.get(index)) {
        let value = match value.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
            None => Plain::Null,
            Some((_, Ok(text))) => Plain::String(text.to_owned()),
            Some((bytes, Err(_))) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                Plain::Object(vec![("base64".to_owned(), Plain::String(text))])
            }
        };
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => members.push((name.to_owned(), vec![value])),
        }
    }
    let single = |(name, mut values): (String, Vec<Plain>)| match values.len() {
        1 => (name, values.remove(0)),
        _ => (name, Plain::Array(values)),
    };
    Plain::Object(members.into_iter().map(single).collect())
}

fn json_type(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            match (names.next(), names.next()) {
                (Some(one), None) => one,
                _ => "any",
            }
        }
        _ => "any",
    }
}

fn takes_null(schema: &Value) -> bool {
    match &schema["type"] {
        Value::String(name) => name == "null",
        Value::Array(names) => names.iter().any(|name| name == "null"),
        _ => true,
    }
}

fn required(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == key))
}

fn all_there(schema: &Value, members: &[(String, Plain)]) -> Result<(), Reason> {
    let mut names = schema["required"].as_array().into_iter().flatten();
    let there = |name: &Value| members.iter().any(|(key, _)| name == key);
    if names.all(there) { Ok(()) } else { Err(Reason::MissingField) }
}

/// Checks a value that has no typed column.
fn checked(schema: &Value, value: &Plain) -> Result<(), Reason> {
    match (json_type(schema), value) {
        (_, Plain::Null) if takes_null(schema) => Ok(()),
        ("any", Plain::Null) => Err(Reason::WrongType),
        ("any", value) => float64(value),
        ("boolean", Plain::Bool(_)) | ("string", Plain::String(_)) => Ok(()),
        ("integer", Plain::Number(text)) if !is_whole(text) => Err(Reason::WrongType),
        ("integer" | "number", Plain::Number(_)) => float64(value),
        ("array", Plain::Array(items)) => items.iter().try_for_each(|item| match item {
            Plain::Null if !takes_null(&schema["items"]) => Err(Reason::NullInArray),
            item => checked(&schema["items"], item),
        }),
        ("object", Plain::Object(members)) => {
            for (key, value) in members {
                match schema["properties"].get(key) {
                    None => float64(value)?,
                    Some(_) if *value == Plain::Null && !required(schema, key) => {}
                    Some(property) => checked(property, value)?,
                }
            }
            all_there(schema, members)
        }
        _ => Err(Reason::WrongType),
    }
}

/// Returns the value without optional members that are null.
fn without_nulls(schema: &Value, value: &Plain) -> Plain {
    match value {
        Plain::Array(items) => {
            Plain::Array(items.iter().map(|item| without_nulls(&schema["items"], item)).collect())
        }
        Plain::Object(members) => {
            let kept = members.iter().filter(|(key, value)| {
                *value != Plain::Null
                    || required(schema, key)
                    || schema["properties"].get(key).is_none()
            });
            let inner = |(key, value): &(String, Plain)| {
                (key.clone(), without_nulls(&schema["properties"][key], value))
            };
            Plain::Object(kept.map(inner).collect())
        }
        leaf => leaf.clone(),
    }
}

fn float64(value: &Plain) -> Result<(), Reason> {
    if value.is_float64() { Ok(()) } else { Err(Reason::OutOfRange) }
}
