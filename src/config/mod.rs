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

mod allow;
mod dashboard;
pub mod document;
mod dotenv;
mod entry;
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
mod otlp;
mod resolver;
pub mod schema;
pub mod secret;
mod section;
pub mod settings;
mod share;
pub mod sink_settings;
mod transfer;
mod values;
mod variables;

#[cfg(test)]
mod tests;

pub use allow::AllowList;
pub use dashboard::{Aggregate, DashboardSettings, InstanceSettings, SeriesSettings, SeriesSource};
pub use fetched::{Fetched, NotFetched, Version};
pub use inputs::Inputs;
pub use layer::{LayerKind, Place};
pub use mistake::{Mistake, Mistakes, is_secret, looks_secret, on_one_line, printable_beginning};
pub use otlp::{
    LogSettings, MetricSettings, OtlpSettings, OtlpTarget, Protocol, QueueSettings, Sampler,
    TraceSettings,
};
pub use resolver::Resolved;
pub use secret::Secret;
pub use section::{Check, Complaint, Property, property};
pub use settings::*;
pub use share::Share;
pub use sink_settings::*;
pub use transfer::{
    BatchSettings, Compression, DEFAULT_LEASE, Duplicates, FileFormat, FilesSource, QuerySource,
    Scope, SourceSettings, TransferSettings,
};
pub use values::{is_host, is_loopback};
pub use variables::{Variables, is_name as is_variable_name};

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
    load_and_check(domain, inputs, &mut |_, _, _| Vec::new())
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
    let mut gather = Gather::new(&name, inputs.variables());
    inputs.read(&mut gather);
    let otlp = otlp::read(inputs.variables(), &mut gather.mistakes);
    let (settings, resolved) = resolve(gather, |resolver| section::read(resolver, check))?;
    Ok(Loaded { settings: Settings { otlp, ..settings }, resolved })
}

/// Reads all sources and the series file, and validates what the dashboard needs of them. An error
/// contains every mistake.
pub fn load_dashboard(inputs: &Inputs) -> Result<DashboardSettings, Mistakes> {
    let mut gather = Gather::new(dashboard::NAME, inputs.variables());
    inputs.read(&mut gather);
    // What it says about the domains of the file is about a domain.
    gather.env_file = None;
    let otlp = otlp::read(inputs.variables(), &mut gather.mistakes);
    let read = resolve(gather, dashboard::read);
    let called = |mistakes| Mistakes { domain: "the dashboard".to_owned(), ..mistakes };
    read.map(|(settings, _)| DashboardSettings { otlp, ..settings }).map_err(called)
}

/// Reads all sources and the table of a transfer, and validates what the transfer needs. `inputs` has
/// the file with the table, see [`Inputs::transfer_file`]. An error contains every mistake.
pub fn load_transfer(
    name: &str,
    inputs: &Inputs,
    check: Check<'_>,
) -> Result<TransferSettings, Mistakes> {
    let domain = transfer::domain(name)?;
    let mut gather = Gather::of_transfer(&domain, name, inputs.variables());
    inputs.read(&mut gather);
    // A transfer may do without one.
    gather.env_file = None;
    let table = gather.transfer.take();
    let otlp = otlp::read(inputs.variables(), &mut gather.mistakes);
    let read = resolve(gather, |resolver| transfer::read(resolver, name, table, check));
    let called = |mistakes| Mistakes { domain: format!("the transfer {name}"), ..mistakes };
    read.map(|(settings, _)| TransferSettings { otlp, ..settings }).map_err(called)
}

/// The mistakes in the text of a `.env` and of a TOML file, where the process has no variables.
pub fn check_texts(domain: &str, env_file: &str, toml: &str) -> Vec<Mistake> {
    let none = Variables::new();
    let mut gather = Gather::new(domain, &none);
    gather.env_file(&".env".into(), env_file);
    gather.file(&"imported.toml".into(), toml);
    let read = |resolver: &mut Resolver<'_>| section::read(resolver, &mut |_, _, _| Vec::new());
    resolve(gather, read).map_or_else(|mistakes| mistakes.list, |_| Vec::new())
}

/// Whether Kafka takes the text as the name of a topic.
pub fn is_topic_name(text: &str) -> bool {
    values::topic(text).is_ok()
}

/// Validates the values of all layers, and returns also where each came from. It does no I/O, except
/// for what `read` does.
fn resolve<T>(
    gather: Gather<'_>,
    read: impl FnOnce(&mut Resolver<'_>) -> Option<T>,
) -> Result<(T, Vec<Resolved>), Mistakes> {
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
        unset,
        ..
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
        unset,
    };
    let settings = read(&mut resolver);
    let Resolver { mistakes, resolved, .. } = resolver;
    match settings {
        Some(settings) if mistakes.is_empty() => Ok((settings, resolved)),
        _ => {
            let missing = mistakes.iter().any(|mistake| mistake.at.is_none());
            let note = env_file.filter(|_| missing).and_then(|file| file.note(domain));
            Err(Mistakes { domain: domain.to_owned(), note, list: mistakes })
        }
    }
}
