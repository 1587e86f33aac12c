//! The digest of a set's documents.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Bytes of the digest that are shown.
const SHOWN: usize = 6;

/// Twelve hexadecimal digits that are others when a document is.
pub(super) fn of(documents: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    for (name, text) in documents {
        for part in [name, text] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
    }
    digest.finalize().iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect()
}
