//! What a run would do to a table, found out without doing it.

use crate::row::TableSchema;
use crate::stop::Stop;

/// A table as a run would find it.
#[derive(Debug)]
pub struct TableLook {
    pub table: String,
    pub is_there: bool,
    /// About how many rows it has; `None`: nobody says.
    pub rows: Option<u64>,
    /// What a run would change, in order: `create it with 40 columns`, `add note: STRING`.
    pub changes: Vec<String>,
    /// Why a run would stop.
    pub refusal: Option<Stop>,
    /// Columns of the contract that the table lacks and is not given: their values are left out.
    pub left_out: Vec<String>,
    /// What a run takes as it is, and a person may not expect.
    pub notes: Vec<String>,
    /// The rights that a run needs and that this identity lacks; `None`: nobody says.
    pub lacking: Option<Vec<String>>,
    /// The columns that a run would write.
    pub columns: TableSchema,
    /// The column of day partitions, outside of whose window no row is taken.
    pub partition_by: Option<String>,
}

impl TableLook {
    /// A table that is as it should be, as far as is known.
    pub fn new(table: impl Into<String>, columns: TableSchema) -> Self {
        Self {
            table: table.into(),
            is_there: true,
            rows: None,
            changes: Vec::new(),
            refusal: None,
            left_out: Vec::new(),
            notes: Vec::new(),
            lacking: None,
            columns,
            partition_by: None,
        }
    }
}
