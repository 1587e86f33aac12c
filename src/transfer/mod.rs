//! The batch job: the rows of some days go from a source into a table, and running it again ends the
//! same (docs/adr/0027-transfer.md).
//!
//! ```text
//! pre_execution_cleansing   lease ─► staging tables of interrupted runs are dropped
//! pipeline                  source ─► intake (plan) ─► staging ─► counted ─► one step ─► target
//!                           thread      └── rejected ──► dead letters
//! post_execution_cleanup    staging dropped ─► the run is recorded ─► lease given back
//! ```
//!
//! `target` says what the steps need of a database; `bigquery` and `postgres` do it.

mod bigquery;
mod columns;
mod counts;
mod database;
mod days;
mod error;
mod execution_date;
mod holding;
mod intake;
mod moved;
mod planned;
mod postgres;
mod progress;
mod reading;
mod refused;
mod request;
mod run;
mod runs;
pub mod source;
pub mod sql_proxy;
mod staged;
pub mod status;
mod target;

pub use counts::Counts;
pub use database::Database;
pub use days::{DateError, Days, execution_date};
pub use error::TransferError;
pub use execution_date::{Due, ExecutionDate};
pub use planned::{Planned, Replaced};
pub use progress::{Phase, Progress, Snapshot};
pub use request::{MaxRejected, Mode, OwnSql, Request};
pub use run::{Summary, Transfer};
