//! Finds a record's event type and decides what is done with the record.

mod path;

pub(super) use self::path::PayloadPath;

use self::path::Found;
use super::fault::{Fault, Result, json_type};
use super::names::Names;
use crate::record::{Event, HeaderList, Reason};

/// What is done with the events of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Ignore them; the index of their metric label (`Plan::ignored_labels`).
    Ignore(usize),
    /// Transcode them; the index of their `EventPlan`.
    Transcode(usize),
    /// Decode fields and ask the filter before, as there are; likewise. An action of its own, because
    /// asking each event for them costs the path without them more than it has to spare.
    Prepare(usize),
}

/// Where a record has its event type.
#[derive(Debug)]
pub(super) enum TypeLocation {
    Payload(PayloadPath),
    /// Not in the payload, whose path is the one that has no instruction to spare.
    Elsewhere(Elsewhere),
}

#[derive(Debug)]
pub(super) enum Elsewhere {
    /// In the header of this name.
    Header(Box<str>),
    /// Nowhere: every record is of this type.
    Only(Box<str>),
}

/// All event types that the contract or the ignore list names.
#[derive(Debug)]
pub(super) struct EventTypes {
    location: TypeLocation,
    known: KnownTypes,
    /// A key or an event type with its escapes resolved.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct KnownTypes {
    names: Names,
    /// In the order of `names`.
    actions: Vec<Action>,
}

impl EventTypes {
    /// The names in `known` must be distinct.
    pub(super) fn new(location: TypeLocation, known: &[(&str, Action)]) -> Self {
        let names = Names::new(known.iter().map(|(name, _)| *name));
        let actions = known.iter().map(|(_, action)| *action).collect();
        Self { location, known: KnownTypes { names, actions }, scratch: Vec::new() }
    }

    /// Returns what is done with this record.
    ///
    /// The value is read only as far as the event type, so that a record of an ignored type is
    /// ignored whatever follows. One exception: the last of duplicate keys counts, so if another
    /// event type may follow an ignored one, the whole value is read. (After a type that is not
    /// ignored, reading the event detects the duplicate.)
    pub(super) fn action(&mut self, event: &Event<'_>, value: &[u8]) -> Result<Action> {
        let Self { location, known, scratch } = self;
        match location {
            TypeLocation::Elsewhere(place) => known.action(place.event_type(event)?),
            TypeLocation::Payload(path) => {
                let (first, rest) = path.read_first(value, scratch)?;
                let action = known.action_of(first, scratch);
                if matches!(action, Ok(Action::Ignore(_)))
                    && path.may_occur_in(rest)
                    && let Ok(last) = path.read_last(value, scratch)
                {
                    return known.action_of(last, scratch);
                }
                action
            }
        }
    }

    /// Returns the name of a rejected record's event type, if it can be found.
    pub(super) fn name(&mut self, event: &Event<'_>, value: &[u8]) -> Option<String> {
        // Names of event types are short. A longer text is some other part of a payload.
        const LONGEST: usize = 200;
        let found = match &self.location {
            TypeLocation::Elsewhere(place) => place.event_type(event).ok()?,
            TypeLocation::Payload(path) => {
                let scratch = &mut self.scratch;
                let last = path.read_last(value, scratch);
                match last.or_else(|_| path.read_first(value, scratch).map(|(first, _)| first)) {
                    Ok(Found::String(event_type)) => event_type.resolve(scratch),
                    _ => return None,
                }
            }
        };
        Some(String::from_utf8_lossy(&found[..found.len().min(LONGEST)]).into_owned())
    }
}

impl Elsewhere {
    #[inline(never)]
    fn event_type<'e>(&'e self, event: &Event<'e>) -> Result<&'e [u8]> {
        match self {
            Self::Only(name) => Ok(name.as_bytes()),
            Self::Header(name) => in_headers(event.headers, name)
                .ok_or_else(|| Fault::new(Reason::NoEventType, format!("no header `{name}`"))),
        }
    }
}

impl KnownTypes {
    fn action_of(&self, found: Found<'_>, scratch: &mut Vec<u8>) -> Result<Action> {
        match found {
            Found::String(event_type) => self.action(event_type.resolve(scratch)),
            Found::NotAString(first) => {
                let detail = format!("the event type is not a string but {}", json_type(first));
                Err(Fault::new(Reason::NoEventType, detail))
            }
            Found::Missing => Err(Fault::new(Reason::NoEventType, "the event type is missing")),
            Found::NotAnObject => {
                Err(Fault::new(Reason::InvalidJson, "the value is not a JSON object"))
            }
        }
    }

    fn action(&self, event_type: &[u8]) -> Result<Action> {
        match self.names.find(event_type) {
            Some(index) => Ok(self.actions[index]),
            None => Err(Fault::new(
                Reason::UnknownEventType,
                "neither the contract nor the ignore list names this event type",
            )),
        }
    }
}

/// Returns the value of the last header of this name that has a value.
fn in_headers<'a>(headers: &'a dyn HeaderList, name: &str) -> Option<&'a [u8]> {
    (0..headers.len()).rev().find_map(|index| match headers.get(index) {
        (found, Some(value)) if found == name => Some(value),
        _ => None,
    })
}
