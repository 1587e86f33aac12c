//! The documents that a contract was read from, to notice when they change.

use std::path::PathBuf;

use crate::config::location::Location;
use crate::contract::Digests;
use crate::remote::{FetchError, Fetcher, Fetching, Seen};

/// The documents of a contract as they were read.
#[derive(Debug)]
pub struct Origin {
    digests: Digests,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Store(Seen),
}

/// Why nobody can say what the documents are now.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    #[error(transparent)]
    Store(#[from] FetchError),
}

impl Origin {
    /// What was read of the folder or the store of the contracts, to the end.
    pub(super) fn new(of: &Location, fetching: Fetching<'_>) -> Self {
        let digests = fetching.documents().digests();
        let place = match of {
            Location::Local(folder) => Place::Folder(folder.clone()),
            Location::Remote(_) => Place::Store(fetching.into_seen()),
        };
        Self { digests, place }
    }

    /// Whether the same documents have the same bytes now. The others in the folder do not count.
    pub(super) async fn is_unchanged(&self, fetcher: &Fetcher) -> Result<bool, Unread> {
        match &self.place {
            // The folder was gone when it was to be read.
            _ if self.digests.is_empty() => Ok(false),
            Place::Folder(folder) if !folder.is_dir() => Err(Unread::NoFolder(folder.clone())),
            Place::Folder(folder) => Ok(self.digests.of_folder(folder) == self.digests),
            Place::Store(seen) => Ok(seen.is_unchanged(fetcher).await?),
        }
    }

    /// A short text for the bytes of all of them.
    pub fn digest(&self) -> String {
        self.digests.short()
    }
}
