//! Dead letters, read from wherever a domain keeps them: a table of BigQuery or PostgreSQL beside the
//! rows, or a topic of Kafka (docs/reference/dlq.md).
//!
//! ```text
//! Store ─┬─ groups: what there is, by reason, contract and event type
//!        └─ letters: a stream of Letters, each with its record ─► trial: what would become of it now
//! ```

mod groups;
mod letter;
mod message;
mod selection;
mod statement;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod topic;
mod trial;

pub use groups::{Backlog, Example, Group, MOST_GROUPS, Overview};
pub use letter::{Kept, Letter};
pub use selection::{Period, Selection};
pub use store::{Store, Table};
pub use stream::Letters;
pub use topic::LetterTopic;
pub use trial::{Fate, Trial, Tried, With, try_letters};
