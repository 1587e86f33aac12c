//! The keys that name the contract and the events to leave out.

use std::time::Duration;

use crate::config::instance_file;
use crate::config::keys::{
    CONTRACT_REFRESH, CONTRACTS_DIR, FILTER, FILTER_ON_ERROR, IGNORE_EVENTS, IMPORT_OBJECT,
    IMPORT_PATH, IN_TOPIC,
};
use crate::config::layer::LayerKind;
use crate::config::location::Location;
use crate::config::resolver::Resolver;
use crate::config::settings::{ContractSettings, FilterOnError, FilterSettings};
use crate::config::values::{self, Wrong};

pub fn read(resolver: &mut Resolver<'_>) -> Option<ContractSettings> {
    let dir = dir(resolver);
    let import_path = resolver.required(&IMPORT_PATH, document);
    let import_object = resolver.required(&IMPORT_OBJECT, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.to_owned()),
    });
    let topic = resolver.optional(&IN_TOPIC, values::topic);
    let ignore_events = ignore_events(resolver);
    let filter = filter(resolver);
    Some(ContractSettings {
        dir: dir?,
        import_path: import_path?,
        import_object: import_object?,
        topic: topic?,
        ignore_events: ignore_events?,
        filter: filter?,
    })
}

/// How often a running instance looks whether the contract has changed.
pub fn refresh(resolver: &mut Resolver<'_>) -> Option<Option<Duration>> {
    resolver.optional(&CONTRACT_REFRESH, values::age)
}

/// The folder of the contracts. What an instance's file names is a mistake already, and nothing is
/// read there.
fn dir(resolver: &mut Resolver<'_>) -> Option<Location> {
    let in_env_file = |resolver: &Resolver<'_>| {
        resolver.find(&CONTRACTS_DIR).is_some_and(|setting| setting.layer == LayerKind::EnvFile)
    };
    let dir = resolver.required(&CONTRACTS_DIR, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Location::folder(text),
    });
    let refused = instance_file::cluster(resolver.layers).is_some() && in_env_file(resolver);
    dir.filter(|_| !refused)
}

/// A path with dots for slashes, which therefore cannot lead out of the folder of the contracts.
pub(super) fn document(text: &str) -> Result<String, Wrong> {
    if text.split('.').any(|part| values::name(part, b"_-", 255).is_err()) {
        return Err(Wrong::because("the parts between dots have letters, digits, `_` and `-`"));
    }
    Ok(text.to_owned())
}

fn ignore_events(resolver: &mut Resolver<'_>) -> Option<Vec<String>> {
    let setting = resolver.find(&IGNORE_EVENTS)?;
    if resolver.is_faulty(setting) {
        return None;
    }
    match values::event_types(setting.text.trim()) {
        Ok(events) => {
            // Shown in the same form, whichever form it is written in.
            resolver.show(setting, &format!("[{}]", events.join(", ")));
            Some(events)
        }
        Err(wrong) => {
            resolver.wrong(setting, wrong.accepted(IGNORE_EVENTS.accepted));
            None
        }
    }
}

/// The expression is compiled with the contract, which has the fields that it may name.
fn filter(resolver: &mut Resolver<'_>) -> Option<Option<FilterSettings>> {
    let on_error = resolver.required(&FILTER_ON_ERROR, |text| {
        let choices =
            [("dead-letter", FilterOnError::DeadLetter), ("ignore", FilterOnError::Ignore)];
        values::choice(text, &choices)
    })?;
    resolver.optional(&FILTER, |text| Ok(FilterSettings { expression: text.to_owned(), on_error }))
}
