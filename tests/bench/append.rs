//! Measures the writer alone: it appends rows that were encoded beforehand, on one connection, and
//! waits for the acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use generic_consumer::app::{Domain, RowOptions};
use generic_consumer::clock::Clock;
use generic_consumer::config::{self, Guarantee, Inputs};
use generic_consumer::contract::Documents;
use generic_consumer::contract::sample::Samples;
use generic_consumer::record::{DeadLetter, Event, NoHeaders, Position, Rejection};
use generic_consumer::row::RowBuffer;
use generic_consumer::sink::bigquery::{BigQuery, BigQuerySink};
use generic_consumer::sink::dead_letter::{About, DeadLetters};
use generic_consumer::sink::{
    Batch, BatchId, Command, DeadLimit, Lane, Report, Reports, Reread, Sink, Start,
};
use generic_consumer::telemetry::Metrics;
use generic_consumer::transcode::Ingestion;
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::Done;

/// Bytes of rows in one request, as in the consumer's default batch.
const REQUEST: usize = 1 << 20;

/// Requests before the measurement starts. The first one sets up connection, TLS and schema.
const WARM: u64 = 16;

/// The most requests that the writer has and that are not yet acknowledged.
const AHEAD: u64 = 4;

#[derive(Args)]
pub struct AppendArgs {
    /// The domain, like the consumer's first argument; its configuration is in the working folder
    domain: String,
    /// Megabytes of rows to append
    #[arg(long, default_value_t = 800)]
    megabytes: u64,
}

/// No row is rejected here, so no record has to be read again.
struct Nothing;

#[async_trait]
impl Reread for Nothing {
    async fn reread(&self, _: Position, _: Rejection) -> Option<DeadLetter> {
        None
    }
}

/// Appends the rows; prints the CPU milliseconds that this process spent per megabyte.
pub async fn append(args: &AppendArgs) -> Done {
    let settings = config::load(&args.domain, &Inputs::of_process())
        .map_err(|mistakes| format!("{mistakes:?}"))?
        .settings;
    let write = settings.write.sink.bigquery().ok_or("the sink is another one")?;
    let options = RowOptions::new(&settings.contract, settings.write.rows());
    let domain = Domain::load(&settings.contract, options, &Documents::default())?;
    let metrics = Metrics::register(&mut Registry::default());
    let bigquery = BigQuery::connect(write, metrics, Clock::System).await?;
    let columns = &domain.columns;
    let table = bigquery.prepare(&write.table, columns, true, Some(&write.partition_by)).await?;
    let about = About { topic: String::new(), group: String::new(), contract: String::new() };
    let letters = DeadLetters::bigquery(&bigquery, &write.table, true, about).await?;
    let rows = rows(&domain)?;

    let (reports, reported) = Reports::to_this_thread();
    let lane = Lane { partition: None, epoch: 0 };
    let target = (write.table.clone(), &table);
    let guarantee = Guarantee::AtLeastOnce;
    let sink = BigQuerySink::new(bigquery, target, guarantee, letters, Arc::new(Nothing));
    let writer = sink.open(lane, Start::Fresh, reports);
    let requests = WARM + args.megabytes * 1_000_000 / rows.bytes() as u64;
    let done = tokio::task::spawn_blocking(move || {
        let (mut sent, mut settled) = (0, 0);
        let (mut began, mut copying) = (Duration::ZERO, Duration::ZERO);
        while settled < requests {
            while sent < requests && sent - settled < AHEAD {
                // The copy leaves the rows in the processor's cache, as the transcoder would. Its
                // CPU time is subtracted. Batches copied beforehand would be read from main memory.
                let copied = cpu(ClockId::ThreadCPUTime);
                let rows = rows.clone();
                copying += cpu(ClockId::ThreadCPUTime) - copied;
                let (id, spans, letters) = (BatchId(sent), Vec::new(), Vec::new());
                writer.send(Command::Append(Batch {
                    id,
                    spans,
                    rows,
                    letters,
                    oldest_ms: None,
                    note: String::new(),
                    limit: DeadLimit::default(),
                }));
                sent += 1;
            }
            match reported.recv()? {
                (_, Report::Settled { .. }) => settled += 1,
                (_, Report::Failed(error)) => return Err(error.into()),
                _ => {}
            }
            if settled == WARM && began.is_zero() {
                (began, copying) = (cpu(ClockId::ProcessCPUTime), Duration::ZERO);
            }
        }
        let milliseconds = (cpu(ClockId::ProcessCPUTime) - began - copying).as_secs_f64() * 1_000.0;
        let megabytes = (requests - WARM) as f64 * rows.bytes() as f64 / 1e6;
        println!(
            "{}",
            json!({ "ms_per_mb": milliseconds / megabytes, "megabytes": megabytes, "rows": requests * rows.len() as u64 })
        );
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    done.await?
}

/// CPU time of this process or of this thread, by the clock.
fn cpu(of: ClockId) -> Duration {
    clock_gettime(of).try_into().expect("CPU time is not negative")
}

/// Transcodes sample events until their rows fill one request.
fn rows(domain: &Domain) -> Result<RowBuffer, Box<dyn std::error::Error + Send + Sync>> {
    let mut plan = domain.plan(&domain.columns)?;
    let now = Clock::System.now_micros();
    let mut samples = Samples::new(&domain.contract, 1, now / 1_000);
    let mut rows = RowBuffer::with_capacity(REQUEST);
    let mut offset = 0;
    while rows.bytes() < REQUEST {
        let sample = samples.event().ok_or("the contract has no events")?;
        let event = Event {
            at: Position::new(0, offset),
            timestamp_ms: Some(now / 1_000),
            key: Some(b"key"),
            value: Some(&sample.value),
            headers: &NoHeaders,
        };
        plan.transcode(&event, Ingestion::at(now), &mut rows);
        offset += 1;
    }
    Ok(rows)
}
