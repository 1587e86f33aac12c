//! Whether the documents of a contract are still those that were fetched.

use futures_util::future::join_all;

use super::error::FetchError;
use super::fetcher::Fetcher;
use crate::config::Fetched;
use crate::config::location::Remote;

/// The documents that loading a contract asked for; `None` for those that were not there.
#[derive(Debug)]
pub struct Seen {
    documents: Vec<(Remote, Option<Fetched>)>,
}

impl Seen {
    pub(super) fn new(documents: Vec<(Remote, Option<Fetched>)>) -> Self {
        Self { documents }
    }

    /// Asks for each document again, those that were there by their ETags.
    pub async fn is_unchanged(&self, fetcher: &Fetcher) -> Result<bool, FetchError> {
        let checks = self.documents.iter().map(async |(at, before)| match before {
            Some(before) => fetcher.is_unchanged(at, before).await,
            None => fetcher.is_there(at).await.map(|is_there| !is_there),
        });
        let mut unchanged = true;
        for is_unchanged in join_all(checks).await {
            unchanged &= is_unchanged?;
        }
        Ok(unchanged)
    }
}
