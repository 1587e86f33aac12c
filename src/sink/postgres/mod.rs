//! PostgreSQL and TimescaleDB: rows by binary COPY, in one transaction with the partition's next
//! offset (docs/adr/0017-postgresql.md).
//!
//! ```text
//! sink ─► table, hypertable: what is there and what it takes
//!   └► writer, one a partition ─► transaction: rows (copy ◄ cell, numeric), letters, offsets
//!                └► refused: which rows the database does not take
//! ```
//!
//! `batch` writes to the same tables for transfers.
//!
//! The dashboard reads through the same pool, TLS and errors.

pub mod batch;
mod cell;
pub mod columns;
mod copy;
mod errors;
mod hypertable;
mod look;
mod numeric;
mod offsets;
mod pool;
mod refused;
mod sink;
mod statement;
mod table;
mod target;
mod tls;
mod transaction;
mod writer;

pub use columns::{quoted, quoted_name};
pub use errors::{PgError, Verdict};
pub use look::{LookParts, PostgresLook, look};
pub use offsets::stored_offsets;
pub use pool::{Connection, Connections};
pub use sink::{PostgresSink, SinkParts};
