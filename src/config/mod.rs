//! Layers of text become one validated [`Settings`]; nothing past this module sees a raw value.
//!
//! ```text
//! defaults < .env < config/environments.toml < --config files < environment < command line
//! └──────────────────────────── gather ───────────────────────────────┘
//!        names meet the domain ─► layers (figment) ─► section/* parse ─► Settings
//!                 └────────── every mistake, with key, layer, place ────────┘
//! ```
//! A value is looked for under `BASE_DOMAIN` in all layers, and only then under `BASE`. Reading the
//! sources is the only I/O: whether a file, a host or a table exists is not asked here.

mod document;
mod dotenv;
mod environments;
mod gather;
mod inputs;
pub mod keys;
mod layer;
mod layers;
mod mistake;
mod reader;
pub mod secret;
mod section;
pub mod settings;
mod values;

#[cfg(test)]
mod tests;

pub use inputs::{Inputs, Override};
pub use layer::{LayerKind, Place};
pub use mistake::{Mistake, Mistakes};
pub use reader::Resolved;
pub use secret::Secret;
pub use section::{Check, Complaint, Rows};
pub use settings::*;

use gather::Gather;
use layers::Layers;
use reader::Reader;

/// Settings, and where each value came from in the order of the reference.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    pub resolved: Vec<Resolved>,
}

/// Reads all sources and judges all values; an error holds every mistake there is.
pub fn load(domain: &str, inputs: &Inputs) -> Result<Loaded, Mistakes> {
    load_and_check(domain, inputs, &mut |_, _| Vec::new())
}

/// The same with a check of what the settings name, whose complaints join the mistakes.
pub fn load_and_check(domain: &str, inputs: &Inputs, check: Check<'_>) -> Result<Loaded, Mistakes> {
    let name = keys::domain(domain).map_err(|accepted| Mistakes {
        domain: format!("{domain:?}"),
        list: vec![Mistake {
            key: "the domain".to_owned(),
            at: Some((LayerKind::CommandLine, Place::Flag("first argument"))),
            found: format!("{domain:?}"),
            accepted,
        }],
    })?;
    let mut gather = Gather::new(&name);
    inputs.read(&mut gather);
    resolve(gather, check)
}

/// No I/O from here on but the check's.
fn resolve(gather: Gather<'_>, check: Check<'_>) -> Result<Loaded, Mistakes> {
    let Gather { domain, layers, mistakes, environments, incomplete } = gather;
    let layers = Layers::new(layers);
    let mut reader = Reader {
        domain,
        layers: &layers,
        environments,
        mistakes,
        resolved: Vec::new(),
        incomplete,
    };
    let settings = section::read(&mut reader, check);
    let Reader { mistakes, resolved, .. } = reader;
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(Loaded { settings, resolved }),
        _ => Err(Mistakes { domain: domain.to_owned(), list: mistakes }),
    }
}
