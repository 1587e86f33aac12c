//! What a batch job needs of BigQuery next to the tables: a staging table that is committed as a
//! whole, jobs that are run once, statements, and a lease that keeps a second run away.

mod jobs;
mod lease;
mod staging;
mod statements;
mod tables;

pub use jobs::{Job, JobDone, JobError, Pages, Select, Selected, query};
pub use lease::{Acquired, Lease};
pub use staging::{Staging, StagingError};
pub use statements::{
    DateColumn, Merge, Range, count, examples_of_repeated_keys, insert, name, quoted,
    repeated_keys, text, timestamp,
};
pub use tables::TargetTable;
