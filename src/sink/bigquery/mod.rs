//! BigQuery: tables over its REST API, rows over the Storage Write API, and the writer that owns a
//! write stream.
//!
//! The Storage Write client is our own, on gcp-bigquery-client's generated stubs. What that crate's
//! `storage` module lacks is in docs/adr/0003-own-append-client.md.

mod alphabets;
pub mod append;
pub(in crate::sink) mod appender;
mod auth;
pub mod batch;
mod call_metadata;
mod client;
mod coalesce;
pub mod columns;
pub(in crate::sink) mod descriptor;
mod errors;
mod look;
pub mod prices;
mod rest;
mod row_error;
mod sink;
mod stream;
mod table;
mod target;
mod writer;

pub use auth::{Identity, STORAGE_SCOPE, TokenError};
pub use client::BigQuery;
pub use sink::BigQuerySink;
pub use table::PreparedTable;
