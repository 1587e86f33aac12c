//! Committing offsets, fenced by the group's generation.
//!
//! Exactly-once sends its offsets in a transaction of a producer that produces nothing else: that
//! request carries the member id and generation *captured here*, on the thread that serves
//! rebalances, where a plain commit would be stamped by librdkafka with whatever generation it
//! holds when the request leaves. See docs/adr/0001-exactly-once.md.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::group::is_fenced;
use super::offsets_producer::{OffsetsProducer, TransactionError};
use super::{CommitRecord, RecordError, Source};
use crate::pipeline::CommitPoint;
use crate::record::Partition;

/// How long each step of a commit may take. Shorter than `transaction.timeout.ms`, so that we know
/// of our failure before the broker gives the transaction up.
const STEP: Duration = Duration::from_secs(8);

/// How offsets are committed.
pub enum Committer {
    /// Exactly-once: a transaction that holds offsets only.
    Transactional(OffsetsProducer),
    /// At-least-once: a plain commit.
    Plain,
}

/// A commit that was not acknowledged. Whatever the cause, it may or may not have happened: the
/// session ends, and the next one reads what was committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("this client is no member of its group")]
    NotMember,
    #[error("the assignment was lost")]
    Lost,
    #[error("the connection broke during the commit, a copy of its request may still arrive")]
    SentTwice,
    #[error("{step}")]
    Kafka { step: &'static str, source: KafkaError },
    #[error("{step}")]
    Transaction { step: &'static str, source: TransactionError },
    #[error("write the commit's metadata")]
    Record(#[from] RecordError),
}

impl CommitError {
    /// The group has moved on without this member: nothing of the commit happened, nor will it.
    pub fn is_fenced(&self) -> bool {
        match self {
            Self::NotMember | Self::Lost => true,
            Self::Transaction { source, .. } => is_fenced(source.code),
            Self::SentTwice | Self::Kafka { .. } | Self::Record(_) => false,
        }
    }
}

impl Committer {
    /// Makes the transactional producer. `init_transactions` ends what an earlier session of the
    /// same `transactional.id` left behind and fences its delayed requests by a higher epoch.
    pub fn transactional(config: &ClientConfig, patience: Duration) -> Result<Self, CommitError> {
        let producer = OffsetsProducer::create(config).map_err(|source| CommitError::Kafka {
            step: "create the transactional producer",
            source,
        })?;
        producer.init(patience).map_err(transaction("initialise transactions"))?;
        Ok(Self::Transactional(producer))
    }

    /// Commits the points of the partitions together; a transaction blocks until the broker has
    /// answered. Called by the thread that serves rebalances, and by no other.
    pub fn commit(
        &self,
        source: &Source,
        points: &[(Partition, CommitPoint)],
    ) -> Result<Duration, CommitError> {
        let began = Instant::now();
        // The order matters: a loss clears the membership and raises the flag in one step, and no
        // new membership is taken on before this thread has served the loss. So a membership read
        // before the flag was seen down is the one under which the partitions are owned.
        let membership = source.membership().ok_or(CommitError::NotMember)?;
        if source.assignment_lost() {
            return Err(CommitError::Lost);
        }
        let mut list = TopicPartitionList::with_capacity(points.len());
        for (partition, point) in points {
            let mut element = list.add_partition(source.topic(), partition.0);
            let offset = KafkaOffset::Offset(point.offset.0);
            element.set_offset(offset).map_err(|source| CommitError::Kafka {
                step: "set the offset of a commit",
                source,
            })?;
            element.set_metadata(CommitRecord::write(point.promise.as_ref())?);
        }
        match self {
            Self::Transactional(producer) => {
                producer.begin().map_err(transaction("begin the offsets transaction"))?;
                producer
                    .send(&list, &membership, STEP)
                    .map_err(transaction("send offsets to the transaction"))?;
                producer.end(STEP).map_err(transaction("commit the offsets transaction"))?;
                if producer.lost_answer() {
                    return Err(CommitError::SentTwice);
                }
            }
            // A lost, late or misplaced plain commit can only repeat rows, which at-least-once
            // allows; so nothing waits for its answer, and leaving the group sends it first.
            Self::Plain => source
                .client()
                .commit(&list, CommitMode::Async)
                .map_err(|source| CommitError::Kafka { step: "commit offsets", source })?,
        }
        Ok(began.elapsed())
    }
}

fn transaction(step: &'static str) -> impl FnOnce(TransactionError) -> CommitError {
    move |source| CommitError::Transaction { step, source }
}
