//! The chain from records to visible rows, and the ledger that says how far it has come.

mod batch;
mod outcome;

pub use batch::{Batch, BatchId, Span};
pub use outcome::{DeadLetter, Reason, Rejection, Transcoded};
