//! A Kafka broker and a BigQuery inside this program, for the first run and for tests. The image is
//! built without them.

pub mod bigquery;
pub mod broker;
