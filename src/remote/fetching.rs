//! The documents of a contract: what the contract refers to shows only when it is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use super::error::{Fault, FetchError};
use super::fetcher::Fetcher;
use super::seen::Seen;
use crate::config::Fetched;
use crate::config::location::{Location, Remote};
use crate::contract::Documents;

/// The most documents that a contract may have, and the most bytes of all of them.
const MOST_DOCUMENTS: usize = 256;
const MOST_BYTES: usize = 64 << 20;

/// How often a contract is fetched whose documents change meanwhile.
const ATTEMPTS: usize = 3;

/// Fetches the documents that loading a contract misses, until it misses none.
pub struct Fetching<'f> {
    fetcher: &'f Fetcher,
    documents: Documents,
    fetched: BTreeMap<PathBuf, (Remote, Fetched)>,
    /// Where there was no document.
    absent: Vec<Remote>,
    /// Paths that were asked for, with and without a document.
    asked: usize,
    attempts: usize,
}

/// What to do after an attempt to load the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Documents were missing and are there now.
    TryAgain,
    /// The attempt had all documents, and they belong together.
    Complete,
}

impl<'f> Fetching<'f> {
    pub fn new(fetcher: &'f Fetcher) -> Self {
        let (documents, fetched) = (Documents::default(), BTreeMap::new());
        Self { fetcher, documents, fetched, absent: Vec::new(), asked: 0, attempts: 0 }
    }

    /// The documents to load the contract from.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// What was fetched.
    pub fn fetched(&self) -> impl Iterator<Item = (&Remote, &Fetched)> {
        self.fetched.values().map(|(remote, fetched)| (remote, fetched))
    }

    /// What was asked for, to ask for it again.
    pub fn into_seen(self) -> Seen {
        let there = self.fetched.into_values().map(|(remote, fetched)| (remote, Some(fetched)));
        Seen::new(there.chain(self.absent.into_iter().map(|remote| (remote, None))).collect())
    }

    /// Fetches what the latest attempt to load the contract from this folder missed.
    pub async fn next(&mut self, folder: &Location) -> Result<Next, FetchError> {
        let Location::Remote(folder) = folder else { return Ok(Next::Complete) };
        let missing = self.documents.missing();
        if missing.is_empty() {
            return self.confirm(folder).await;
        }
        self.asked += missing.len();
        if self.asked > MOST_DOCUMENTS {
            return Err(FetchError::new(folder, Fault::TooMuch("256 documents")));
        }
        let found = join_all(missing.iter().map(|path| self.document(folder, path))).await;
        for (path, found) in missing.into_iter().zip(found) {
            let found = found?;
            self.documents.add(&path, found.as_ref().map(|(_, fetched)| fetched.text.clone()));
            match found {
                Some(found) => drop(self.fetched.insert(path, found)),
                None => self.absent.extend(folder.join(&path)),
            }
        }
        let bytes: usize = self.fetched().map(|(_, fetched)| fetched.text.len()).sum();
        if bytes > MOST_BYTES {
            return Err(FetchError::new(folder, Fault::TooMuch("64 MiB")));
        }
        Ok(Next::TryAgain)
    }

    /// The document at a path in the folder; `None` if there is none.
    async fn document(
        &self,
        folder: &Remote,
        path: &Path,
    ) -> Result<Option<(Remote, Fetched)>, FetchError> {
        let Some(remote) = folder.join(path) else { return Ok(None) };
        match self.fetcher.fetch(&remote).await {
            Ok(fetched) => Ok(Some((remote, fetched))),
            Err(FetchError { fault: Fault::NoSuchDocument(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks whether each document is still the one that was fetched. If so, all of them were in the
    /// store together when the last one arrived. Otherwise somebody is uploading: all are fetched
    /// again.
    async fn confirm(&mut self, folder: &Remote) -> Result<Next, FetchError> {
        if self.fetched.len() < 2 {
            return Ok(Next::Complete);
        }
        let checks =
            self.fetched().map(|(remote, before)| self.fetcher.is_unchanged(remote, before));
        for is_unchanged in join_all(checks).await {
            if is_unchanged? {
                continue;
            }
            self.attempts += 1;
            if self.attempts == ATTEMPTS {
                return Err(FetchError::new(folder, Fault::Changing));
            }
            tracing::info!(%folder, "documents changed while they were fetched, fetching them again");
            self.documents.clear();
            self.fetched.clear();
            self.absent.clear();
            self.asked = 0;
            return Ok(Next::TryAgain);
        }
        Ok(Next::Complete)
    }
}
