//! The store: datasets, tables, write streams and rows in one SQLite file.
//!
//! Each BigQuery table is a SQLite table `project.dataset.table` with a column for each top-level
//! column and three of the store's own: `__stream` (the write stream's id), `__row` (the row's
//! offset in that stream) and `__visible`. A view with the table's short name shows the visible
//! rows to a person. RECORD, REPEATED and JSON columns hold JSON text. An append is one
//! transaction, so an acknowledged row is in the file even if the process is killed right after.

mod database;
mod error;
mod resources;
mod rows;
mod stream_expiry;
mod streams;
mod views;

pub use database::Store;
pub use error::StoreError;
pub use resources::Resources;
pub use stream_expiry::StreamExpiry;
pub use streams::{has_columns, no_table};
