//! Builds a contract, its table, the plan and the oracle from event types and their JSON Schemas.

use serde_json::{Value, json};

use super::descriptor::{Cell, decode};
use super::oracle::{Oracle, Verdict};
use crate::config::RowLayout;
use crate::contract::{self, Contract, Discriminator, Problem};
use crate::record::{Event, HeaderList, NoHeaders, Position, Rejection, Transcoded};
use crate::row::{ColumnRules, RowBuffer, TableSchema};
use crate::transcode::{Ingestion, PartitionWindow, Plan, PlanOptions};

/// 2026-11-21 10:00:00 UTC.
pub(super) const NOW: i64 = 1_795_255_200_000_000;

/// A sink that accepts only ASCII letters, digits and underscores in names.
pub(super) const COLUMN_RULES: ColumnRules = ColumnRules {
    name: |field| field.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_"),
    longest_name: 300,
    most_columns: 10_000,
    deepest_record: 15,
};

/// A plan for rows of any day that ignores no event type.
pub(super) fn plain_plan(contract: &Contract, table: &TableSchema, layout: RowLayout) -> Plan {
    Plan::compile(contract, table, plain_options(layout)).unwrap()
}

/// Takes rows of any day, and ignores no event type.
pub(super) fn plain_options(layout: RowLayout) -> PlanOptions {
    PlanOptions {
        topic: "t".to_owned(),
        ignore: Vec::new(),
        filter: None,
        layout,
        partition: None,
        max_row_bytes: 1 << 20,
    }
}

pub(super) struct Setup {
    pub(super) events: Vec<(&'static str, Value)>,
    pub(super) discriminator: Discriminator,
    pub(super) ignore: Vec<&'static str>,
    pub(super) layout: RowLayout,
    pub(super) partition_by: &'static str,
    /// How many days back and ahead the table's partition accepts; `None`: any.
    pub(super) window: Option<(i64, i64)>,
    pub(super) max_bytes: usize,
    /// Columns that the table does not have.
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
            window: Some((1_825, 366)),
            max_bytes: 1 << 20,
            lacking: Vec::new(),
        }
    }

    pub(super) fn build(self) -> Fixture {
        let contract = load(&self.events, &self.discriminator);
        let ignore: Vec<String> = self.ignore.iter().map(|name| (*name).to_owned()).collect();
        let schema = contract.table_schema(self.layout, &ignore, &COLUMN_RULES);
        let mut table = schema.unwrap_or_else(|error| {
            // Generated schemas choose types inside JSON columns too.
            let is_meant = |problem: &Problem| problem.what.contains("has no effect here");
            assert!(error.problems.iter().all(is_meant), "{error}");
            error.derived
        });
        table.columns.retain(|column| !self.lacking.contains(&column.name.as_str()));
        let options = PlanOptions {
            topic: contract.topic.clone(),
            ignore,
            filter: None,
            layout: self.layout,
            partition: self.window.map(|(days_back, days_ahead)| PartitionWindow {
                column: self.partition_by.to_owned(),
                days_back,
                days_ahead,
            }),
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
            partition_by: self.partition_by.to_owned(),
            window: self.window,
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

/// The outcome of a record.
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

    /// Transcodes a value without asking the oracle.
    pub(super) fn alone(&mut self, value: &str) -> Transcoded {
        let value = Some(value.as_bytes());
        let at = Position::new(3, 41);
        let event = Event { at, timestamp_ms: None, key: None, value, headers: &NoHeaders };
        self.plan.transcode(&event, Ingestion::at(NOW), &mut RowBuffer::default())
    }

    /// Transcodes a record and checks that the oracle agrees.
    pub(super) fn record(&mut self, value: Option<&[u8]>, headers: &dyn HeaderList) -> Became {
        let at = Position::new(3, 41);
        self.event(&Event { at, timestamp_ms: Some(NOW / 1000), key: Some(b"k"), value, headers })
    }

    pub(super) fn event(&mut self, event: &Event<'_>) -> Became {
        // There is a row before it, to see that neither changes the other.
        let mut rows = RowBuffer::default();
        rows.push(Position::new(0, 0), |row| {
            row.extend_from_slice(b"before");
            Ok::<(), ()>(())
        })
        .unwrap();
        let before = rows.bytes();
        let became = match self.plan.transcode(event, Ingestion::at(NOW), &mut rows) {
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
        assert_eq!(verdict, self.oracle.judge(event, NOW), "{became:?} of {shown:?}");
        became
    }
}

/// Takes the row out of its frame: `0x0A`, its length, its bytes.
fn last_row(mut frame: &[u8]) -> &[u8] {
    assert_eq!(frame[0], 0x0A);
    frame = &frame[1..];
    let length = prost::encoding::decode_varint(&mut frame).unwrap();
    assert_eq!(length as usize, frame.len());
    frame
}

/// Writes these event types as a contract document and loads it as usual.
pub(super) fn load(events: &[(&'static str, Value)], discriminator: &Discriminator) -> Contract {
    let messages: serde_json::Map<_, _> = events
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), json!({"payload": schema})))
        .collect();
    let event_type = match discriminator {
        Discriminator::Payload(keys) => format!("$message.payload#/{}", keys.join("/")),
        Discriminator::Header(name) => format!("$message.header#/{name}"),
        Discriminator::Only(_) => "only".to_owned(),
    };
    let channel = json!({"address": "topic", "x-event-type": event_type, "messages": messages});
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {"title": "test", "version": "1"},
        "channels": {"Topic": channel},
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.json"), document.to_string()).unwrap();
    contract::load(folder.path(), "test", "Topic", &[]).unwrap()
}
