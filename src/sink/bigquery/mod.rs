//! BigQuery: our own append client on the generated stubs, tables over REST, and the writer that
//! owns a write stream. What gcp-bigquery-client's own `storage` module lacks, and why we do not
//! use it, is told in docs/adr/0003-own-append-client.md.

pub mod append;
pub(in crate::sink) mod appender;
mod auth;
mod client;
mod coalesce;
pub(in crate::sink) mod descriptor;
mod errors;
mod rest;
mod sink;
mod stream;
mod table;
mod tokens;
mod writer;

pub use client::BigQuery;
pub use sink::BigQuerySink;
