//! The files of an archive.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Files by their paths, in the order of their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) skipped: u64,
    pub(super) entries: u64,
    pub(super) decompressed_bytes: u64,
}

impl Files {
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Paths and contents, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// Those whose paths begin with this text.
    pub fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let from = self.files.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(path, _)| path.starts_with(prefix))
            .map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// How many files were kept.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many links, devices and the like the archive had.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many entries the archive had, wanted or not.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many bytes the archive had when it was decompressed, as far as that was needed.
    pub fn decompressed_bytes(&self) -> u64 {
        self.decompressed_bytes
    }
}

impl<P: Into<String>, C: Into<Vec<u8>>> FromIterator<(P, C)> for Files {
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let files = files.into_iter().map(|(path, content)| (path.into(), content.into()));
        Self { files: files.collect(), ..Self::default() }
    }
}
