//! Completeness of a table by the chain of its rows: what is there twice, what is missing, and where
//! the rows alone do not say (docs/reference/verify.md).
//!
//! ```text
//! table ── one query ──► places ─► chain: repeated, missing, unproven ─► reread: what stands at
//! offsets' metadata ───► last row ─┘ tail                                  each offset, by Kafka
//! ```

mod chain;
mod completeness;
mod reread;
mod statement;
mod table;
#[cfg(test)]
mod tests;

pub use chain::{Chains, Missing, PartitionChain, Promised, Repeated, Span};
pub use completeness::{Verified, verify};
pub use reread::{Fates, MOST_NAMED, Reread, Topic, reread};
pub use statement::Asked;
pub use table::{MOST_PLACES, Part, Table};
