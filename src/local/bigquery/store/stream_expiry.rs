//! How long write streams live.

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a stream lives without traffic, that is, without an append or a flush. After that it is
/// not found, and its unflushed rows never become visible.
#[derive(Debug, Clone, Copy)]
pub struct StreamExpiry {
    committed: Duration,
    others: Duration,
}

impl StreamExpiry {
    /// The same time for streams of all types.
    pub fn of_all(idle: Duration) -> Self {
        Self { committed: idle, others: idle }
    }

    pub fn of(self, kind: Type) -> Duration {
        if kind == Type::Committed { self.committed } else { self.others }
    }
}

/// BigQuery's own times.
impl Default for StreamExpiry {
    fn default() -> Self {
        Self { committed: DAY * 4, others: DAY * 7 }
    }
}
