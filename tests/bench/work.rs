//! The hot path's work in pieces, for the benchmarks that count instructions or nanoseconds: a
//! thousand of each, on memory that has grown already.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use generic_consumer::config::RowLayout;
use generic_consumer::contract;
use generic_consumer::pipeline::Ledger;
use generic_consumer::record::{Event, NoHeaders, Offset, Partition, Position, Transcoded};
use generic_consumer::row::{RowBuffer, TableSchema};
use generic_consumer::sink::bigquery::append::Append;
use generic_consumer::sink::bigquery::columns::COLUMN_RULES;
use generic_consumer::sink::{BatchId, Span, StreamName, StreamPlace};
use generic_consumer::transcode::{Plan, PlanOptions};

use crate::events::Drawn;

pub const COUNT: usize = 1_000;
const IGNORED: &str = "ShippingPricesEstimatedEvent";
/// 7 November 2026, around which the samples' times lie.
const NOW_MICROS: i64 = 1_794_000_000_000_000;

/// Events to transcode, and where their rows go.
pub struct Transcoding {
    plan: Plan,
    events: Vec<Vec<u8>>,
    rows: RowBuffer,
}

/// Which columns the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    All,
    /// None at all: every value is read and checked, nothing is written.
    None,
}

impl Transcoding {
    /// A thousand events of the delivery contract; `ignored` is the share that is left out.
    pub fn new(columns: Columns, ignored: f64) -> Self {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let document = "contracts.delivery.delivery_events_v10";
        let contract = contract::load(&contracts, document, "DeliveryEventsV10Topic")
            .unwrap_or_else(|error| panic!("{error:?}"));
        let whole = contract.table_schema(RowLayout::Columns, &COLUMN_RULES).expect("a table");
        let table = match columns {
            Columns::All => whole,
            Columns::None => TableSchema { columns: Vec::new() },
        };
        let options = PlanOptions {
            topic: contract.topic.clone(),
            ignore: vec![IGNORED.to_owned()],
            layout: RowLayout::Columns,
            partition_by: "occurred_at".to_owned(),
            max_row_bytes: 1 << 20,
        };
        let plan = Plan::compile(&contract, &table, options).expect("it fits");
        let drawn = Drawn::plain((IGNORED, ignored)).from(&contract, COUNT);
        let events = drawn.into_iter().map(|(_, value)| value).collect();
        let mut work = Self { plan, events, rows: RowBuffer::with_capacity(1 << 20) };
        work.run();
        work
    }

    /// Transcodes all of them, into the memory of the time before.
    pub fn run(&mut self) -> usize {
        self.rows.clear();
        for (number, value) in self.events.iter().enumerate() {
            let event = Event {
                at: Position::new((number % 4) as i32, number as i64),
                timestamp_ms: Some(NOW_MICROS / 1_000),
                key: Some(b"key-004711"),
                value: Some(value),
                headers: &NoHeaders,
            };
            if let Transcoded::Rejected(why) =
                self.plan.transcode(&event, NOW_MICROS, &mut self.rows)
            {
                panic!("{why:?}");
            }
        }
        self.rows.len()
    }
}

/// Requests to write, each of all the rows.
pub struct Framing {
    append: Append,
}

impl Framing {
    pub fn new() -> Self {
        let mut work = Transcoding::new(Columns::All, 0.2);
        work.run();
        let append =
            Append { stream: None, schema: None, offset: Some(4_711), rows: work.rows.into() };
        Self { append }
    }

    /// Writes one request.
    pub fn run(&mut self) -> usize {
        self.append.parts().iter().map(Bytes::len).sum()
    }
}

/// A thousand batches of exactly-once: opened, settled, committed, flushed.
pub fn settle_a_thousand_batches() -> Ledger {
    let partition = Partition(0);
    let stream = StreamName("projects/p/datasets/d/tables/t/streams/s".into());
    let now = Instant::now();
    let mut ledger = Ledger::default();
    ledger.assign(partition, Offset(0), None);
    ledger.recovered(partition);
    for number in 0..COUNT as i64 {
        let batch = BatchId(number as u64);
        let (first, next) = (Offset(number * 1_000), Offset((number + 1) * 1_000));
        ledger.open(batch, Span { partition, first, next }, now);
        let rows = (number as u64 + 1) * 800;
        ledger.settle(batch, partition, Some(StreamPlace { stream: stream.clone(), rows }));
        let point = ledger.commit_point(partition).expect("the head is settled");
        if let Some(place) = ledger.committed(partition, point) {
            ledger.flushed(partition, place);
        }
    }
    assert!(ledger.is_idle(partition));
    ledger
}
