//! The domain of the settings, wherever its contract is.

use super::domain::{Domain, RowOptions};
use super::error::AppError;
use crate::config::Settings;
use crate::remote::{Fetcher, Fetching, Next};

/// Reads the contract's documents, fetches those that are not on this machine, and derives the
/// columns.
pub async fn domain(settings: &Settings, fetcher: &Fetcher) -> Result<Domain, AppError> {
    let (at, write) = (&settings.contract, &settings.write);
    let options = RowOptions::new(at, write.layout, &write.partition_by);
    let mut fetching = Fetching::new(fetcher);
    loop {
        let domain = Domain::load(at, options.clone(), fetching.documents());
        match fetching.next(&at.dir).await? {
            Next::TryAgain => {}
            Next::Complete => return Ok(domain?),
        }
    }
}
