//! What became of a document that is not on this machine.

use std::fmt;

/// A document that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub text: String,
    pub version: Version,
}

/// Which version of a document it is, in the words of its store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    pub etag: Option<String>,
    /// S3's version id or Google's generation, where the store keeps versions.
    pub id: Option<String>,
}

/// Why a document was not fetched, as a mistake of the configuration says it. Safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFetched {
    pub found: String,
    pub accepted: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.etag, &self.id) {
            (Some(etag), Some(id)) => write!(f, "ETag {etag}, version {id}"),
            (Some(etag), None) => write!(f, "ETag {etag}"),
            (None, Some(id)) => write!(f, "version {id}"),
            (None, None) => f.write_str("no ETag"),
        }
    }
}
