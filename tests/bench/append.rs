//! The writer by itself: rows made beforehand, one append stream, acknowledged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use generic_consumer::clock::Clock;
use generic_consumer::config::{self, Inputs, RowLayout};
use generic_consumer::contract;
use generic_consumer::contract::sample::Samples;
use generic_consumer::record::{DeadLetter, Event, NoHeaders, Position};
use generic_consumer::row::RowBuffer;
use generic_consumer::sink::bigquery::BigQuery;
use generic_consumer::sink::bigquery::columns::COLUMN_RULES;
use generic_consumer::sink::dead_letter::{About, DeadLetters};
use generic_consumer::sink::{Batch, BatchId, Command, Lane, LaneMode, Report, Reports, Reread};
use generic_consumer::telemetry::Metrics;
use generic_consumer::transcode::{Plan, PlanOptions};
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::Done;

/// A request's rows, as the consumer's default batch has them.
const REQUEST: usize = 1 << 20;

/// Requests before the clock starts: connection, schema, TLS.
const WARM: u64 = 16;

/// Requests handed to the writer and not yet acknowledged.
const AHEAD: u64 = 4;

#[derive(Args)]
pub struct AppendArgs {
    /// The domain, as the consumer's first argument; configured in the working folder
    domain: String,
    #[arg(long, default_value_t = 800)]
    megabytes: u64,
}

struct Nothing;

#[async_trait]
impl Reread for Nothing {
    async fn reread(&self, _at: Position) -> Option<DeadLetter> {
        None
    }
}

/// Prints the CPU seconds of this process while the rows went out.
pub async fn append(args: &AppendArgs) -> Done {
    let settings = config::load(&args.domain, &Inputs::of_process())
        .map_err(|mistakes| format!("{mistakes:?}"))?
        .settings;
    let write = &settings.write;
    let at = &settings.contract;
    let contract = contract::load(&at.dir, &at.import_path, &at.import_object)?;
    let table = contract.table_schema(RowLayout::Columns, &COLUMN_RULES)?;
    let metrics = Metrics::register(&mut Registry::default());
    let sink = BigQuery::connect(write, metrics, Clock::System).await?;
    sink.prepare(&write.table, &table, true, &write.partition_by).await?;
    let about = About { topic: String::new(), group: String::new(), contract: String::new() };
    let letters = DeadLetters::bigquery(&sink, &write.table, true, about).await?;
    let rows = rows(&contract, &table)?;

    let (reports, reported) = Reports::here();
    let lane = Lane { partition: None, epoch: 0 };
    let table = (write.table.clone(), Arc::new(table));
    let writer =
        sink.writer(lane, LaneMode::Default, table.0, table.1, letters, Arc::new(Nothing), reports);
    let requests = WARM + args.megabytes * 1_000_000 / rows.bytes() as u64;
    let done = tokio::task::spawn_blocking(move || {
        let (mut sent, mut settled) = (0, 0);
        let (mut began, mut copying) = (Duration::ZERO, Duration::ZERO);
        while settled < requests {
            while sent < requests && sent - settled < AHEAD {
                // As warm as the transcoder leaves them, whose work this copy stands for: it does
                // not count. Batches made beforehand would come from memory, not from the cache.
                let copied = cpu(ClockId::ThreadCPUTime);
                let rows = rows.clone();
                copying += cpu(ClockId::ThreadCPUTime) - copied;
                let (id, spans, letters) = (BatchId(sent), Vec::new(), Vec::new());
                writer.tell(Command::Append(Batch { id, spans, rows, letters }));
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

/// CPU time of this process or of this thread.
fn cpu(of: ClockId) -> Duration {
    clock_gettime(of).try_into().expect("no time before the start")
}

/// A request's worth of rows.
fn rows(
    contract: &contract::Contract,
    table: &generic_consumer::row::TableSchema,
) -> Result<RowBuffer, Box<dyn std::error::Error + Send + Sync>> {
    let options = PlanOptions {
        topic: contract.topic.clone(),
        ignore: Vec::new(),
        layout: RowLayout::Columns,
        partition_by: "_ingested_at".to_owned(),
        max_row_bytes: REQUEST,
    };
    let mut plan = Plan::compile(contract, table, options)?;
    let now = Clock::System.now_micros();
    let mut samples = Samples::new(contract, 1, now / 1_000);
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
        plan.transcode(&event, now, &mut rows);
        offset += 1;
    }
    Ok(rows)
}
