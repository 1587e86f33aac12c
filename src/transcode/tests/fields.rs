//! Rows that the transcoder wrote, read back field by field: the fields are what an independent
//! reading of the JSON gives, and of any bytes they are what prost-reflect reads.

use proptest::prelude::*;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use serde_json::json;

use super::agreement::case;
use super::descriptor::{Cell, descriptor};
use super::oracle::Verdict;
use super::plain::Plain;
use super::support::{Fixture, NOW, Setup};
use crate::config::RowLayout;
use crate::record::{Event, NoHeaders, Position, Transcoded};
use crate::row::tests::damage::{damage, damages};
use crate::row::{FieldError, FieldValue, Fields, RowBuffer};
use crate::transcode::Ingestion;

/// The row of a record that the transcoder accepts.
fn row(fixture: &mut Fixture, event: &Event<'_>) -> Option<Vec<u8>> {
    let mut rows = RowBuffer::default();
    match fixture.plan.transcode(event, Ingestion::at(NOW), &mut rows) {
        Transcoded::Row => {
            let (at, row) = rows.rows().next().expect("one row");
            assert_eq!(at, event.at);
            Some(row.to_vec())
        }
        Transcoded::Ignored(_) | Transcoded::Rejected(_) => None,
    }
}

fn event(value: &str) -> Event<'_> {
    Event {
        at: Position::new(3, 41),
        timestamp_ms: Some(NOW / 1000),
        key: Some(b"k"),
        value: Some(value.as_bytes()),
        headers: &NoHeaders,
    }
}

/// The columns that have a value, as the oracle names them: without NULLs and empty arrays.
fn cells(fields: Fields<'_>) -> Result<Vec<(String, Cell)>, FieldError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    let mut cells = Vec::new();
    for (column, value) in fields.columns().iter().zip(values) {
        if let Some(cell) = cell(value)? {
            cells.push((column.name.clone(), cell));
        }
    }
    Ok(cells)
}

fn cell(value: FieldValue<'_>) -> Result<Option<Cell>, FieldError> {
    Ok(Some(match value {
        FieldValue::Null => return Ok(None),
        FieldValue::Array(items) if items.is_empty() => return Ok(None),
        FieldValue::Array(items) => {
            let items: Vec<Option<Cell>> =
                items.into_iter().map(|item| cell(item?)).collect::<Result<_, _>>()?;
            Cell::Repeated(items.into_iter().map(|item| item.expect("no item is NULL")).collect())
        }
        FieldValue::Record(fields) => Cell::Record(cells(fields)?),
        FieldValue::Bool(value) => Cell::Bool(value),
        FieldValue::Int64(value) | FieldValue::Timestamp(value) => Cell::Int(value),
        FieldValue::Date(days) => Cell::Int(days.into()),
        FieldValue::Float64(value) => Cell::Float(value.to_bits()),
        FieldValue::Bytes(bytes) => Cell::Bytes(bytes.to_vec()),
        FieldValue::Json(text) => Cell::Json(Plain::read(text.as_bytes()).expect("JSON")),
        FieldValue::String(text)
        | FieldValue::Datetime(text)
        | FieldValue::Time(text)
        | FieldValue::Numeric(text)
        | FieldValue::BigNumeric(text) => Cell::Text(text.to_owned()),
    }))
}

/// Asserts that prost-reflect reads the same. JSON is compared as text, because it may be no JSON
/// where bytes were changed.
fn same_as_prost(fields: Fields<'_>, message: &DynamicMessage) -> Result<(), FieldError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    for (number, value) in (1..).zip(values) {
        let field = message.descriptor().get_field(number).expect("a column's field");
        match value {
            FieldValue::Null => assert!(!message.has_field(&field)),
            value => same_value(value, &message.get_field(&field))?,
        }
    }
    Ok(())
}

fn same_value(value: FieldValue<'_>, expected: &Value) -> Result<(), FieldError> {
    let same = match (value, expected) {
        (FieldValue::Array(items), Value::List(expected)) => {
            assert_eq!(items.len(), expected.len());
            for (item, expected) in items.into_iter().zip(expected) {
                same_value(item?, expected)?;
            }
            true
        }
        (FieldValue::Record(fields), Value::Message(message)) => {
            same_as_prost(fields, message)?;
            true
        }
        (FieldValue::Bool(value), Value::Bool(expected)) => value == *expected,
        (FieldValue::Int64(value) | FieldValue::Timestamp(value), Value::I64(expected)) => {
            value == *expected
        }
        (FieldValue::Date(days), Value::I32(expected)) => days == *expected,
        (FieldValue::Float64(value), Value::F64(expected)) => value.to_bits() == expected.to_bits(),
        (FieldValue::Bytes(bytes), Value::Bytes(expected)) => bytes == expected,
        (
            FieldValue::String(text)
            | FieldValue::Datetime(text)
            | FieldValue::Time(text)
            | FieldValue::Numeric(text)
            | FieldValue::BigNumeric(text)
            | FieldValue::Json(text),
            Value::String(expected),
        ) => text == expected,
        _ => false,
    };
    assert!(same, "{value:?} is not {expected:?}");
    Ok(())
}

proptest! {
    #[test]
    fn fields_are_what_the_record_says((a, b, records) in case(), envelope in prop::bool::weighted(0.2)) {
        let mut setup = Setup::of(vec![("A", a), ("B", b)]);
        if envelope {
            setup.layout = RowLayout::Envelope;
        }
        let mut fixture = setup.build();
        for record in records {
            let event = event(&record);
            if let Some(row) = row(&mut fixture, &event) {
                let cells = cells(Fields::new(&fixture.table.columns, &row)).unwrap();
                prop_assert_eq!(Verdict::Row(cells), fixture.oracle.judge(&event, NOW));
            }
        }
    }

    #[test]
    fn fields_of_changed_rows_are_an_error_or_what_prost_reads(
        (a, b, records) in case(),
        damages in damages(),
    ) {
        let mut fixture = Setup::of(vec![("A", a), ("B", b)]).build();
        let descriptor = descriptor(&fixture.table);
        for record in records {
            let Some(mut row) = row(&mut fixture, &event(&record)) else { continue };
            damage(&mut row, &damages);
            let fields = Fields::new(&fixture.table.columns, &row);
            match DynamicMessage::decode(descriptor.clone(), &row[..]) {
                Ok(message) => drop(same_as_prost(fields, &message)),
                // Nested records are read when they are asked for, so the error may lie in them.
                Err(_) => prop_assert!(read_all(fields).is_err()),
            }
        }
    }
}

/// Reads a row with all that lies in it.
fn read_all(fields: Fields<'_>) -> Result<(), FieldError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    values.into_iter().try_for_each(read_value)
}

fn read_value(value: FieldValue<'_>) -> Result<(), FieldError> {
    match value {
        FieldValue::Record(fields) => read_all(fields),
        FieldValue::Array(items) => items.into_iter().try_for_each(|item| read_value(item?)),
        _ => Ok(()),
    }
}

#[test]
fn a_row_is_read_with_every_type_and_with_nested_records_and_arrays() {
    let schema = json!({"type": "object", "properties": {
        "text": {"type": "string"},
        "raw": {"type": "string", "contentEncoding": "base64"},
        "count": {"type": "integer"},
        "weight": {"type": "number"},
        "ok": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "local": {"type": "string", "x-bigquery-type": "DATETIME"},
        "clock": {"type": "string", "x-bigquery-type": "TIME"},
        "price": {"type": "string", "format": "decimal"},
        "exact": {"type": "string", "x-bigquery-type": "BIGNUMERIC"},
        "free": {},
        "place": {"type": "object", "properties": {
            "city": {"type": "string"}, "none": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {
            "sku": {"type": "string"}, "counts": {"type": "array", "items": {"type": "integer"}}}}},
        "empty": {"type": "array", "items": {"type": "string"}},
        "absent": {"type": "array", "items": {"type": "integer"}},
        "null": {"type": "integer"},
    }});
    let mut fixture = Setup::of(vec![("A", schema)]).build();
    let record = r#"{"event_type": "A", "items": [
            {"sku": "a", "counts": [1, 2]}, {}, {"counts": [], "sku": "b"}],
        "text": "é", "raw": "AAEC", "count": -3, "weight": 0.5, "ok": false,
        "at": "2026-11-21T10:00:00.5Z", "day": "1969-12-31", "local": "2026-11-21T10:00:00",
        "clock": "10:00:00", "price": "1.50", "exact": "-7", "free": [1, null],
        "place": {"tags": ["x", "y"], "city": "Bern"}, "empty": [], "null": null}"#;
    let row = row(&mut fixture, &event(record)).expect("a row");
    let columns = &fixture.table.columns;
    let mut values = Vec::new();
    Fields::new(columns, &row).read(&mut values).unwrap();
    let value = |name: &str| {
        values[columns.iter().position(|column| column.name == name).expect("a column")]
    };
    assert!(matches!(value("_kafka_partition"), FieldValue::Int64(3)));
    assert!(matches!(value("_kafka_offset"), FieldValue::Int64(41)));
    assert!(matches!(value("_kafka_key"), FieldValue::Bytes(b"k")));
    assert!(matches!(value("_kafka_headers"), FieldValue::Null));
    assert!(matches!(value("_event_type"), FieldValue::String("A")));
    assert!(matches!(value("_ingested_at"), FieldValue::Timestamp(NOW)));
    assert!(matches!(value("text"), FieldValue::String("é")));
    assert!(matches!(value("raw"), FieldValue::Bytes([0, 1, 2])));
    assert!(matches!(value("count"), FieldValue::Int64(-3)));
    assert!(matches!(value("weight"), FieldValue::Float64(0.5)));
    assert!(matches!(value("ok"), FieldValue::Bool(false)));
    assert!(matches!(value("at"), FieldValue::Timestamp(micros) if micros == NOW + 500_000));
    assert!(matches!(value("day"), FieldValue::Date(-1)));
    assert!(matches!(value("local"), FieldValue::Datetime("2026-11-21 10:00:00.000000")));
    assert!(matches!(value("clock"), FieldValue::Time("10:00:00.000000")));
    assert!(matches!(value("price"), FieldValue::Numeric("1.5")));
    assert!(matches!(value("exact"), FieldValue::BigNumeric("-7")));
    assert!(matches!(value("free"), FieldValue::Json("[1, null]")));
    assert!(matches!(value("null"), FieldValue::Null));
    for name in ["empty", "absent"] {
        assert!(matches!(value(name), FieldValue::Array(items) if items.is_empty()), "{name}");
    }

    let FieldValue::Record(place) = value("place") else { panic!("no record") };
    let mut inner = Vec::new();
    place.read(&mut inner).unwrap();
    let [FieldValue::String("Bern"), FieldValue::Null, FieldValue::Array(tags)] = inner[..] else {
        panic!("{inner:?}")
    };
    let tags: Vec<_> = tags.into_iter().collect::<Result<_, _>>().unwrap();
    assert!(matches!(tags[..], [FieldValue::String("x"), FieldValue::String("y")]));

    let FieldValue::Array(items) = value("items") else { panic!("no array") };
    let mut read = Vec::new();
    for item in items {
        let Ok(FieldValue::Record(item)) = item else { panic!("{item:?}") };
        read.push(cells(item).unwrap());
    }
    let sku = |text: &str| ("sku".to_owned(), Cell::Text(text.to_owned()));
    let counts = ("counts".to_owned(), Cell::Repeated(vec![Cell::Int(1), Cell::Int(2)]));
    assert_eq!(read, [vec![sku("a"), counts], vec![], vec![sku("b")]]);
}
