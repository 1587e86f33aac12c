//! What a caller gives to a statement and gets from it.

use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::FieldSchema;

/// One statement of GoogleSQL.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    pub sql: &'a str,
    pub project: &'a str,
    /// Of names without a dataset: `dataset` of the project, or `project.dataset`.
    pub default_dataset: Option<&'a str>,
    pub parameters: Parameters,
    /// Checks the statement and estimates its bytes without running it.
    pub dry_run: bool,
}

/// Named parameters (`@name`).
pub type Parameters = Vec<Parameter>;

/// A parameter's name and type, and its value in the form in which the store keeps values.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub column: FieldSchema,
    pub value: Option<crate::row::Cell>,
}

/// The result of a statement.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The columns of a SELECT, or none.
    pub columns: Vec<FieldSchema>,
    pub rows: Vec<Cells>,
    /// How many rows a DML statement changed; `None` for other statements and for a dry run.
    pub affected: Option<Affected>,
    /// The `statementType` of BigQuery's jobs.
    pub statement: &'static str,
    /// The size of the columns that the statement reads. BigQuery's own estimate differs where it
    /// skips partitions.
    pub bytes_processed: u64,
}

/// How many rows a DML statement changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Affected {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}
