//! Reading a record again, for the dead letter of a row that the sink refused.

use async_trait::async_trait;

use crate::record::{DeadLetter, Position, Rejection};
use crate::source::RecordReader;

/// Reads records again by position: a record's value is not kept while its row is in flight.
#[async_trait]
pub trait Reread: Send + Sync {
    /// The record at `at` as a dead letter of this rejection; `None` where the broker no longer has
    /// it.
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter>;
}

#[async_trait]
impl Reread for RecordReader {
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        self.read(at, rejection).await
    }
}
