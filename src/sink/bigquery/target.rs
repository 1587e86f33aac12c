//! What all lanes of an instance share.

use std::sync::Arc;

use super::appender::Destination;
use super::client::BigQuery;
use crate::sink::Reread;
use crate::sink::dead_letter::DeadLetters;

/// The table that rows go to, and where their dead letters go.
pub struct Target {
    pub bigquery: BigQuery,
    pub rows: Destination,
    pub letters: DeadLetters,
    pub reread: Arc<dyn Reread>,
}
