//! Reads the configuration: layers of text become one validated [`Settings`]. The rest of the
//! program never sees an unvalidated value.
//!
//! ```text
//! defaults < .env < config/environments.toml < --config files < environment < command line
//!    └───────────────── inputs reads them, gather makes layers of them ───────────────┘
//!
//! layers ─► resolver finds the value of each key ─► section/* parses it ─► Settings
//!    └───────────────┴─────── every mistake, with key and place ──┴──────► Mistakes
//! ```
//! A domain's own value (`BASE_DOMAIN`) in any layer wins over the default of all domains (`BASE`)
//! in any layer. Reading the sources is the only I/O: nothing here checks whether a file, a host or
//! a table that a value names exists. Files that are not on this machine are fetched before, by whoever
//! makes the [`Inputs`].

mod document;
mod dotenv;
mod env_file;
mod environments;
mod fetched;
mod gather;
mod inputs;
mod instance_file;
pub mod keys;
mod layer;
mod layers;
pub mod location;
mod mistake;
mod resolver;
pub mod secret;
mod section;
pub mod settings;
mod values;

#[cfg(test)]
mod tests;

pub use fetched::{Fetched, NotFetched, Version};
pub use inputs::{Inputs, Variables};
pub use layer::{LayerKind, Place};
pub use mistake::{Mistake, Mistakes, on_one_line};
pub use resolver::Resolved;
pub use secret::Secret;
pub use section::{Check, Complaint, RowSettings};
pub use settings::*;
pub use values::is_loopback;

use gather::Gather;
use instance_file::Suspicious;
use layers::Layers;
use resolver::Resolver;

/// The settings, and where each value came from, in the order of the reference.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    pub resolved: Vec<Resolved>,
}

/// Reads all sources and validates all values. An error contains every mistake.
pub fn load(domain: &str, inputs: &Inputs) -> Result<Loaded, Mistakes> {
    load_and_check(domain, inputs, &mut |_, _| Vec::new())
}

/// Like [`load`], and also runs a check of the contract that the settings name. What it complains
/// about is reported together with the other mistakes.
pub fn load_and_check(domain: &str, inputs: &Inputs, check: Check<'_>) -> Result<Loaded, Mistakes> {
    let name = keys::domain(domain).map_err(|error| Mistakes {
        domain: format!("{domain:?}"),
        note: None,
        list: vec![Mistake {
            key: "the domain".to_owned(),
            at: Some((LayerKind::CommandLine, Place::Flag("first argument"))),
            found: format!("{domain:?}"),
            accepted: error.to_string(),
        }],
    })?;
    let mut gather = Gather::new(&name);
    inputs.read(&mut gather);
    resolve(gather, check)
}

/// Whether Kafka takes the text as the name of a topic.
pub fn is_topic_name(text: &str) -> bool {
    values::topic(text).is_ok()
}

/// Validates the values of all layers. It does no I/O, except for what `check` does.
fn resolve(gather: Gather<'_>, check: Check<'_>) -> Result<Loaded, Mistakes> {
    let Gather {
        domain,
        mut layers,
        mut mistakes,
        environments,
        incomplete,
        env_file,
        foreign,
        with_variables,
        no_environments_at,
    } = gather;
    instance_file::hide(&mut layers, &with_variables);
    let layers = Layers::new(layers);
    let suspicious = Suspicious { foreign: &foreign, with_variables: &with_variables };
    mistakes.extend(instance_file::mistakes(&layers, &suspicious));
    let mut resolver = Resolver {
        domain,
        layers: &layers,
        environments,
        mistakes,
        resolved: Vec::new(),
        incomplete,
        no_environments_at,
    };
    let settings = section::read(&mut resolver, check);
    let Resolver { mistakes, resolved, .. } = resolver;
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(Loaded { settings, resolved }),
        _ => {
            let missing = mistakes.iter().any(|mistake| mistake.at.is_none());
            let note = env_file.filter(|_| missing).and_then(|file| file.note(domain));
            Err(Mistakes { domain: domain.to_owned(), note, list: mistakes })
        }
    }
}
