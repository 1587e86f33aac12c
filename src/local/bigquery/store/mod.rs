//! The store: datasets, tables, write streams and rows in one SQLite file.
//!
//! Each BigQuery table is a SQLite table `project.dataset.table` with a column for each top-level
//! column and four of the store's own: `__stream` (the write stream's id), `__row` (the row's
//! offset in that stream), `__visible` and `__ingested` (the hour at which it was written, which
//! decides its partition in a table partitioned by ingestion time). A view with the table's short name shows the visible
//! rows to a person. RECORD, REPEATED and JSON columns hold JSON text. An append is one
//! transaction, so an acknowledged row is in the file even if the process is killed right after. So
//! is a job: what it changes and its state DONE.

mod database;
mod error;
mod expiration;
mod jobs;
mod resources;
mod rows;
mod stream_expiry;
mod streaming_buffer;
mod streams;
mod table_rows;
mod views;

pub use database::{Store, quoted};
pub use error::StoreError;
pub use jobs::StoredJob;
pub use resources::Resources;
pub use rows::{inserted_rows, read, sql_name};
pub use stream_expiry::StreamExpiry;
pub use streams::{has_columns, no_table};
pub use table_rows::CopiedRows;
