//! Committing offsets, fenced by the group's generation.
//!
//! Exactly-once sends its offsets in a transaction of a producer that produces nothing else: that
//! request carries the member id and generation *captured here*, on the thread that serves
//! rebalances, where a plain commit would be stamped by librdkafka with whatever generation it
//! holds when the request leaves. See docs/adr/0001-exactly-once.md.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::consumer::{METADATA_TOO_LARGE, Source};
use super::group::is_fenced;
use super::transactional_producer::{TransactionError, TransactionalProducer};
use crate::record::{Offset, Partition};

/// Timeout of each of the two requests of a commit. Together they may take longer than
/// `transaction.timeout.ms` (10 s): then the broker aborts the transaction, the second request fails,
/// and the session ends.
const STEP: Duration = Duration::from_secs(8);

/// One partition's part of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub partition: Partition,
    /// The next offset to read.
    pub offset: Offset,
    /// Opaque here: what it means is between the pipeline and its sink.
    pub metadata: String,
}

/// How offsets are committed.
pub enum Committer {
    /// A transaction that holds nothing but offsets.
    Transactional(TransactionalProducer),
    /// A plain commit that nobody waits for.
    Plain,
    /// The sink commits them, with its rows.
    BySink,
    /// A plain commit that is waited for: librdkafka's mock cluster does not keep the offsets of
    /// transactions.
    #[cfg(test)]
    Synchronous,
}

/// Why a commit failed. Where [`Self::is_fenced`] holds, the offsets were not and will not be
/// committed; after any other error they may be. Either way the session ends, and the next one reads
/// the committed offsets from the broker.
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
}

impl CommitError {
    /// The group has moved on without this member: nothing of the commit happened, nor will it.
    pub fn is_fenced(&self) -> bool {
        match self {
            Self::NotMember | Self::Lost => true,
            Self::Transaction { source, .. } => is_fenced(source.code),
            Self::SentTwice | Self::Kafka { .. } => false,
        }
    }

    /// What only a person can change; `None` where a new session may succeed.
    pub fn hint(&self) -> Option<&'static str> {
        let code = match self {
            Self::Transaction { source, .. } => Some(source.code),
            Self::Kafka { source, .. } => source.rdkafka_error_code(),
            Self::NotMember | Self::Lost | Self::SentTwice => None,
        };
        (code == Some(RDKafkaErrorCode::OffsetMetadataTooLarge)).then_some(METADATA_TOO_LARGE)
    }
}

impl Committer {
    /// Makes the transactional producer. `init_transactions` ends what an earlier session of the
    /// same `transactional.id` left behind and fences its delayed requests by a higher epoch.
    pub fn transactional(config: &ClientConfig, patience: Duration) -> Result<Self, CommitError> {
        let producer = TransactionalProducer::create(config).map_err(|source| {
            CommitError::Kafka { step: "create the transactional producer", source }
        })?;
        producer.init(patience).map_err(transaction("initialise transactions"))?;
        Ok(Self::Transactional(producer))
    }

    /// Commits all of them together, and returns how long that took. A transaction blocks until the
    /// broker has answered. Only the thread that serves rebalances may call this.
    pub fn commit(&self, source: &Source, commits: &[Commit]) -> Result<Duration, CommitError> {
        let began = Instant::now();
        if matches!(self, Self::BySink) {
            return Ok(began.elapsed());
        }
        // The membership is read first, and the loss of the assignment checked afterwards. When
        // librdkafka loses the assignment it clears the membership and sets the flag together, and it
        // joins again only after this thread has served the loss. So if the flag is not set now, the
        // membership read before belongs to the current assignment.
        let membership = source.membership().ok_or(CommitError::NotMember)?;
        if source.assignment_lost() {
            return Err(CommitError::Lost);
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for commit in commits {
            let mut element = list.add_partition(source.topic(), commit.partition.0);
            let offset = KafkaOffset::Offset(commit.offset.0);
            element.set_offset(offset).map_err(|source| CommitError::Kafka {
                step: "set the offset of a commit",
                source,
            })?;
            element.set_metadata(&commit.metadata);
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
            // A plain commit that is lost or late can only repeat rows, which at-least-once allows.
            // So nothing waits for its answer. Leaving the group sends it first.
            Self::Plain => plain(source, &list, CommitMode::Async)?,
            Self::BySink => {}
            #[cfg(test)]
            Self::Synchronous => plain(source, &list, CommitMode::Sync)?,
        }
        Ok(began.elapsed())
    }
}

fn plain(
    source: &Source,
    offsets: &TopicPartitionList,
    mode: CommitMode,
) -> Result<(), CommitError> {
    let committed = source.client().commit(offsets, mode);
    committed.map_err(|source| CommitError::Kafka { step: "commit offsets", source })
}

fn transaction(step: &'static str) -> impl FnOnce(TransactionError) -> CommitError {
    move |source| CommitError::Transaction { step, source }
}
