//! BigQuery: our own append client on the generated stubs, tables over REST, and the writer that
//! owns a write stream. What gcp-bigquery-client's own `storage` module lacks, and why we do not
//! use it, is told in docs/adr/0003-own-append-client.md.

pub mod append;
mod auth;
mod client;
mod coalesce;
pub mod columns;
pub(in crate::sink) mod descriptor;
pub(in crate::sink) mod errors;
mod rest;
mod table;
mod tokens;
mod writer;

pub use client::BigQuery;
