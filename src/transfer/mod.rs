//! The batch job: the rows of some days go from a source into a table, and running it again ends the
//! same (docs/adr/0027-transfer.md).
//!
//! ```text
//! pre_execution_cleansing   lease ─► staging tables of interrupted runs are dropped
//! pipeline                  source ─► intake (plan) ─► staging ─► counted ─► copy or MERGE ─► target
//!                           thread      └── rejected ──► dead letters
//! post_execution_cleanup    staging dropped ─► the run is recorded ─► lease given back
//! ```

mod columns;
mod counts;
mod days;
mod error;
mod execution_date;
mod holding;
mod intake;
mod names;
mod progress;
mod queries;
mod reading;
mod request;
mod run;
mod runs;
pub mod source;
mod staged;
mod target;

pub use counts::Counts;
pub use days::{DateError, Days, execution_date};
pub use error::TransferError;
pub use execution_date::{Due, ExecutionDate};
pub use progress::Progress;
pub use request::{MaxRejected, Mode, Request};
pub use run::{OwnSql, Summary, Transfer};
