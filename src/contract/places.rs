//! Where in the documents the parts of a bundle stand.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::files::Location;
use super::keywords::INSERTED;

/// The places of a bundle's definitions. What lies in them stands in the document as it does in the
/// bundle, except for parts that the bundler inserted, which it marks.
#[derive(Debug, Clone)]
pub(super) struct Places {
    root: Location,
    /// By name under `$defs`.
    definitions: BTreeMap<String, Location>,
}

impl Places {
    pub(super) fn of(root: &Location) -> Self {
        Self { root: root.clone(), definitions: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, definition: &str, at: &Location) {
        self.definitions.insert(definition.to_owned(), at.clone());
    }

    /// The place of the payload.
    pub(super) fn root(&self) -> &Location {
        &self.root
    }

    /// The place that declares a field, by the names of the fields that lead to it. Items of arrays
    /// are passed through.
    pub(super) fn field(&self, bundle: &Value, path: &[&str]) -> Option<Location> {
        let mut search = Search { places: self, bundle, seen: HashSet::new() };
        search.find(bundle, &self.root, path)
    }
}

struct Search<'b> {
    places: &'b Places,
    bundle: &'b Value,
    /// Schemas that were searched, with the number of fields that were left.
    seen: HashSet<(*const Value, usize)>,
}

impl<'b> Search<'b> {
    fn find(&mut self, schema: &'b Value, at: &Location, path: &[&str]) -> Option<Location> {
        let Some((name, rest)) = path.split_first() else { return Some(at.clone()) };
        if !self.seen.insert((std::ptr::from_ref(schema), path.len())) {
            return None;
        }
        if let Some(property) = schema["properties"].get(*name) {
            let found = self.find(property, &at.at("properties").at(name), rest);
            if found.is_some() {
                return found;
            }
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let (places, bundle) = (self.places, self.bundle);
            let pointer = reference.trim_start_matches('#');
            let definition = pointer.rsplit('/').next().and_then(|it| places.definitions.get(it));
            if let (Some(target), Some(at)) = (bundle.pointer(pointer), definition) {
                let found = self.find(target, at, path);
                if found.is_some() {
                    return found;
                }
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let parts = schema[keyword].as_array().map_or(&[][..], Vec::as_slice);
            // The wrapper of `nullable` has the place of what it wraps.
            let is_wrapper = keyword == "anyOf" && is_inserted(schema);
            let is_reference = |part: &&Value| is_inserted(part) && part.get("$ref").is_some();
            let inserted = parts.iter().take_while(is_reference).count();
            for (index, part) in parts.iter().enumerate() {
                let found = match index.checked_sub(inserted) {
                    Some(index) if !is_wrapper => {
                        self.find(part, &at.at(keyword).at(&index.to_string()), path)
                    }
                    _ => self.find(part, at, path),
                };
                if found.is_some() {
                    return found;
                }
            }
        }
        let items = schema.get("items")?;
        self.find(items, &at.at("items"), path)
    }
}

fn is_inserted(schema: &Value) -> bool {
    schema.get(INSERTED).is_some()
}
