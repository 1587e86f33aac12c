//! What a plan is compiled with besides the contract and the table, and why compiling can fail.

use std::fmt;

use super::filter::Filter;
use super::partition::PartitionWindow;
use crate::config::RowLayout;
use crate::record::Offset;

#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The topic that the records come from, for `_kafka_topic`.
    pub topic: String,
    /// Event types to ignore. They do not have to be in the contract; one that is in the contract
    /// too is ignored.
    pub ignore: Vec<String>,
    /// Which of the other events become rows; `None`: all.
    pub filter: Option<Filter>,
    pub layout: RowLayout,
    /// The column that the table is partitioned by, if rows outside a range of days would be
    /// refused. `None`: days are not checked.
    pub partition: Option<PartitionWindow>,
    /// Limit in bytes of a record's value and of its row. Larger ones are rejected.
    pub max_row_bytes: usize,
}

/// What a row says of its reading, beyond what its record says.
#[derive(Debug, Clone, Copy)]
pub struct Ingestion {
    /// When the record was read: microseconds since the epoch.
    pub at_micros: i64,
    /// The last row before this one in the partition; `None` where the chain of rows begins.
    pub previous: Option<Offset>,
}

impl Ingestion {
    /// The first row of a chain.
    pub fn at(at_micros: i64) -> Self {
        Self { at_micros, previous: None }
    }
}

/// Why a contract cannot be compiled for a table: everything that is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub struct PlanError {
    pub mistakes: Vec<PlanMistake>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.mistakes.iter().map(PlanMistake::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// One thing that is wrong; `place` is a file with a JSON pointer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanMistake {
    #[error(
        "{place}: event type {event}, field {field}: {found} cannot be written to a {column} column"
    )]
    Column {
        place: String,
        event: String,
        field: String,
        found: &'static str,
        column: &'static str,
    },
    #[error("{place}: event type {event}: its JSON Schema does not compile: {problem}")]
    Schema { place: String, event: String, problem: String },
}
