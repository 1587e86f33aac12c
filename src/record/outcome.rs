//! What becomes of a record: a row, ignored, or rejected with a reason.

use std::fmt;

use super::reason::Reason;

/// The transcoder's answer for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transcoded {
    /// A row was written to the buffer.
    Row,
    /// Left out on purpose: its type is on the ignore list, or it is a tombstone.
    /// The index is the metric label's (`Plan::ignored_labels`).
    Ignored(usize),
    /// Goes to the dead letters.
    Rejected(Box<Rejection>),
}

/// Why a record is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// For people: which field, what was found, what was expected. Never the whole value.
    pub detail: String,
    /// Event type, where it was found.
    pub event_type: Option<String>,
}

/// The reason's code and the detail.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}
