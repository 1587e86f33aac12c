//! An error that no retry resolves: a person has to act.

use std::error::Error;

/// What failed, on what, and what a person can do about it. Its `Display` leaves the source out;
/// whoever reports it to a person prints the whole chain once.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Stop {
    /// The operation and what it was done on: `alter table p.d.t`.
    pub what: String,
    pub hint: String,
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Stop {
    pub fn new(
        what: impl Into<String>,
        hint: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { what: what.into(), hint: hint.into(), source: Some(source.into()) }
    }
}
