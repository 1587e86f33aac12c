//! The append writer against a fake service that fails on purpose.

mod appends;
mod fake;
mod protocol;
mod refused_rows;
mod schedule;
mod service;
mod visibility;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prometheus_client::registry::Registry;

use super::*;
use crate::clock::Clock;
use crate::config::{BigQuerySettings, Endpoint, Guarantee, TableId};
use crate::record::{
    DeadLetter, Event, NoHeaders, Offset, Partition, Position, Reached, Reason, Rejection,
};
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::appender::{ANSWER, Destination, FRESH_STREAMS, StreamKind};
use crate::sink::bigquery::descriptor::writer_schema;
use crate::sink::bigquery::stream::{StreamName, StreamPlace};
use crate::sink::bigquery::target::FinalizedStreams;
use crate::sink::dead_letter::{About, DeadLetters};
use crate::sink::{BatchId, Reread, Span};
use crate::telemetry::Metrics;
use fake::{Fake, Fault, Letter};

const P: Partition = Partition(3);

/// Far beyond what any step takes; only a hang is ended by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which streams a writer appends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Default,
    Buffered,
}

/// A writer, its service, and what it has reported.
struct Rig {
    fake: Fake,
    writer: Writer,
    metrics: Metrics,
    reports: Receiver<(Lane, Report)>,
    /// How often it said that it waits.
    waits: usize,
    /// The limit of each batch.
    limit: DeadLimit,
}

/// [`Report::Settled`].
struct Settled {
    batch: BatchId,
    place: Option<StreamPlace>,
    rows: usize,
    letters: Vec<Reason>,
}

/// Knows every record but that of offset 404.
struct Records;

#[async_trait]
impl Reread for Records {
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        let value = format!("record {}", at.offset.0);
        let value = Some(value.as_bytes());
        let event = Event { at, timestamp_ms: None, key: None, value, headers: &NoHeaders };
        (at.offset.0 != 404).then(|| DeadLetter::of(&event, rejection))
    }
}

impl Rig {
    async fn buffered() -> Self {
        Self::new(Mode::Buffered).await
    }

    async fn new(mode: Mode) -> Self {
        Self::on(Fake::start().await, mode, ANSWER).await
    }

    async fn on(fake: Fake, mode: Mode, answer: Duration) -> Self {
        Self::starting(fake, mode, Start::Fresh, answer).await
    }

    async fn starting(fake: Fake, mode: Mode, start: Start, answer: Duration) -> Self {
        Self::with_table_of(None, fake, mode, start, answer).await
    }

    /// With a table that was created so long ago.
    async fn on_table_of_age(mode: Mode, age: Duration) -> Self {
        let created = Instant::now().checked_sub(age).expect("the machine runs longer");
        Self::with_table_of(Some(created), Fake::start().await, mode, Start::Fresh, ANSWER).await
    }

    async fn with_table_of(
        created: Option<Instant>,
        fake: Fake,
        mode: Mode,
        start: Start,
        answer: Duration,
    ) -> Self {
        let table =
            TableId { project: "p".to_owned(), dataset: "d".to_owned(), table: "t".to_owned() };
        let write = BigQuerySettings {
            table: table.clone(),
            endpoint: Endpoint::Custom {
                rest: fake.rest.clone(),
                storage: fake.grpc.clone(),
                trusted: false,
            },
            credentials: None,
            partition_by: "_ingested_at".to_owned(),
            guarantee: Guarantee::ExactlyOnce,
            price_per_gib: None,
        };
        let metrics = Metrics::register(&mut Registry::default());
        let sink = BigQuery::connect(&write, metrics.clone(), Clock::Fixed(0)).await.expect("sink");
        let about = About {
            topic: "topic".to_owned(),
            group: "group".to_owned(),
            contract: "contract".to_owned(),
        };
        let letters = DeadLetters::bigquery(&sink, &table, false, about).await.expect("letters");
        let columns = vec![
            Column::nullable("id", ColumnType::String),
            Column::nullable("_kafka_previous", ColumnType::Int64),
        ];
        let buffered = mode == Mode::Buffered;
        let stream = if buffered { StreamKind::Buffered } else { StreamKind::Default };
        let (sender, reports) = Reports::to_this_thread();
        let columns = TableSchema { columns };
        let schema = writer_schema(&columns);
        let target = Target {
            bigquery: sink,
            rows: Destination { table, schema, created, stream, answer },
            columns,
            letters,
            reread: Arc::new(Records),
            finalized: FinalizedStreams::default(),
        };
        let lane = Lane { partition: buffered.then_some(P), epoch: 1 };
        let writer = spawn(Arc::new(target), lane, start, sender);
        Self { fake, writer, metrics, reports, waits: 0, limit: DeadLimit::default() }
    }

    /// Tells it to append a batch whose first row has this offset.
    fn append(&self, id: u64, first: i64, rows: &[&str]) {
        self.append_bytes(id, first, rows.iter().map(|row| row.as_bytes()));
    }

    fn append_bytes<'a>(&self, id: u64, first: i64, rows: impl Iterator<Item = &'a [u8]>) {
        let mut buffer = RowBuffer::default();
        let mut next = first;
        for row in rows {
            let pushed: Result<(), ()> = buffer.push(Position::new(P.0, next), |into| {
                into.extend_from_slice(row);
                Ok(())
            });
            pushed.expect("pushed");
            next += 1;
        }
        self.send(
            id,
            Span { partition: P, first: Offset(first), reached: Reached::at(Offset(next)) },
            buffer,
            vec![],
        );
    }

    /// Tells the writer to deliver a dead letter, in a batch without rows.
    fn reject(&self, id: u64, offset: i64) {
        self.reject_event(id, &Event::unknown(Position::new(P.0, offset)));
    }

    /// The same for this record.
    fn reject_event(&self, id: u64, event: &Event<'_>) {
        let rejection = Rejection::new(Reason::InvalidJson, "not JSON".to_owned(), None);
        let letter = DeadLetter::of(event, rejection);
        let first = event.at.offset;
        let span = Span { partition: P, first, reached: Reached::at(Offset(first.0 + 1)) };
        self.send(id, span, RowBuffer::default(), vec![letter]);
    }

    fn send(&self, id: u64, span: Span, rows: RowBuffer, letters: Vec<DeadLetter>) {
        let note = String::new();
        let limit = self.limit;
        let batch = Batch {
            id: BatchId(id),
            spans: vec![span],
            rows,
            letters,
            oldest_ms: None,
            note,
            limit,
        };
        self.writer.send(Command::Append(batch));
    }

    /// The next report that is no sign of life.
    async fn report(&mut self) -> Report {
        let next = async {
            loop {
                match self.reports.try_recv() {
                    Ok((_, Report::Waiting(_))) => self.waits += 1,
                    Ok((_, report)) => return report,
                    Err(TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(TryRecvError::Disconnected) => panic!("the writer ended without a report"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a report in time")
    }

    async fn settled(&mut self) -> Settled {
        loop {
            match self.report().await {
                Report::Ready { .. } => {}
                Report::Settled { batch, promise, rows, letters, .. } => {
                    let place = promise.map(StreamPlace::from);
                    let reasons = letters.into_iter().map(|letter| letter.rejection.reason);
                    let letters = reasons.collect();
                    return Settled { batch, place, rows, letters };
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn failed(&mut self) -> Stop {
        loop {
            match self.report().await {
                Report::Ready { .. } => {}
                Report::Failed(error) => return error,
                other => panic!("{other:?}"),
            }
        }
    }

    fn retries(&self) -> u64 {
        self.metrics.append_retries.get()
    }

    /// The dead letters in their table.
    fn letters(&self) -> Vec<Letter> {
        let state = self.fake.state();
        let rows = state.streams.get(fake::LETTERS).map(|stream| stream.rows.clone());
        let decode =
            |row: Vec<u8>| <Letter as prost::Message>::decode(row.as_slice()).expect("a letter");
        rows.unwrap_or_default().into_iter().map(decode).collect()
    }
}

/// The first `rows` rows of the n-th stream created.
fn place(stream: usize, rows: u64) -> Option<StreamPlace> {
    Some(StreamPlace { stream: StreamName(Arc::from(fake::stream(stream))), rows })
}
