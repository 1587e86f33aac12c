//! What all lanes of an instance share.

use std::sync::Arc;

use super::copy::CopyInto;
use super::offsets::Offsets;
use super::pool::Connections;
use crate::clock::Clock;
use crate::config::PostgresTable;
use crate::sink::Reread;
use crate::sink::dead_letter::{About, DeadLetters};
use crate::telemetry::Metrics;

/// The database, its tables, and where dead letters go.
pub(super) struct Target {
    pub connections: Connections,
    pub table: PostgresTable,
    pub rows: CopyInto,
    pub offsets: Offsets,
    pub letters: Letters,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    pub clock: Clock,
}

/// Where dead letters go.
pub(super) enum Letters {
    /// A table next to the rows, in the same transaction.
    Table { table: PostgresTable, rows: CopyInto, about: About },
    /// Somewhere else, before the transaction.
    Elsewhere(DeadLetters),
}
