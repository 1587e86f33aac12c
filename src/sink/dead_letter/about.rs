//! What all dead letters of an instance have in common.

/// Where an instance's records come from and how it reads them.
#[derive(Debug, Clone)]
pub struct About {
    pub topic: String,
    pub group: String,
    /// `Contract::id`.
    pub contract: String,
}
