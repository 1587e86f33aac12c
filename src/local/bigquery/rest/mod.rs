//! The REST API: datasets, tables with etags, listed rows, rows inserted with `insertAll`, and jobs.

mod api;
mod datasets;
mod expiration;
mod insert_all;
mod insert_ids;
mod jobs;
mod json_rows;
mod list_rows;
mod partitions;
mod paths;
mod resource;
mod router;
mod state;
mod tables;

pub use router::router;
