//! Kafka: rows as JSON messages of another topic, in one transaction with the partition's next offset
//! (docs/adr/0022-kafka-sink.md).
//!
//! ```text
//! sink ─► cluster: is it the one that is read, are the topics there
//!   └► writer, one thread a partition ─► owner: the partition's producer, what is stored
//!                ├► work: rows (message ◄ columns) and letters ─► transaction
//!                └► refused: which messages the broker does not take
//! ```

mod cluster;
pub mod columns;
mod errors;
mod look;
mod message;
mod owner;
mod progress;
mod refused;
mod sink;
mod target;
mod transaction;
mod work;
mod writer;

#[cfg(test)]
mod tests;

pub use look::{KafkaLook, LookParts, look};
pub use sink::{KafkaSink, Reads, SinkParts};
