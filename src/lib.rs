//! Kafka → BigQuery, PostgreSQL or Kafka, exactly once, or InfluxDB.
//!
//! ```text
//! Kafka ─► source ─► transcode ─► batch ─► sink ─► ledger ─► offset commit ─► visible
//!           thread    contract     bytes            settled head
//!                     └── rejected ──► dead letters ──┘
//! ```
//!
//! A module uses only modules that stand below it; `tests/fast/structure` holds that.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
// They panic where the reader of a pipe has closed it: `cli/output.rs` does not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

// With neither, rdkafka-sys would build a librdkafka without TLS and zstd, and say nothing.
#[cfg(not(any(feature = "bundled-librdkafka", feature = "system-librdkafka")))]
compile_error!("choose librdkafka: the feature `bundled-librdkafka` or `system-librdkafka`");

// The command line: one file a subcommand.
pub mod cli;

// Puts settings, contract, table, plan, source and sink together, once for every command.
pub mod app;

// The embedded broker and the embedded BigQuery, for the first run and the tests.
#[cfg(feature = "local")]
pub mod local;

// HTTP: probes, metrics and status, the event API, the dashboard.
pub mod serve;

// The latest report for each organization and cluster, kept as a topic of reports says.
pub mod results;

// What a run would find, without one: findings, and whether they are good.
pub mod check;
// Dead letters, read from wherever a domain keeps them.
pub mod letters;

// Completeness of a table by the chain of its rows.
pub mod verify;

// The batch job: the rows of some days, from a source into a table.
pub mod transfer;

// The chain from records to visible rows: sessions, settlement, the ledger.
pub mod pipeline;

// Work on an event before it becomes a row: the object that it names is fetched, rules are applied.
pub mod steps;

// Configuration and contracts from buckets and HTTPS.
pub mod remote;

// Where rows go: the protocol of a sink, BigQuery, PostgreSQL, InfluxDB, Kafka, dead letters.
pub mod sink;

// A contract compiled for a table: JSON bytes become a row, are ignored, or are rejected.
pub mod transcode;

// Rules over the files of an archive: what they find becomes a report.
pub mod rules;

// CEL over a record or an archive: what an expression reads, and its value.
pub mod expression;

// Kafka: the group member, its records, offsets and their commit.
pub mod source;

// Documents become events and their schemas, and these become columns.
pub mod contract;

// Columns, the buffer of encoded rows, and reading a row's fields.
pub mod row;

// The shared vocabulary: positions, events, outcomes, reasons, dead letters.
pub mod record;

// A configuration file of Insights Core Messaging becomes settings.
pub mod icm;

// Logs, metrics, traces, health.
pub mod telemetry;

// An object of an object store becomes the files that are wanted of it, in bounded memory.
pub mod archive;

// Layers of text become one validated `Settings`, every mistake at once.
pub mod config;

pub mod clock;
mod document;
mod error_chain;
mod json_tree;
pub mod retry;
pub mod shutdown;
pub mod stop;
pub mod topic_id;
