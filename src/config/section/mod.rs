//! The sections of the settings. Each file reads the keys of one section and records what is wrong
//! with them.

mod consume;
mod contract;
mod limits;
mod process;
mod properties;
mod write;

#[cfg(test)]
pub use properties::refused as refused_properties;

use super::keys::Key;
use super::resolver::Resolver;
use super::settings::{ContractSettings, Settings};

pub use write::RowSettings;

/// A check of the contract that the settings name. It runs as soon as the contract's own keys are
/// valid, even if others are not.
pub type Check<'a> = &'a mut dyn FnMut(&ContractSettings, &RowSettings) -> Vec<Complaint>;

/// A mistake that a check found.
#[derive(Debug)]
pub struct Complaint {
    /// The key whose value is wrong.
    pub key: &'static Key,
    pub found: String,
    pub accepted: String,
}

/// Reads all sections, even after a mistake; `None` if there was one.
pub fn read(resolver: &mut Resolver<'_>, check: Check<'_>) -> Option<Settings> {
    let contract = contract::read(resolver);
    let rows = write::rows(resolver);
    if let (Some(contract), Some(rows)) = (&contract, &rows) {
        for Complaint { key, found, accepted } in check(contract, rows) {
            if let Some(setting) = resolver.find(key) {
                resolver.mistake(setting, found, accepted);
            }
        }
    }
    let consume = consume::read(resolver);
    let write = write::read(resolver, rows);
    let dead_letter = write::dead_letter(resolver);
    let limits = limits::read(resolver);
    let metrics_addr = process::metrics_addr(resolver);
    let disabled = process::disabled(resolver);
    let env_file = process::env_file(resolver);
    let cluster = process::cluster(resolver);
    env_file?;
    cluster?;
    Some(Settings {
        domain: resolver.domain.to_owned(),
        contract: contract?,
        consume: consume?,
        write: write?,
        dead_letter: dead_letter?,
        limits: limits?,
        metrics_addr: metrics_addr?,
        disabled: disabled?,
    })
}
