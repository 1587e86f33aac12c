//! The plain twin of the whole transcoder: serde_json's tree, the `jsonschema` crate, jiff for
//! time, and the contract's JSON Schema read as it stands. Slow and obvious.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::Value;
use serde_json::value::RawValue;

use super::descriptor::Cell;
use super::grammar::is_json;
use super::plain::Plain;
use crate::config::RowLayout;
use crate::contract::Discriminator;
use crate::pipeline::Reason;
use crate::row::{Column, ColumnType, Mode, TableSchema};
use crate::source::Event;

/// What must become of a record.
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
    pub(super) now_micros: i64,
    pub(super) max_bytes: usize,
}

impl Oracle {
    pub(super) fn judge(&self, event: &Event<'_>, ingested_at: i64) -> Verdict {
        let Some(value) = event.value else { return Verdict::Ignored("tombstone".to_owned()) };
        if let Some(kind) = self.named_first(event, value)
            && self.ignore.contains(&kind)
        {
            // Another type behind it counts only where the text can be read to its end.
            match (&self.discriminator, Plain::read(String::from_utf8_lossy(value).as_bytes())) {
                (Discriminator::Header(_), _) | (_, Err(_)) => return Verdict::Ignored(kind),
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
            Discriminator::Header(_) => self.named_first(event, value),
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
            && let Some(ms) = event.timestamp_ms
        {
            self.in_window(ms * 1000)?;
        }
        let Plain::Object(members) = &plain else { return Err(Reason::InvalidJson) };
        let mut cells = self.position(event, &kind, ingested_at);
        match self.layout {
            RowLayout::Envelope => {
                checked(schema, &plain)?;
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
        let validator = jsonschema::validator_for(schema).unwrap();
        if !validator.is_valid(&without_nulls(schema, &plain).value()) {
            return Err(Reason::ContractViolation);
        }
        let has = |name: &str| self.table.columns.iter().any(|column| column.name == name);
        cells.retain(|(name, _)| has(name));
        let place = |name: &str| self.table.columns.iter().position(|c| c.name == name);
        cells.sort_by_key(|(name, _)| place(name));
        Ok(Verdict::Row(cells))
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
        if let Some(ms) = event.timestamp_ms {
            cells.push(("_kafka_timestamp", Cell::Int(ms * 1000)));
        }
        if let Some(key) = event.key {
            cells.push(("_kafka_key", Cell::Bytes(key.to_vec())));
        }
        if !event.headers.is_empty() {
            cells.push(("_kafka_headers", Cell::Json(headers(event))));
        }
        cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect()
    }

    /// The members of an object that has columns of its own.
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
            let column = columns.iter().find(|c| c.source == *key && !c.name.starts_with('_'));
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

    /// What a column holds, and what of the value it does not hold.
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
        // The JSON type first, then what the column makes of it.
        let (text, is_string) = match (json_type(schema), value) {
            ("boolean", Plain::Bool(value)) => return Ok(Cell::Bool(*value)),
            ("integer", Plain::Number(text)) if is_whole(text) => (text, false),
            ("number", Plain::Number(text)) => (text, false),
            ("string", Plain::String(text)) => (text, true),
            _ => return Err(Reason::WrongType),
        };
        match &column.kind {
            ColumnType::String => Ok(Cell::Text(text.clone())),
            ColumnType::Bytes => {
                let text = text.trim_end_matches('=');
                let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(text);
                bytes.map(Cell::Bytes).map_err(|_| Reason::BadFormat)
            }
            ColumnType::Timestamp => {
                let micros = moment(text)?;
                if partition {
                    self.in_window(micros)?;
                }
                Ok(Cell::Int(micros))
            }
            ColumnType::Date => {
                let days = day(text)?;
                if partition {
                    let today = self.now_micros.div_euclid(86_400_000_000);
                    if days < today - 1825 || days > today + 366 {
                        return Err(Reason::OutOfRange);
                    }
                }
                Ok(Cell::Int(days))
            }
            ColumnType::Int64 => match super::values::plain_decimal_of(text) {
                None => Err(Reason::BadFormat),
                Some((_, _, fraction)) if !fraction.is_empty() => {
                    Err(if is_string { Reason::BadFormat } else { Reason::WrongType })
                }
                Some((negative, whole, _)) => {
                    let sign = if negative { "-" } else { "" };
                    let whole = if whole.is_empty() { "0" } else { &whole };
                    format!("{sign}{whole}").parse().map(Cell::Int).map_err(|_| Reason::OutOfRange)
                }
            },
            ColumnType::Float64 => {
                super::values::plain_decimal_of(text).ok_or(Reason::BadFormat)?;
                let value: f64 = text.parse().map_err(|_| Reason::BadFormat)?;
                if value.is_finite() {
                    Ok(Cell::Float(value.to_bits()))
                } else {
                    Err(Reason::OutOfRange)
                }
            }
            ColumnType::Numeric => decimal(text, 29, 9),
            ColumnType::BigNumeric => decimal(text, 38, 38),
            kind => panic!("no generated contract has a {kind:?} column"),
        }
    }

    fn in_window(&self, micros: i64) -> Result<(), Reason> {
        let day = 86_400_000_000;
        let past = self.now_micros - 1825 * day;
        let future = self.now_micros + 366 * day;
        if micros < past || micros > future { Err(Reason::OutOfRange) } else { Ok(()) }
    }

    /// The type as far as it can be told without reading past it.
    fn named_first(&self, event: &Event<'_>, value: &[u8]) -> Option<String> {
        match &self.discriminator {
            Discriminator::Header(name) => {
                let headers = (0..event.headers.len()).map(|index| event.headers.get(index));
                let value = headers.filter(|(n, value)| n == name && value.is_some()).last()?.1?;
                Some(String::from_utf8_lossy(value).into_owned())
            }
            Discriminator::Payload(path) => first(&String::from_utf8_lossy(value), path),
        }
    }
}

fn at<'p>(plain: &'p Plain, path: &[String]) -> Option<&'p Plain> {
    path.iter().try_fold(plain, |plain, key| plain.get(key))
}

/// The first string at `path`, by a visitor that gives up as soon as it has it.
fn first(text: &str, path: &[String]) -> Option<String> {
    struct Visitor<'p>(&'p [String], &'p mut Option<String>);
    impl<'de> serde::de::DeserializeSeed<'de> for Visitor<'_> {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
            match self.0 {
                [] => {
                    *self.1 = Some(serde::Deserialize::deserialize(d)?);
                    Err(serde::de::Error::custom("found"))
                }
                _ => d.deserialize_map(self),
            }
        }
    }
    impl<'de> serde::de::Visitor<'de> for Visitor<'_> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<String>()? {
                if key == self.0[0] {
                    map.next_value_seed(Visitor(&self.0[1..], self.1))?;
                    // Not there: nothing behind it is looked at.
                    return Err(serde::de::Error::custom("missing"));
                }
                let skipped: &RawValue = map.next_value()?;
                if !is_json(skipped.get()) || Plain::read(skipped.get().as_bytes()).is_err() {
                    return Err(serde::de::Error::custom("not JSON"));
                }
            }
            Ok(())
        }
    }
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let _ = serde::de::DeserializeSeed::deserialize(Visitor(path, &mut found), &mut deserializer);
    found
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
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null")
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

/// A value of which no typed column is made.
fn checked(schema: &Value, value: &Plain) -> Result<(), Reason> {
    match (json_type(schema), value) {
        (_, Plain::Null) if takes_null(schema) => Ok(()),
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

/// The same value without the optional members that are null.
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

fn is_whole(text: &str) -> bool {
    super::values::plain_decimal_of(text).is_some_and(|(_, _, fraction)| fraction.is_empty())
}

fn decimal(text: &str, before: usize, after: usize) -> Result<Cell, Reason> {
    let (negative, whole, fraction) =
        super::values::plain_decimal_of(text).ok_or(Reason::BadFormat)?;
    if whole.len() > before || fraction.len() > after {
        return Err(Reason::OutOfRange);
    }
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { &whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(Cell::Text(format!("{sign}{whole}{point}{fraction}")))
}

fn moment(text: &str) -> Result<i64, Reason> {
    let (civil, offset) = text.split_at_checked(19).ok_or(Reason::BadFormat)?;
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S", civil)
        .map_err(|_| Reason::BadFormat)?;
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    let micros = civil.duration_since(epoch).as_secs() * 1_000_000;
    let (fraction, offset) = match offset.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(['Z', '+', '-']).ok_or(Reason::BadFormat)?),
        None => ("0", offset),
    };
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Reason::BadFormat);
    }
    let cut: i64 = format!("{fraction:0<6}")[..6].parse().unwrap();
    let offset = match offset {
        "Z" => 0,
        offset => {
            let hours: i64 = offset.get(1..3).ok_or(Reason::BadFormat)?.parse().unwrap();
            let minutes: i64 = offset.get(4..6).ok_or(Reason::BadFormat)?.parse().unwrap();
            (hours * 60 + minutes) * if offset.starts_with('-') { -1 } else { 1 }
        }
    };
    let micros = micros + cut - offset * 60_000_000;
    if (-62_135_596_800_000_000..253_402_300_800_000_000).contains(&micros) {
        Ok(micros)
    } else {
        Err(Reason::OutOfRange)
    }
}

fn day(text: &str) -> Result<i64, Reason> {
    let date: jiff::civil::Date = text.parse().map_err(|_| Reason::BadFormat)?;
    if date.year() < 1 {
        return Err(Reason::OutOfRange);
    }
    Ok(jiff::civil::date(1970, 1, 1).until(date).unwrap().get_days().into())
}
