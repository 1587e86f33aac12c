//! Kafka: where events come from, where offsets are committed, and the words for their places.

pub mod client;
mod commit_record;
mod committer;
mod consumer;
mod event;
mod native;
mod offsets;
mod offsets_producer;
mod position;
mod progress;
mod rebalancer;
mod records;
mod reread;

pub use commit_record::{CommitRecord, RecordError};
pub use committer::{CommitError, Committer};
pub use consumer::{OpenError, PollError, Polled, Rebalance, Source};
pub use event::{Event, HeaderList, NoHeaders};
pub use offsets::Committed;
pub use offsets_producer::{Membership, TransactionError};
pub use position::{Offset, Partition, Position};
pub use records::Record;
pub use reread::KafkaReread;
