//! Jobs: copy, load and query.
//!
//! ```text
//! handlers, uploads ─► insertion ─► task ─┬─► copy ──┐
//!                                         ├─► load ──┴─► destination ─► the store
//!                                         └─► query ─► sql
//! ```
//!
//! What a job changes and its state DONE are one transaction, so a job that was killed has either
//! happened or left nothing, and a client that lost the answer can ask for the job, or insert it again
//! under the same id: it is refused if it exists. Under the fault `job_delay` a job is stored as
//! RUNNING first and happens later, after a restart too.

mod configuration;
mod copy;
mod csv;
mod destination;
mod failure;
mod handlers;
mod insertion;
mod load;
mod multipart;
mod objects;
mod queries;
mod query;
mod reference;
mod sessions;
mod source;
mod task;
mod uploads;

pub use handlers::{cancel, delete, get, insert, list};
pub use insertion::resume;
pub use objects::Objects;
pub use queries::{get_results, query};
pub use sessions::Uploads;
pub use uploads::{begin, proceed};
