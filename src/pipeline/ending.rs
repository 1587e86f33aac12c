//! How a session ends, and why.

use rdkafka::error::KafkaError;

use crate::record::Partition;
use crate::source::{CommitError, PollError};
use crate::stop::Stop;

/// How a session ended.
pub enum Ending {
    /// Shut down or caught up; `drained` says whether everything in flight was settled.
    Finished { drained: bool },
    /// A new session goes on with the successor of plan and sink.
    Succeeded { drained: bool },
    /// A new session has to find out what was committed. `progress`: this one has committed.
    Rejoin { why: Interruption, progress: bool },
}

/// Why a session ends before the run does.
#[derive(Debug, thiserror::Error)]
pub enum Break {
    /// A new session may go on.
    #[error("a new session has to join the group")]
    Rejoin(#[source] Interruption),
    /// The partitions belong to others by now, so nothing of this session can be committed.
    #[error("the group has moved on without this member")]
    Fenced(#[source] Interruption),
    /// Only a person can help.
    #[error(transparent)]
    Stop(Stop),
}

/// What a new session recovers from.
#[derive(Debug, thiserror::Error)]
pub enum Interruption {
    #[error("open the transactions for offset commits")]
    Transactions(#[source] CommitError),
    #[error("read records")]
    Read(#[source] PollError),
    #[error("read or change the assignment")]
    Assignment(#[source] KafkaError),
    /// The commit may or may not have happened.
    #[error("commit offsets")]
    Commit(#[source] CommitError),
    #[error("newly assigned partitions could not be taken on in time")]
    NotReady,
    #[error("partition {0} has no leader, so the group cannot begin there")]
    NoLeader(Partition),
    #[error("another instance has taken over partition {0} in the sink")]
    TakenOver(Partition),
}

impl From<Stop> for Break {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<KafkaError> for Break {
    fn from(error: KafkaError) -> Self {
        Self::Rejoin(Interruption::Assignment(error))
    }
}

impl From<CommitError> for Break {
    fn from(error: CommitError) -> Self {
        if let Some(hint) = error.hint() {
            return Self::Stop(Stop::new("commit offsets".to_owned(), hint, error));
        }
        let is_fenced = error.is_fenced();
        let why = Interruption::Commit(error);
        if is_fenced { Self::Fenced(why) } else { Self::Rejoin(why) }
    }
}
