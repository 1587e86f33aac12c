//! What a batch job needs of PostgreSQL next to the tables: a staging table that each row reaches once,
//! one transaction that changes the target once, statements, and a lease that keeps a second run away.
//!
//! The lease is a row, so that it outlives a connection and works through any connection pooler. Every
//! transaction that changes anything looks at it: a run that has lost it changes nothing.

mod asked;
mod attempts;
mod lease;
mod letters;
mod moving;
mod reading;
mod staging;
mod statements;
mod tables;

pub use lease::{Acquired, Lease};
pub use letters::LetterTable;
pub use moving::{Changed, Move, MoveError, Step};
pub use reading::{Cursor, HeldLease, StagingTable, count, exists, leases, rows, staging_tables};
pub use staging::{Staging, StagingError};
pub use statements::{Merge, Range, count_statement, text, timestamp};
pub use tables::{BatchParts, BatchTables};
