//! Dead letters, read from wherever a domain keeps them: a table of BigQuery or PostgreSQL beside the
//! rows, or a topic of Kafka (docs/reference/dlq.md).
//!
//! ```text
//! Store ─┬─ groups: what there is, by reason, contract and event type
//!        └─ letters: a stream of Letters, each with its record and what the table has at its place
//!              └─► screening: which are tried ─► trial: what would become of them now
//!
//! LetterTopic ─► through: into a sink that cannot be asked for rows
//!                  └─► handover: batches ◄── round: what is to be done with each letter
//! ```

mod dialect;
mod fate;
mod groups;
mod handover;
#[cfg(test)]
mod handover_tests;
mod letter;
mod message;
mod passed;
mod round;
mod screening;
mod selection;
mod standing;
mod statement;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod through;
mod topic;
mod trial;

pub use fate::Fate;
pub use groups::{Backlog, Example, Group, MOST_GROUPS, Overview};
pub use handover::{Pacing, Records};
pub use letter::{Kept, Letter};
pub use passed::Passed;
pub use round::Round;
pub use screening::{MOST_TRIES, Screening, Seen};
pub use selection::{Period, Selection};
pub use standing::Record;
pub use statement::GROUP as REDRIVE;
pub use store::{Store, Table};
pub use stream::Letters;
pub use through::{Redriven, Through, ThroughError, Written};
pub use topic::{LetterTopic, Moved};
pub use trial::{Trial, Tried, With, try_letters};
