//! Whether the documents of a contract have changed, and what they make now.

use std::time::Duration;

use crate::app::contract;
use crate::app::domain::{Domain, DomainError};
use crate::app::origin::{Origin, Unread};
use crate::config::Settings;
use crate::remote::Fetcher;

/// How long changed documents have to stay as they are before they count.
const SETTLED: Duration = Duration::from_secs(5);

/// Looks at the documents of a contract.
pub(super) struct Lookout<'a> {
    settings: &'a Settings,
    fetcher: &'a Fetcher,
    /// The documents as they were at the last look that has found others.
    known: Origin,
    settled: Duration,
}

/// What a look has found.
pub(super) enum Looked {
    Unchanged,
    /// They are being written.
    Unsettled,
    /// Nobody can say: the folder is gone, or the store does not answer.
    Unread(Unread),
    /// Other documents than those that were known, and what they make.
    Changed {
        domain: Result<Box<Domain>, Vec<DomainError>>,
        digest: String,
    },
}

impl<'a> Lookout<'a> {
    /// `known`: the documents of the contract that is used. `every`: how often somebody looks.
    pub fn new(
        settings: &'a Settings,
        fetcher: &'a Fetcher,
        known: Origin,
        every: Duration,
    ) -> Self {
        Self { settings, fetcher, known, settled: SETTLED.min(every) }
    }

    /// Looks once.
    pub async fn look(&mut self) -> Looked {
        self.looked().await.unwrap_or_else(Looked::Unread)
    }

    /// Documents count once they have not changed for a while: Kubernetes replaces a folder between
    /// the reading of two of its files, and programs write a file in pieces.
    async fn looked(&mut self) -> Result<Looked, Unread> {
        if self.known.is_unchanged(self.fetcher).await? {
            return Ok(Looked::Unchanged);
        }
        let Settings { contract, write, steps, .. } = self.settings;
        let (domain, origin) =
            contract::read(contract, write.rows(), steps.as_ref(), self.fetcher).await?;
        tokio::time::sleep(self.settled).await;
        if !origin.is_unchanged(self.fetcher).await? {
            return Ok(Looked::Unsettled);
        }
        let digest = origin.digest();
        self.known = origin;
        Ok(Looked::Changed { domain: domain.map(Box::new), digest })
    }
}

#[cfg(test)]
#[path = "lookout_tests.rs"]
mod tests;
