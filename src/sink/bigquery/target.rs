//! What all lanes of an instance share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::client::BigQuery;
use crate::config::TableId;
use crate::sink::Reread;
use crate::sink::dead_letter::DeadLetters;

/// The table that rows go to, and where their dead letters go.
pub struct Target {
    pub bigquery: BigQuery,
    pub table: TableId,
    /// The encoded `ProtoSchema` of the rows.
    pub schema: Bytes,
    /// Rows go to BUFFERED streams, to be flushed; otherwise to the table's default stream.
    pub buffered: bool,
    pub letters: DeadLetters,
    pub reread: Arc<dyn Reread>,
    /// How long an append may stay unanswered.
    pub answer: Duration,
}
