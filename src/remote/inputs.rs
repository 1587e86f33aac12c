//! The files of the configuration that are not on this machine.

use futures_util::future::join_all;

use super::error::FetchError;
use super::fetcher::Fetcher;
use crate::config::Inputs;

/// Fetches the files that the inputs name. A wrong location becomes a mistake of the configuration,
/// which is reported with the others; a store that does not answer is an error.
pub async fn files(fetcher: &Fetcher, mut inputs: Inputs) -> Result<Inputs, FetchError> {
    let remotes = inputs.to_fetch();
    let outcomes = join_all(remotes.iter().map(|remote| fetcher.fetch(remote))).await;
    for (remote, outcome) in remotes.into_iter().zip(outcomes) {
        match outcome {
            Err(error) if error.fault.is_outage() => return Err(error),
            outcome => inputs.add_fetched(remote, outcome.map_err(FetchError::into_mistake)),
        }
    }
    Ok(inputs)
}
