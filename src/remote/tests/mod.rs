//! Every way in which a document is found or not, against a store on loopback that answers as told.

mod contracts;
mod credentials;
mod faults;
mod store;

use std::time::Duration;

use super::{Fault, FetchError, Fetcher, Patience};
use crate::config::location::{Location, Remote};
use crate::config::{Fetched, Variables};
use store::{Answer, Store};

/// Impatient, so that a test of an outage is short.
const PATIENCE: Patience = Patience {
    retry_for: Duration::from_millis(300),
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(50),
};

fn remote(text: &str) -> Remote {
    match Location::file(text.as_ref()) {
        Ok(Location::Remote(remote)) => remote,
        other => panic!("{text}: {other:?}"),
    }
}

fn fetcher(variables: &[(&str, &str)]) -> Fetcher {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Fetcher::with_patience(variables.collect::<Variables>(), PATIENCE)
}

/// A client whose S3 and whose Google Cloud Storage are this store.
fn fetcher_of(store: &Store) -> Fetcher {
    fetcher(&[
        ("AWS_ENDPOINT_URL", &store.url("")),
        ("AWS_ACCESS_KEY_ID", "the-key"),
        ("AWS_SECRET_ACCESS_KEY", "the-secret"),
        ("STORAGE_EMULATOR_HOST", &store.url("")),
    ])
}

async fn fetch(fetcher: &Fetcher, text: &str) -> Fetched {
    fetcher.fetch(&remote(text)).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn fault(fetcher: &Fetcher, text: &str) -> FetchError {
    fetcher.fetch(&remote(text)).await.expect_err(text)
}
