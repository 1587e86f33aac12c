//! Where a contract's documents come from: a folder on this machine, or texts that were fetched. Both
//! leave behind which documents were read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::config::location::Remote;
use crate::document::MOST_BYTES;

/// Where the documents are.
#[derive(Debug, Clone)]
pub enum Library {
    /// What is read there is noted in `read`.
    Folder {
        folder: PathBuf,
        read: Documents,
    },
    Fetched {
        folder: Remote,
        documents: Documents,
    },
}

/// The documents of a contract, by their paths in their folder.
///
/// Of documents that are fetched, loading the contract reads those that are there and notes what it
/// misses; whoever loads it fetches that and loads again, until nothing is missing. Documents of this
/// machine are read while the contract is loaded, and noted. Clones share the documents.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None`: there is no such document, or it cannot be read.
    known: BTreeMap<PathBuf, Option<String>>,
    missing: BTreeSet<PathBuf>,
}

impl Documents {
    /// Adds a document, or that there is none at this path.
    pub fn add(&self, path: &Path, text: Option<String>) {
        let mut inner = self.lock();
        inner.missing.remove(path);
        inner.known.insert(path.to_owned(), text);
    }

    /// The paths that were asked for and are not known.
    pub fn missing(&self) -> Vec<PathBuf> {
        self.lock().missing.iter().cloned().collect()
    }

    /// Forgets everything, so that all is fetched again.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// The digest of each document that was asked for.
    pub fn digests(&self) -> Digests {
        let digest = |text: &String| Sha256::digest(text).into();
        let known = &self.lock().known;
        Digests(
            known.iter().map(|(path, text)| (path.clone(), text.as_ref().map(digest))).collect(),
        )
    }

    /// The text at a path; a problem if it is not known.
    fn text(&self, path: &Path) -> Result<Option<String>, Problem> {
        let mut inner = self.lock();
        if let Some(text) = inner.known.get(path) {
            return Ok(text.clone());
        }
        inner.missing.insert(path.to_owned());
        Err(Problem::new(path.display(), "is not fetched yet"))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which documents a contract was made of: the SHA-256 of each by its path; `None` where there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Digests {
    /// The digests of the same documents as a folder on this machine has them now.
    pub fn of_folder(&self, folder: &Path) -> Self {
        let read = Documents::default();
        let library = Library::Folder { folder: folder.to_owned(), read: read.clone() };
        for path in self.0.keys() {
            // Why it cannot be read is nobody's question here.
            let _ = library.read(path);
        }
        read.digests()
    }

    /// Whether no document was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One short text for all of them: twelve hexadecimal digits. Where the documents are does not count.
    pub fn short(&self) -> String {
        let mut all = Sha256::new();
        for (path, digest) in &self.0 {
            if let Some(digest) = digest {
                all.update(Sha256::digest(path.as_os_str().as_encoded_bytes()));
                all.update(digest);
            }
        }
        all.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Library {
    /// Whether there is a document at a path relative to the folder.
    pub(super) fn has(&self, path: &Path) -> Result<bool, Problem> {
        match self {
            Self::Folder { folder, read } => {
                let is_file = folder.join(path).is_file();
                if !is_file {
                    read.add(path, None);
                }
                Ok(is_file)
            }
            Self::Fetched { documents, .. } => documents.text(path).map(|text| text.is_some()),
        }
    }

    /// The text at a path relative to the folder.
    pub(super) fn read(&self, path: &Path) -> Result<String, Problem> {
        match self {
            Self::Folder { folder, read } => {
                let text = read_file(folder, path);
                read.add(path, text.as_ref().ok().cloned());
                text
            }
            Self::Fetched { documents, .. } => documents
                .text(path)?
                .ok_or_else(|| Problem::new(self.place(path), "there is no such document")),
        }
    }

    /// The name of a document in messages.
    pub(super) fn place(&self, path: &Path) -> String {
        match self {
            Self::Folder { folder, .. } => folder.join(path).display().to_string(),
            Self::Fetched { folder, .. } => match folder.join(path) {
                Some(document) => document.to_string(),
                None => format!("{folder}, {}", path.display()),
            },
        }
    }

    /// The folder's own name.
    pub(super) fn own_name(&self) -> Option<&str> {
        match self {
            Self::Folder { folder, .. } => folder.file_name().and_then(|name| name.to_str()),
            Self::Fetched { folder, .. } => folder.own_name(),
        }
    }
}

fn read_file(folder: &Path, path: &Path) -> Result<String, Problem> {
    let path = folder.join(path);
    let unreadable =
        |error: std::io::Error| Problem::new(path.display(), format!("cannot be read: {error}"));
    // Where files are mounted, each may be a symbolic link to one beside it.
    let real = path.canonicalize().map_err(unreadable)?;
    if !real.starts_with(folder.canonicalize().map_err(unreadable)?) {
        let what = "is a symbolic link that leads out of the contracts folder";
        return Err(Problem::new(path.display(), what));
    }
    let metadata = real.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Problem::new(path.display(), "is not a file"));
    }
    let bytes = metadata.len();
    if bytes > MOST_BYTES {
        let what = format!("has {bytes} bytes, and a document may have {MOST_BYTES}");
        return Err(Problem::new(path.display(), what));
    }
    std::fs::read_to_string(&real).map_err(unreadable)
}
