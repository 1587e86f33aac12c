//! GoogleSQL in the embedded BigQuery: one statement is parsed, translated to SQLite with the types
//! of its expressions, and run in one transaction. What is not supported is refused by its name.
//!
//! There are SELECT with joins, grouping, windows, QUALIFY, set operations, WITH, subqueries and
//! UNNEST; INSERT, UPDATE, DELETE, MERGE and TRUNCATE TABLE; CREATE TABLE with columns, and DROP
//! TABLE. The functions are those of `signatures`, `functions`, `time_functions` and `aggregates`.
//!
//! The way of a statement: `run` parses it; `select`, `dml`, `insert`, `merge` or `ddl` translate it
//! with `expression` and `from`, which find names in `scope` and types in `types`; `changes` writes
//! the rows of DML. Functions in which SQLite differs from BigQuery are in [`native`].
//!
//! Not modelled: the expiry of tables. A required partition filter counts as given if the partition
//! column is named in ON or WHERE.

mod aggregates;
mod arrays;
mod changes;
mod ddl;
mod dml;
mod error;
mod escapes;
mod expression;
mod from;
mod functions;
mod insert;
mod literals;
mod merge;
pub mod native;
mod operations;
mod queries;
mod request;
mod run;
mod scope;
mod select;
mod signatures;
mod table_name;
mod time_functions;
mod translator;
mod types;

#[cfg(test)]
mod tests;

pub use error::SqlError;
pub use request::{Affected, Answer, Parameter, Parameters, Query};
pub use run::{run, run_in};
