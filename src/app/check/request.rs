//! What is checked, and for how long.

use std::time::Duration;

use crate::app::domain::Domain;
use crate::config::Settings;

/// How long all questions to one peer may take.
pub const PEER: Duration = Duration::from_secs(24);

/// What is checked.
#[derive(Clone, Copy)]
pub struct CheckRequest<'a> {
    pub settings: &'a Settings,
    /// `None`: the contract cannot be used, which is said already.
    pub domain: Option<&'a Domain>,
    /// How many records are put through the contract; 0: none.
    pub samples: usize,
}
