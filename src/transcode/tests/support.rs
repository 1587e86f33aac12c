//! A contract, its table, the plan and its twin, made of event types and their JSON Schemas.

use std::collections::BTreeMap;

use serde_json::Value;

use super::descriptor::{Cell, decode};
use super::oracle::{Oracle, Verdict};
use crate::clock::Clock;
use crate::config::RowLayout;
use crate::contract::{Contract, Discriminator, EventSchema, Property, Schema, SchemaKind};
use crate::pipeline::{Rejection, Transcoded};
use crate::row::{Column, ColumnType, Mode, RowBuffer, TableSchema};
use crate::source::{Event, HeaderList, NoHeaders, Position};
use crate::transcode::{Plan, PlanOptions};

/// 2026-11-21 10:00:00 UTC.
pub(super) const NOW: i64 = 1_795_255_200_000_000;
pub(super) const INGESTED: i64 = NOW + 1;

pub(super) struct Setup {
    pub(super) events: Vec<(&'static str, Value)>,
    pub(super) discriminator: Discriminator,
    pub(super) ignore: Vec<&'static str>,
    pub(super) layout: RowLayout,
    pub(super) partition_by: &'static str,
    pub(super) max_bytes: usize,
    /// Columns that the live table lacks.
    pub(super) lacking: Vec<&'static str>,
}

impl Setup {
    pub(super) fn of(events: Vec<(&'static str, Value)>) -> Self {
        Self {
            events,
            discriminator: Discriminator::Payload(vec!["event_type".to_owned()]),
            ignore: vec!["Ignored", "a\"b"],
            layout: RowLayout::Columns,
            partition_by: "_ingested_at",
            max_bytes: 1 << 20,
            lacking: Vec::new(),
        }
    }

    pub(super) fn build(self) -> Fixture {
        let contract = Contract {
            id: "contract@1".to_owned(),
            topic: "topic".to_owned(),
            discriminator: self.discriminator,
            events: self.events.iter().map(|(name, schema)| event(name, schema)).collect(),
        };
        let mut table = table(&self.events, self.layout);
        table.columns.retain(|column| !self.lacking.contains(&column.name.as_str()));
        let options = PlanOptions {
            topic: contract.topic.clone(),
            ignore: self.ignore.iter().map(|name| (*name).to_owned()).collect(),
            layout: self.layout,
            partition_by: self.partition_by.to_owned(),
            clock: Clock::Fixed(NOW),
            max_row_bytes: self.max_bytes,
        };
        let oracle = Oracle {
            topic: options.topic.clone(),
            contract: contract.id.clone(),
            discriminator: contract.discriminator.clone(),
            ignore: options.ignore.clone(),
            events: self.events.into_iter().map(|(name, s)| (name.to_owned(), s)).collect(),
            table: table.clone(),
            layout: options.layout,
            partition_by: options.partition_by.clone(),
            now_micros: NOW,
            max_bytes: options.max_row_bytes,
        };
        let plan = Plan::compile(&contract, &table, options).unwrap();
        Fixture { plan, oracle, table }
    }
}

pub(super) struct Fixture {
    pub(super) plan: Plan,
    pub(super) oracle: Oracle,
    pub(super) table: TableSchema,
}

/// What became of a record, as far as the twin knows it too.
#[derive(Debug)]
pub(super) enum Became {
    Ignored(String),
    Row(Vec<(String, Cell)>),
    Rejected(Rejection),
}

impl Fixture {
    pub(super) fn value(&mut self, value: impl AsRef<[u8]>) -> Became {
        self.record(Some(value.as_ref()), &NoHeaders)
    }

    /// Transcodes a record, and holds the twin's verdict against it.
    pub(super) fn record(&mut self, value: Option<&[u8]>, headers: &dyn HeaderList) -> Became {
        let at = Position::new(3, 41);
        self.event(&Event { at, timestamp_ms: Some(NOW / 1000), key: Some(b"k"), value, headers })
    }

    pub(super) fn event(&mut self, event: &Event<'_>) -> Became {
        // A row before it, to see that neither disturbs the other.
        let mut rows = RowBuffer::default();
        rows.push(Position::new(0, 0), |row| {
            row.extend_from_slice(b"before");
            Ok::<(), ()>(())
        })
        .unwrap();
        let before = rows.bytes();
        let became = match self.plan.transcode(event, INGESTED, &mut rows) {
            Transcoded::Row => {
                assert_eq!(rows.positions(), [Position::new(0, 0), event.at]);
                Became::Row(decode(&self.table, last_row(&rows.frames()[before..])))
            }
            other => {
                assert_eq!((rows.len(), rows.bytes()), (1, before), "nothing is left behind");
                match other {
                    Transcoded::Ignored(label) => {
                        Became::Ignored(self.plan.ignored_labels()[label].clone())
                    }
                    Transcoded::Rejected(rejection) => Became::Rejected(*rejection),
                    Transcoded::Row => unreachable!(),
                }
            }
        };
        let verdict = match &became {
            Became::Ignored(label) => Verdict::Ignored(label.clone()),
            Became::Row(cells) => Verdict::Row(cells.clone()),
            Became::Rejected(rejection) => Verdict::Rejected(rejection.reason),
        };
        let shown = event.value.map(String::from_utf8_lossy);
        assert_eq!(verdict, self.oracle.judge(event, INGESTED), "{became:?} of {shown:?}");
        became
    }
}

/// The row in its frame: `0x0A`, its length, its bytes.
fn last_row(mut frame: &[u8]) -> &[u8] {
    assert_eq!(frame[0], 0x0A);
    frame = &frame[1..];
    let length = prost::encoding::decode_varint(&mut frame).unwrap();
    assert_eq!(length as usize, frame.len());
    frame
}

fn event(name: &str, json_schema: &Value) -> EventSchema {
    let text = json_schema.to_string();
    EventSchema {
        name: name.to_owned(),
        schema: schema(json_schema),
        json_schema: json_schema.clone(),
        needs_full_validation: text.contains("minimum") || text.contains("enum"),
    }
}

fn schema(json: &Value) -> Schema {
    let (kind, nullable) = match &json["type"] {
        Value::String(kind) => (kind.as_str(), false),
        Value::Array(kinds) => (kinds[0].as_str().unwrap(), true),
        _ => ("any", true),
    };
    let kind = match kind {
        "boolean" => SchemaKind::Boolean,
        "integer" => SchemaKind::Integer,
        "number" => SchemaKind::Number,
        "string" => SchemaKind::String,
        "array" => SchemaKind::Array(Box::new(schema(&json["items"]))),
        "object" => {
            let required = |name: &String| {
                json["required"].as_array().is_some_and(|all| all.iter().any(|r| r == name))
            };
            let empty = serde_json::Map::new();
            let properties = json["properties"].as_object().unwrap_or(&empty);
            SchemaKind::Object(
                properties
                    .iter()
                    .map(|(name, property)| Property {
                        name: name.clone(),
                        required: required(name),
                        schema: schema(property),
                    })
                    .collect(),
            )
        }
        _ => SchemaKind::Any,
    };
    Schema { nullable, kind }
}

fn table(events: &[(&'static str, Value)], layout: RowLayout) -> TableSchema {
    let mut columns = TableSchema::position_columns();
    if layout == RowLayout::Envelope {
        columns.push(Column::nullable("payload", ColumnType::Json));
        return TableSchema { columns };
    }
    let mut union: BTreeMap<String, Column> = BTreeMap::new();
    for (_, schema) in events {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let column = column(name, property);
            union
                .entry(name.clone())
                .and_modify(|known| {
                    if (&known.kind, known.mode) != (&column.kind, column.mode) {
                        *known = Column::nullable(name, ColumnType::Json);
                    }
                })
                .or_insert(column);
        }
    }
    columns.extend(union.into_values());
    columns.push(Column::nullable("_extra", ColumnType::Json));
    TableSchema { columns }
}

fn column(name: &str, json: &Value) -> Column {
    let Schema { kind, .. } = schema(json);
    let mut mode = Mode::Nullable;
    let kind = match (json["x-bigquery-type"].as_str(), kind) {
        (Some("NUMERIC"), _) => ColumnType::Numeric,
        (Some("BIGNUMERIC"), _) => ColumnType::BigNumeric,
        (Some("FLOAT64"), _) => ColumnType::Float64,
        (Some("INT64"), _) => ColumnType::Int64,
        (_, SchemaKind::Boolean) => ColumnType::Bool,
        (_, SchemaKind::Integer) => ColumnType::Int64,
        (_, SchemaKind::Number) => ColumnType::Float64,
        (_, SchemaKind::String) => match (json["format"].as_str(), &json["contentEncoding"]) {
            (Some("date-time"), _) => ColumnType::Timestamp,
            (Some("date"), _) => ColumnType::Date,
            (Some("decimal"), _) => ColumnType::Numeric,
            (_, encoding) if encoding == "base64" => ColumnType::Bytes,
            _ => ColumnType::String,
        },
        (_, SchemaKind::Object(properties)) if !properties.is_empty() => ColumnType::Record(
            properties.iter().map(|p| column(&p.name, &json["properties"][&p.name])).collect(),
        ),
        (_, SchemaKind::Array(items)) if !items.nullable => {
            let item = column(name, &json["items"]);
            if item.mode == Mode::Repeated || item.kind == ColumnType::Json {
                ColumnType::Json
            } else {
                mode = Mode::Repeated;
                item.kind
            }
        }
        _ => ColumnType::Json,
    };
    Column { name: name.to_owned(), source: name.to_owned(), kind, mode }
}
