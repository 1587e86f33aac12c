//! Why a run has not ended well.

use super::source::SourceError;
use crate::stop::Stop;

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the run is held by {by}")]
    Held { by: String, expires_in_ms: i64 },
    #[error("{rejected} of {read} records are rejected, and --max-rejected is {limit}")]
    TooManyRejected { rejected: u64, read: u64, limit: String, dead_letters: String },
    #[error("{keys} keys are those of several rows")]
    Duplicates { keys: u64 },
    #[error("{what}")]
    Settings { what: String, hint: String },
    #[error("write {target}: another run has taken over")]
    TakenOver { target: String },
    #[error("stopped by a signal")]
    Interrupted,
}
