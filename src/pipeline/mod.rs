//! The chain from records to visible rows, and the ledger that says how far it has come.
//!
//! ```text
//! run ─► session ─► read: source ─► transcode ─► assembler        rebalances: session/assignment
//!          turn  ─► settlement: lanes ─► sink ─► reports ─► ledger ─► offset commit ─► flush
//!                ─► back_pressure: wait, pause, resume              end: catch_up
//! ```
//!
//! In a flow with steps, a record is worked on between the source and the transcoder, and its row is
//! that of the report: session/intake.
//!
//! [`run()`] opens sessions until one ends well. A session is one Kafka client's life; `turn` in
//! session.rs is the whole chain on one screen. Where a [`Successor`] waits, a session ends in order, and
//! the next one writes by it. What is written where is the sink's business: the
//! pipeline knows batches, reports and promises ([`crate::sink`]).

mod assembler;
mod back_pressure;
mod catch_up;
mod commit_metadata;
mod dead_share;
mod ending;
mod flow;
mod freshness;
mod lanes;
mod ledger;
mod run;
mod session;
mod settlement;
mod succession;
mod summary;
#[cfg(test)]
mod tests;
mod traces;

pub use commit_metadata::{MetadataError, is_noted, last_row, promises_nothing, topic_id};
pub use flow::{Flow, Steps, Until};
pub use ledger::{CommitPoint, Ledger};
pub use run::run;
pub use session::{AtStart, KeptOffset, WouldStart, would_start};
pub use succession::{Succession, Successor};
pub use summary::Summary;
