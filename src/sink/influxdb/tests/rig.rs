//! A writer, its server, and what it reports.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prometheus_client::registry::Registry;

use super::fake::Fake;
use super::rows::{TOPIC, Value, push, schema};
use crate::clock::Clock;
use crate::config::{InfluxApi, InfluxServer, InfluxSettings, PointRules, Secret};
use crate::record::{
    DeadLetter, Event, NoHeaders, Offset, Partition, Position, Reached, Reason, Rejection,
};
use crate::row::{Column, ColumnType, RowBuffer};
use crate::sink::dead_letter::About;
use crate::sink::influxdb::{InfluxSink, SinkParts};
use crate::sink::{
    Batch, BatchId, Command, DeadLimit, Lane, Report, Reports, Reread, Sink, Span, Start, Writer,
};
use crate::stop::Stop;
use crate::telemetry::Metrics;

/// Far beyond what any step takes; only a hang is ended by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-11-21 10:00:00 UTC, in microseconds.
pub const NOW: i64 = 1_795_255_200_000_000;

pub const TOKEN: &str = "a-token";

pub struct Rig {
    pub fake: Fake,
    pub writer: Writer,
    reports: Receiver<(Lane, Report)>,
    /// How often it said that it waits.
    pub waits: usize,
    batches: u64,
    /// The limit of each batch.
    pub limit: DeadLimit,
}

/// [`Report::Settled`].
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    pub batch: u64,
    pub rows: usize,
    pub letters: Vec<Reason>,
}

/// Knows every record but that of offset 404.
struct Records;

#[async_trait]
impl Reread for Records {
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        (at.offset.0 != 404).then(|| letter(at, rejection))
    }
}

/// The dead letter of a record whose value names its offset.
pub fn letter(at: Position, rejection: Rejection) -> DeadLetter {
    let value = format!("record {}", at.offset.0);
    let value = Some(value.as_bytes());
    let event =
        Event { at, timestamp_ms: Some(NOW / 1_000), key: None, value, headers: &NoHeaders };
    DeadLetter::of(&event, rejection)
}

pub fn server(url: &str) -> InfluxServer {
    let api = InfluxApi::V2 {
        org: Some("acme".to_owned()),
        bucket: "events".to_owned(),
        token: Some(Secret::new(TOKEN)),
    };
    InfluxServer { url: url.to_owned(), api, gzip: false }
}

pub async fn open(server: InfluxServer) -> Result<InfluxSink, Stop> {
    let settings = InfluxSettings {
        server,
        measurement: "low".to_owned(),
        point: PointRules { tags: vec!["region".to_owned()], fields: None, time: None },
    };
    let columns = schema(vec![
        Column::nullable("region", ColumnType::String),
        Column::nullable("amount", ColumnType::Float64),
        Column::nullable("note", ColumnType::String),
    ]);
    let [topic, group, contract] = [TOPIC, "group", "contract"].map(str::to_owned);
    InfluxSink::open(SinkParts {
        settings: &settings,
        columns: &columns,
        about: About { topic, group, contract },
        letters: None,
        reread: std::sync::Arc::new(Records),
        metrics: Metrics::register(&mut Registry::default()),
        clock: Clock::Fixed(NOW),
    })
    .await
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|server| server).await
    }

    pub async fn with(change: impl FnOnce(InfluxServer) -> InfluxServer) -> Self {
        let fake = Fake::start().await;
        let sink = open(change(server(&fake.url))).await.expect("the sink opens");
        let (reports, received) = Reports::to_this_thread();
        let writer = sink.open(Lane { partition: None, epoch: 1 }, Start::Fresh, reports);
        Self { fake, writer, reports: received, waits: 0, batches: 0, limit: DeadLimit::default() }
    }

    /// Sends a batch of partition 3 with rows of these offsets and notes, and these letters.
    pub fn send(&mut self, rows: &[(i64, &str)], letters: Vec<DeadLetter>) {
        let mut buffer = RowBuffer::default();
        for (offset, note) in rows {
            let values = [Value::text("north"), Value::Float(1.5), Value::text(note)];
            push(&mut buffer, Position::new(3, *offset), Some(NOW), &values);
        }
        self.batches += 1;
        let first = Offset(rows.first().map_or(0, |(offset, _)| *offset));
        let span = Span { partition: Partition(3), first, reached: Reached::at(first.next()) };
        self.writer.send(Command::Append(Batch {
            id: BatchId(self.batches),
            spans: vec![span],
            rows: buffer,
            letters,
            oldest_ms: None,
            note: String::new(),
            limit: self.limit,
        }));
    }

    /// Rows with these offsets and the note `ok`.
    pub fn send_good(&mut self, offsets: std::ops::Range<i64>) {
        let rows: Vec<_> = offsets.map(|offset| (offset, "ok")).collect();
        self.send(&rows, Vec::new());
    }

    pub async fn settled(&mut self) -> Settled {
        match self.report().await {
            Report::Settled { batch, rows, letters, .. } => Settled {
                batch: batch.0,
                rows,
                letters: letters.into_iter().map(|letter| letter.rejection.reason).collect(),
            },
            other => panic!("{other:?}"),
        }
    }

    pub async fn failed(&mut self) -> Stop {
        match self.report().await {
            Report::Failed(stop) => stop,
            other => panic!("{other:?}"),
        }
    }

    /// The next report that is no sign of life.
    async fn report(&mut self) -> Report {
        let began = Instant::now();
        loop {
            match self.reports.try_recv() {
                Ok((_, Report::Waiting(_))) => self.waits += 1,
                Ok((_, report)) => return report,
                Err(_) => {
                    assert!(began.elapsed() < PATIENCE, "no report");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }

    /// The offsets of a measurement's points, each with how often it was written.
    pub fn written(&self, measurement: &str) -> Vec<(i64, usize)> {
        use super::reader::Field;
        let offset = |fields: &std::collections::BTreeMap<String, Field>| match fields["_kafka_offset"]
        {
            Field::Integer(offset) => offset,
            _ => panic!("an integer"),
        };
        let points = self.fake.points(measurement).into_iter();
        points.map(|(point, times)| (offset(&point.fields), times)).collect()
    }
}
