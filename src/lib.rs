//! Kafka → BigQuery, exactly once.
//!
//! ```text
//! Kafka ─► source ─► transcode ─► batch ─► sink ─► ledger ─► offset commit ─► flush
//!           thread    contract,    bytes    BigQuery   settled head     visible
//!                     ignore,  └── rejected ──► dead letters ──┘
//!                     encode
//! ```
//!
//! The modules below stand in the order data flows; what all of them share comes last.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// With neither, rdkafka-sys would build a librdkafka without TLS and zstd, and say nothing.
#[cfg(not(any(feature = "bundled-librdkafka", feature = "system-librdkafka")))]
compile_error!("choose librdkafka: the feature `bundled-librdkafka` or `system-librdkafka`");

pub mod cli;
pub mod config;
pub mod contract;
#[cfg(feature = "local")]
pub mod local;
pub mod pipeline;
pub mod record;
pub mod row;
pub mod serve;
pub mod sink;
pub mod source;
pub mod telemetry;
pub mod transcode;

pub mod clock;
pub mod retry;
pub mod shutdown;
