//! The latest report for each organization and cluster, kept in SQLite as a topic of reports says.
//!
//! ```text
//! source::TopicReader ─► intake (the contract) ─► store: reports and the next offset, one transaction
//!                        └────── follower ──────┘   └─► Reports: what the API reads
//! ```
//!
//! What is kept depends on the topic alone: for each partition the last record of each key, as
//! compaction leaves it. docs/adr/0026-results.md has the reasons.

mod fields;
mod follower;
mod intake;
mod report;
mod store;

pub use fields::{MissingFields, check as check_fields};
pub use follower::Follower;
pub use intake::{Intake, Outcome};
pub use report::{Change, Identity, Report};
pub use store::{
    AffectedCluster, Batch, ClusterReport, Held, Kept, Page, Reports, StoreError, StoreWriter, open,
};

#[cfg(test)]
mod tests;
