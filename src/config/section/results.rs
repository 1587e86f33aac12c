//! The keys of the aggregator of results.

use std::path::PathBuf;

use crate::config::keys::{RESULTS_ADDR, RESULTS_IDENTITY, RESULTS_STORE, RESULTS_TOKENS_FILE};
use crate::config::resolver::Resolver;
use crate::config::settings::ResultsSettings;
use crate::config::values::{self, Wrong};

pub fn read(resolver: &mut Resolver<'_>) -> Option<ResultsSettings> {
    let address = resolver.required(&RESULTS_ADDR, |text| text.parse().map_err(|_| Wrong::plain()));
    let store = match resolver.find(&RESULTS_STORE) {
        None => Some(None),
        Some(_) => resolver.required(&RESULTS_STORE, path).map(Some),
    };
    let tokens_file = resolver.optional(&RESULTS_TOKENS_FILE, |text| Ok(PathBuf::from(text)));
    let identity = resolver
        .optional(&RESULTS_IDENTITY, |text| values::choice(text, &[("x-rh-identity", true)]));
    Some(ResultsSettings {
        address: address?,
        store: store?,
        tokens_file: tokens_file?,
        identity: identity?.unwrap_or(false),
    })
}

fn path(text: &str) -> Result<PathBuf, Wrong> {
    if text.is_empty() { Err(Wrong::plain()) } else { Ok(PathBuf::from(text)) }
}
