//! What a writer's background tasks bring back.

use crate::record::Rejected;
use crate::sink::{BatchId, Promise};

/// A background task that has ended well.
pub(super) enum Finished {
    /// What the owner before promised is visible.
    Recovery,
    Flush(Promise),
    /// Another instance has taken the partition over.
    Fenced,
    Delivery {
        batch: BatchId,
        letters: Vec<Rejected>,
    },
}
