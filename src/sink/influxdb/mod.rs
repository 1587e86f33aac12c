//! InfluxDB: rows as points, whose place in time follows from their place in Kafka, so that a
//! repeated row overwrites itself (docs/adr/0019-influxdb.md).
//!
//! ```text
//! sink ─► writer, one for all partitions ─► write: a request, or its halves ─► client ─► errors
//!           └► points: rows as lines (layout, value, line) ◄─ letters: dead letters as points
//! ```

mod client;
pub mod columns;
mod errors;
pub mod http;
pub mod layout;
mod letters;
mod line;
mod lines;
mod look;
mod points;
mod retry_after;
mod sink;
mod target;
#[cfg(test)]
mod tests;
mod value;
mod write;
mod writer;

pub use look::{InfluxLook, look};
pub use sink::{InfluxSink, SinkParts};
