//! What all lanes of an instance share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::appender::Destination;
use super::client::BigQuery;
use super::stream::StreamName;
use crate::row::TableSchema;
use crate::sink::Reread;
use crate::sink::dead_letter::DeadLetters;

/// The table that rows go to, and where their dead letters go.
pub struct Target {
    pub bigquery: BigQuery,
    pub rows: Destination,
    /// Of the rows.
    pub columns: TableSchema,
    pub letters: DeadLetters,
    pub reread: Arc<dyn Reread>,
    pub finalized: FinalizedStreams,
}

/// Streams that refused a flush because they were finalized. An owner finalizes a stream only after a
/// commit that no longer names it, so whoever still flushes it has lost the partition. If the commit
/// names it all the same, which the second refusal shows, somebody else has finalized it.
#[derive(Default)]
pub struct FinalizedStreams(Mutex<HashSet<StreamName>>);

impl FinalizedStreams {
    /// Remembers the stream. Returns whether this is its first refusal.
    pub fn is_first(&self, stream: &StreamName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.clone())
    }
}
