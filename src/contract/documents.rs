//! Where a contract's documents come from: a folder on this machine, or texts that were fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::problem::Problem;
use crate::config::location::Remote;

/// Where the documents are.
#[derive(Debug, Clone)]
pub enum Library {
    Folder(PathBuf),
    Fetched { folder: Remote, documents: Documents },
}

/// Documents that were fetched, by their paths in their folder, and those that are still to be
/// fetched. Loading a contract reads what is there and notes what it misses; whoever loads it
/// fetches that and loads again, until nothing is missing. Clones share the documents.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None`: there is no such document.
    known: BTreeMap<PathBuf, Option<String>>,
    missing: BTreeSet<PathBuf>,
}

/// The largest document that is read.
pub const MOST_BYTES: u64 = 16 << 20;

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

impl Library {
    /// Whether there is a document at a path relative to the folder.
    pub(super) fn has(&self, path: &Path) -> Result<bool, Problem> {
        match self {
            Self::Folder(folder) => Ok(folder.join(path).is_file()),
            Self::Fetched { documents, .. } => documents.text(path).map(|text| text.is_some()),
        }
    }

    /// The text at a path relative to the folder.
    pub(super) fn read(&self, path: &Path) -> Result<String, Problem> {
        match self {
            Self::Folder(folder) => read_file(folder, path),
            Self::Fetched { documents, .. } => documents
                .text(path)?
                .ok_or_else(|| Problem::new(self.place(path), "there is no such document")),
        }
    }

    /// The name of a document in messages.
    pub(super) fn place(&self, path: &Path) -> String {
        match self {
            Self::Folder(folder) => folder.join(path).display().to_string(),
            Self::Fetched { folder, .. } => match folder.join(path) {
                Some(document) => document.to_string(),
                None => format!("{folder}, {}", path.display()),
            },
        }
    }

    /// The folder's own name.
    pub(super) fn own_name(&self) -> Option<&str> {
        match self {
            Self::Folder(folder) => folder.file_name().and_then(|name| name.to_str()),
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
