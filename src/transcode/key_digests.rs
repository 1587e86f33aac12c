//! Detects duplicate keys among members that are not declared.

use super::fault::{Fault, Result};
use super::json_string::JsonString;
use super::names::digest;

/// Digests of the undeclared keys of all objects that are being read, a stack. (Declared keys are
/// detected by `seen`.) Kept between events so that it is not allocated again.
///
/// Digests are compared instead of keys because they are cheap to keep and to sort. Two different
/// keys with the same digest are taken for duplicates, which costs time and nothing else: the text
/// is then read again without duplicates.
#[derive(Debug, Default)]
pub(super) struct KeyDigests {
    digests: Vec<u64>,
    /// A key with its escapes resolved.
    scratch: Vec<u8>,
    /// The text has no duplicate keys, so that nothing needs to be recorded.
    no_duplicates: bool,
}

impl KeyDigests {
    /// Prepares for the next event. `no_duplicates`: its text is known to have no duplicate keys.
    pub(super) fn reset(&mut self, no_duplicates: bool) {
        self.digests.clear();
        self.no_duplicates = no_duplicates;
    }

    /// Begins an object. The result has to be passed to [`Self::close`].
    pub(super) fn open(&self) -> usize {
        self.digests.len()
    }

    /// Adds a key of the current object.
    #[inline]
    pub(super) fn add(&mut self, key: JsonString<'_>) {
        if !self.no_duplicates {
            let digest = digest(key.resolve(&mut self.scratch));
            self.digests.push(digest);
        }
    }

    /// Ends the object. Fails if two of its keys have the same digest.
    pub(super) fn close(&mut self, opened: usize) -> Result<()> {
        let own = &mut self.digests[opened..];
        let duplicate = match own {
            [] | [_] => false,
            own => {
                own.sort_unstable();
                own.windows(2).any(|pair| pair[0] == pair[1])
            }
        };
        self.digests.truncate(opened);
        if duplicate { Err(Fault::duplicate_key()) } else { Ok(()) }
    }
}
