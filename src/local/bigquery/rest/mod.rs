//! The REST API: datasets, tables with etags, listed rows, and rows inserted with `insertAll`.

mod api;
mod datasets;
mod insert_all;
mod insert_ids;
mod list_rows;
mod paths;
mod resource;
mod router;
mod state;
mod tables;

pub use router::router;
