//! What a run of a domain would find, without one: findings about its settings, peers, topic, group,
//! contract, table and samples (docs/reference/check.md). Here nothing is asked; what was seen is
//! judged.
//!
//! ```text
//! topic, logs, kept offsets ──► group    ─┐
//! table as it is, contract  ──► table    ─┼─► findings ─► verdict
//! last records, plan        ──► samples  ─┘
//! ```

mod finding;
mod group;
mod samples;
mod table;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Grade, counted, verdict};
pub use group::{GroupSeen, group, in_words};
pub use samples::{Tally, spread, tally};
pub use table::table;
