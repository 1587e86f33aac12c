//! Dead letters, read from wherever a domain keeps them: a table of BigQuery or PostgreSQL beside the
//! rows, or a topic of Kafka (docs/reference/dlq.md).
//!
//! ```text
//! Store ─┬─ groups: what there is, by reason, contract and event type
//!        └─ letters: a stream of Letters, each with its record and what the table has at its place
//!              └─► screening: which are tried ─► trial: what would become of them now
//! ```

mod dialect;
mod fate;
mod groups;
mod letter;
mod message;
mod passed;
mod screening;
mod selection;
mod standing;
mod statement;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod topic;
mod trial;

pub use fate::Fate;
pub use groups::{Backlog, Example, Group, MOST_GROUPS, Overview};
pub use letter::{Kept, Known, Letter};
pub use passed::Passed;
pub use screening::{MOST_TRIES, Screening, Seen};
pub use selection::{Period, Selection};
pub use standing::Record;
pub use statement::GROUP as REDRIVE;
pub use store::{Store, Table};
pub use stream::Letters;
pub use topic::{LetterTopic, Moved};
pub use trial::{Trial, Tried, With, try_letters};
