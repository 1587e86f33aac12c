//! The Kafka clients: reading records, rebalances, and committing offsets.

mod admin;
pub mod client;
mod committer;
mod consumer;
mod deliveries;
mod error_code;
mod group;
mod message;
mod native;
mod offsets;
mod onlooker;
mod progress;
mod publisher;
mod rebalancer;
mod record_queue;
mod record_reader;
mod subscription;
mod topic_parts;
mod topic_reader;
mod trace;
mod transactional_producer;
mod watch;

pub use admin::{GroupNow, Rights, Topic};
pub use committer::{Commit, CommitError, Committer};
pub use consumer::{Beginning, OpenError, PollError, Polled, Source};
pub use deliveries::{Produced, Undelivered};
pub use group::Rebalance;
pub use message::{headers, message};
pub use native::metadata as committed_metadata;
#[cfg(any(test, feature = "local"))]
pub use native::start_mock_groups_at_once;
pub use offsets::Committed;
pub use onlooker::{Brokers, LookError, Onlooker, Tail, TopicLook, topic_properties};
pub use publisher::{Outcome, Outgoing, Pending, Publisher};
pub use record_queue::Record;
pub use record_reader::RecordReader;
pub use subscription::Subscription;
pub use topic_parts::{Offsets, Part, TopicError, TopicParts};
pub use topic_reader::{ReadError, TopicReader};
pub use trace::span_context;
pub use transactional_producer::{Membership, TransactionError, TransactionalProducer};
