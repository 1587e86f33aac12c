//! Why there is no object.

use crate::record::Reason;
use crate::stop::Stop;

/// What became of an attempt to fetch an object.
#[derive(Debug)]
pub enum Fault {
    /// It is the event's fault, or the object's: another attempt would end the same way.
    Rejected { reason: Reason, detail: String },
    /// The store does not answer, or says that it cannot answer now.
    Away(String),
    /// Nothing can be fetched before a person has done something.
    Stop(Box<Stop>),
}

impl Fault {
    pub fn rejected(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Rejected { reason, detail: detail.into() }
    }
}

/// A place that must not be fetched from.
pub fn refused(detail: String) -> Fault {
    Fault::rejected(Reason::ObjectRefused, detail)
}
