//! The Kafka clients: reading records, rebalances, and committing offsets.

mod admin;
pub mod client;
mod committer;
mod consumer;
mod group;
mod message;
mod native;
mod offsets;
mod offsets_producer;
mod progress;
mod rebalancer;
mod record_queue;
mod record_reader;
mod subscription;
mod watch;

pub use admin::Topic;
pub use committer::{Commit, CommitError, Committer};
pub use consumer::{Beginning, OpenError, PollError, Polled, Source};
pub use group::Rebalance;
pub use message::message;
#[cfg(any(test, feature = "local"))]
pub use native::start_mock_groups_at_once;
pub use offsets::Committed;
pub use offsets_producer::{Membership, TransactionError};
pub use record_queue::Record;
pub use record_reader::RecordReader;
pub use subscription::Subscription;
