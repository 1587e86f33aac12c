//! Which members of events the contract does not declare: what producers have added.
//!
//! They are found in what the walk has written to `_extra`, so an event without any costs nothing, and
//! of the others most are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expected::{Expected, ObjectPlan, ValuePlan};
use crate::contract::pointer;

/// How many events with such members are looked at one by one.
const AT_FIRST: u64 = 64;

/// Of those that follow, one of so many is looked at, and counts for all of them.
const ONE_OF: u64 = 64;

/// The most bytes of `_extra` that are looked at, and the most characters of a path.
const MOST_BYTES: usize = 64 << 10;
const LONGEST_PATH: usize = 200;

/// The most paths that are kept until they are taken.
const MOST_PATHS: usize = 100;

/// Stands for the paths beyond these limits. A JSON pointer begins with a slash.
pub const OTHER_PATHS: &str = "other";

/// A member that the contract does not declare, and how many events of a type had it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UndeclaredField {
    pub event_type: String,
    /// A JSON pointer, in which `*` stands for the items of an array, or [`OTHER_PATHS`].
    pub path: String,
    /// About: most events are not looked at.
    pub events: u64,
}

/// What events had, since it was last taken.
#[derive(Debug, Default)]
pub(super) struct UndeclaredFields {
    event_types: Vec<String>,
    /// Events with such members, all that there were.
    events: u64,
    /// By event type and path.
    found: BTreeMap<(usize, String), u64>,
}

impl UndeclaredFields {
    /// `event_types`: their names, in the order of the plan.
    pub(super) fn of(event_types: Vec<String>) -> Self {
        Self { event_types, ..Self::default() }
    }

    /// Notes what `_extra` has of an event: its members' text, without the braces.
    #[cold]
    #[inline(never)]
    pub(super) fn note(
        &mut self,
        event_type: usize,
        root: &ValuePlan,
        objects: &[ObjectPlan],
        members: &[u8],
    ) {
        self.events += 1;
        let stands_for = match self.events {
            0..=AT_FIRST => 1,
            later if later.is_multiple_of(ONE_OF) => ONE_OF,
            _ => return,
        };
        let mut paths = BTreeSet::new();
        let read = |members: &[u8]| {
            let text = [b"{".as_slice(), members, b"}"].concat();
            serde_json::from_slice(&text).ok()
        };
        match Some(members).filter(|members| members.len() <= MOST_BYTES).and_then(read) {
            Some(value) => find(&value, root, objects, &mut String::new(), &mut paths),
            None => drop(paths.insert(OTHER_PATHS.to_owned())),
        }
        for path in paths {
            let is_known = self.found.contains_key(&(event_type, path.clone()));
            let path = if is_known || self.found.len() < MOST_PATHS {
                path
            } else {
                OTHER_PATHS.to_owned()
            };
            *self.found.entry((event_type, path)).or_default() += stands_for;
        }
    }

    /// What was found since the last call.
    pub(super) fn take(&mut self) -> Vec<UndeclaredField> {
        let name = |index: usize| self.event_types.get(index).cloned().unwrap_or_default();
        let found = std::mem::take(&mut self.found).into_iter();
        found
            .map(|((index, path), events)| UndeclaredField {
                event_type: name(index),
                path,
                events,
            })
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Adds the paths of the members that no plan of an object has.
fn find(
    value: &Value,
    plan: &ValuePlan,
    objects: &[ObjectPlan],
    path: &mut String,
    found: &mut BTreeSet<String>,
) {
    let length = path.len();
    match (&plan.expected, value) {
        (Expected::Object(object), Value::Object(members)) => {
            let Some(object) = objects.get(*object) else { return };
            for (key, value) in members {
                path.push('/');
                path.push_str(&pointer::escaped(key));
                match object.names.find(key.as_bytes()) {
                    Some(index) => find(value, &object.fields[index].value, objects, path, found),
                    None if path.len() <= LONGEST_PATH => drop(found.insert(path.clone())),
                    None => drop(found.insert(OTHER_PATHS.to_owned())),
                }
                path.truncate(length);
            }
        }
        (Expected::Array(items), Value::Array(values)) => {
            path.push_str("/*");
            values.iter().for_each(|value| find(value, items, objects, path, found));
            path.truncate(length);
        }
        _ => {}
    }
}
