//! Loads the configuration for a command, with what is not on this machine.

use super::failure::Failure;
use crate::config::{Inputs, Loaded};
use crate::remote::{self, FetchError, Fetcher};

/// The settings, or a failure that lists every mistake. Also the client that fetches what is not on
/// this machine.
pub async fn load(domain: &str, inputs: Inputs) -> Result<(Loaded, Fetcher), Failure> {
    let fetcher = Fetcher::new(inputs.variables().clone());
    let inputs = fetched(&fetcher, inputs).await?;
    let loaded = crate::config::load(domain, &inputs).map_err(Failure::configuration)?;
    Ok((loaded, fetcher))
}

/// The inputs with the files that had to be fetched.
pub async fn fetched(fetcher: &Fetcher, inputs: Inputs) -> Result<Inputs, Failure> {
    remote::files(fetcher, inputs).await.map_err(|error: FetchError| {
        let hint = error.hint();
        Failure::stopped("fetch the configuration", hint).source(error)
    })
}
