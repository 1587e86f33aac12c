//! The sections of the settings. Each file reads the keys of one section and records what is wrong
//! with them.

mod api;
mod bigquery;
mod consume;
mod contract;
pub mod influx;
mod kafka;
mod limits;
pub mod postgres;
mod process;
mod properties;
mod results;
mod steps;
mod write;

#[cfg(test)]
pub use properties::refused as refused_properties;

pub use consume::environment;
pub use properties::{Property, property};

use super::keys::Key;
use super::resolver::Resolver;
use super::settings::{ContractSettings, Settings, StepSettings};
use super::sink_settings::RowSettings;
use super::transfer::BatchSettings;

/// A check of the contracts and rules that the settings name. It runs as soon as their own keys are
/// valid, even if others are not.
pub type Check<'a> =
    &'a mut dyn FnMut(&ContractSettings, &RowSettings, Option<&StepSettings>) -> Vec<Complaint>;

/// A mistake that a check found.
#[derive(Debug)]
pub struct Complaint {
    /// The key whose value is wrong.
    pub key: &'static Key,
    pub found: String,
    pub accepted: String,
}

/// Reads the sections that a transfer needs, even after a mistake; `None` if there was one.
/// `consumes`: whether its source is a topic.
pub fn read_batch(
    resolver: &mut Resolver<'_>,
    check: Check<'_>,
    consumes: bool,
) -> Option<BatchSettings> {
    let contract = contract::read(resolver);
    let rows = write::rows(resolver);
    if let (Some(contract), Some(rows)) = (&contract, rows.settings()) {
        complain(resolver, check(contract, &rows, None));
    }
    let consume = consumes.then(|| consume::read(resolver));
    let write = write::read(resolver, rows);
    let dead_letter = write::dead_letter(resolver);
    let limits = limits::read(resolver);
    let consume = match consume {
        Some(read) => Some(read?),
        None => None,
    };
    Some(BatchSettings {
        contract: contract?,
        consume,
        write: write?,
        dead_letter: dead_letter?,
        limits: limits?,
    })
}

/// Records what a check complains about.
fn complain(resolver: &mut Resolver<'_>, complaints: Vec<Complaint>) {
    for Complaint { key, found, accepted } in complaints {
        if let Some(setting) = resolver.find(key) {
            resolver.mistake(setting, found, accepted);
        }
    }
}

/// Reads all sections, even after a mistake; `None` if there was one.
pub fn read(resolver: &mut Resolver<'_>, check: Check<'_>) -> Option<Settings> {
    let contract = contract::read(resolver);
    let contract_refresh = contract::refresh(resolver);
    let steps = steps::read(resolver);
    let rows = write::rows(resolver);
    if let (Some(contract), Some(steps), Some(rows)) = (&contract, &steps, rows.settings()) {
        complain(resolver, check(contract, &rows, steps.as_ref()));
    }
    let consume = consume::read(resolver);
    let write = write::read(resolver, rows);
    let dead_letter = write::dead_letter(resolver);
    let limits = limits::read(resolver);
    let api = api::read(resolver);
    let results = results::read(resolver);
    let metrics_addr = process::metrics_addr(resolver);
    let accept_changes = process::accept_changes(resolver);
    let disabled = process::disabled(resolver);
    let env_file = process::env_file(resolver);
    let cluster = process::cluster(resolver);
    env_file?;
    cluster?;
    Some(Settings {
        domain: resolver.domain.to_owned(),
        contract: contract?,
        contract_refresh: contract_refresh?,
        steps: steps?,
        consume: consume?,
        write: write?,
        dead_letter: dead_letter?,
        limits: limits?,
        api: api?,
        results: results?,
        metrics_addr: metrics_addr?,
        otlp: None,
        accept_changes: accept_changes?,
        disabled: disabled?,
    })
}
