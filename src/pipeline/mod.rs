//! The chain from records to visible rows, and the ledger that says how far it has come.
//!
//! [`run`] opens sessions until one ends well; a `session` is one Kafka client's life, and its
//! `turn` is the whole chain on one screen.

mod assembler;
mod assignment;
mod flow;
mod ledger;
mod runner;
mod session;
mod settle;
mod summary;

pub use flow::{Flow, Until};
pub use ledger::{CommitPoint, Ledger};
pub use runner::{Stop, run};
pub use summary::Summary;
