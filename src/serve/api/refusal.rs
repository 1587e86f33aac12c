//! Why an event is not published.

use crate::record::{Reason, Rejection};

/// Why the API refuses an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// A reason code of the consumer's (`record::Reason`), or one of the API's own below.
    pub reason: &'static str,
    /// For people: what is wrong, and where. Never a value of the event.
    pub detail: String,
    pub event_type: Option<String>,
}

/// The event is no CloudEvent although it is sent as one.
pub(super) const INVALID_CLOUDEVENT: &str = "invalid_cloudevent";

/// The field of `EVENT_KEY` is missing.
pub(super) const NO_KEY: &str = "no_key";

/// Larger than a message may be.
pub(super) const TOO_LARGE: &str = Reason::TooLarge.code();

impl Refusal {
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), event_type: None }
    }

    pub fn by_contract(rejection: Rejection) -> Self {
        let Rejection { reason, detail, event_type } = rejection;
        Self { reason: reason.code(), detail, event_type }
    }

    /// Whether the value may be no JSON at all.
    pub fn is_about_bytes(&self) -> bool {
        [Reason::NotUtf8, Reason::InvalidJson, Reason::RegistryFramed]
            .iter()
            .any(|reason| reason.code() == self.reason)
    }
}
