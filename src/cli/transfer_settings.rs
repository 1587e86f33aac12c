//! Loads the settings of a transfer.

use super::failure::{Exit, Failure};
use super::load::fetched;
use crate::config::{Inputs, TransferSettings, load_transfer};
use crate::remote::Fetcher;

/// The settings, or a failure that lists every mistake. Also the client that fetches what is not on
/// this machine.
pub async fn load(name: &str, inputs: Inputs) -> Result<(TransferSettings, Fetcher), Failure> {
    let fetcher = Fetcher::new(inputs.variables().clone());
    let inputs = fetched(&fetcher, inputs).await?;
    let settings = load_transfer(name, &inputs, &mut |_, _, _| Vec::new());
    let settings = settings.map_err(|mistakes| {
        let hint = "docs/reference/transfer.md has every key of a transfer";
        Failure::new(Exit::Configuration, mistakes.to_string()).hint(hint)
    })?;
    Ok((settings, fetcher))
}
