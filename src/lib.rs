//! Kafka → BigQuery, exactly once.
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

// HTTP: probes and metrics.
pub mod serve;

// The chain from records to visible rows: sessions, settlement, the ledger.
pub mod pipeline;

// Configuration and contracts from buckets and HTTPS.
pub mod remote;

// Where rows go: the protocol of a sink, BigQuery, dead letters.
pub mod sink;

// A contract compiled for a table: JSON bytes become a row, are ignored, or are rejected.
pub mod transcode;

// Kafka: the group member, its records, offsets and their commit.
pub mod source;

// Documents become events and their schemas, and these become columns.
pub mod contract;

// Columns, the buffer of encoded rows, and reading a row's fields.
pub mod row;

// The shared vocabulary: positions, events, outcomes, reasons, dead letters.
pub mod record;

// Logs, metrics, health.
pub mod telemetry;

// Layers of text become one validated `Settings`, every mistake at once.
pub mod config;

pub mod clock;
mod error_chain;
pub mod retry;
pub mod shutdown;
pub mod stop;
pub mod topic_id;
