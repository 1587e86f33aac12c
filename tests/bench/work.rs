//! The parts of the hot path, for the benchmarks that count instructions or nanoseconds. Each part
//! processes a thousand events or batches, in buffers that have grown before.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use generic_consumer::app::{Domain, RowOptions};
use generic_consumer::config::{FilterOnError, FilterSettings, TableRules};
use generic_consumer::contract;
use generic_consumer::pipeline::Ledger;
use generic_consumer::record::{
    Event, NoHeaders, Offset, Partition, Position, Reached, Transcoded,
};
use generic_consumer::row::{RowBuffer, TableSchema};
use generic_consumer::sink::bigquery::append::Append;
use generic_consumer::sink::{BatchId, Promise, SinkName, Span};
use generic_consumer::transcode::{Ingestion, Plan};

use crate::events::Drawn;

pub const COUNT: usize = 1_000;
const IGNORED: &str = "ShippingPricesEstimatedEvent";
/// The time of ingestion: 6 November 2026. The events' times are in the day before it.
const NOW_MICROS: i64 = 1_794_000_000_000_000;

/// Events to transcode, and the buffer for their rows.
pub struct Transcoding {
    plan: Plan,
    events: Vec<Vec<u8>>,
    rows: RowBuffer,
}

/// Which columns the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    All,
    /// None: every value is read and checked, but not encoded.
    None,
}

impl Transcoding {
    /// A thousand events of the delivery contract; `ignored` is the share that is ignored.
    pub fn new(columns: Columns, ignored: f64) -> Self {
        Self::filtered(columns, ignored, None)
    }

    /// The same with a `FILTER`.
    pub fn filtered(columns: Columns, ignored: f64, filter: Option<&str>) -> Self {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let document = "contracts.delivery.delivery_events_v10";
        let contract = contract::load(&contracts, document, "DeliveryEventsV10Topic", &[])
            .unwrap_or_else(|error| panic!("{error:?}"));
        let (partition_by, ignore) = ("occurred_at".to_owned(), vec![IGNORED.to_owned()]);
        let filter = filter.map(|expression| FilterSettings {
            expression: expression.to_owned(),
            on_error: FilterOnError::DeadLetter,
        });
        let options = RowOptions {
            table: TableRules::BigQuery { partition_by },
            ignore,
            filter,
            ..RowOptions::default()
        };
        let domain = Domain::new(contract, options).expect("columns");
        let plan = match columns {
            Columns::All => domain.plan(&domain.columns),
            Columns::None => domain.plan(&TableSchema { columns: Vec::new() }),
        };
        let plan = plan.expect("the plan fits the columns");
        let drawn = Drawn::plain((IGNORED, ignored)).from(&domain.contract, COUNT);
        let events = drawn.into_iter().map(|(_, value)| value).collect();
        let mut work = Self { plan, events, rows: RowBuffer::with_capacity(1 << 20) };
        work.run();
        work
    }

    /// Transcodes all events into the same buffer; returns the number of rows.
    pub fn run(&mut self) -> usize {
        self.rows.clear();
        for (number, value) in self.events.iter().enumerate() {
            // As in a partition of which every record becomes a row.
            let ingestion =
                Ingestion { at_micros: NOW_MICROS, previous: Some(Offset(number as i64 - 4)) };
            let event = Event {
                at: Position::new((number % 4) as i32, number as i64),
                timestamp_ms: Some(NOW_MICROS / 1_000),
                key: Some(b"key-004711"),
                value: Some(value),
                headers: &NoHeaders,
            };
            if let Transcoded::Rejected(why) =
                self.plan.transcode(&event, ingestion, &mut self.rows)
            {
                panic!("{why:?}");
            }
        }
        self.rows.len()
    }
}

/// An append request with all rows.
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

    /// Builds the request; returns its size in bytes.
    pub fn run(&mut self) -> usize {
        self.append.parts().iter().map(Bytes::len).sum()
    }
}

/// Takes a thousand exactly-once batches through the ledger: opened, settled, committed, flushed.
pub fn settle_a_thousand_batches() -> Ledger {
    let partition = Partition(0);
    let stream: Arc<str> = "projects/p/datasets/d/tables/t/streams/s".into();
    let now = Instant::now();
    let mut ledger = Ledger::default();
    ledger.assign(partition, Reached::at(Offset(0)), None);
    ledger.ready(partition);
    for number in 0..COUNT as i64 {
        let batch = BatchId(number as u64 + 1);
        let (first, next) = (Offset(number * 1_000), Offset((number + 1) * 1_000));
        ledger.open(batch, Span { partition, first, reached: Reached::at(next) }, now);
        let rows = (number as u64 + 1) * 800;
        ledger.settle(
            batch,
            partition,
            Some(Promise::new(SinkName("bigquery"), stream.clone(), rows)),
        );
        let point = ledger.commit_point(partition).expect("the head is settled");
        if let Some(place) = ledger.committed(partition, point) {
            ledger.flushed(partition, place);
        }
    }
    assert!(ledger.is_idle(partition));
    ledger
}
