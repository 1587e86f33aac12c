//! Which members of a value its JSON Schema declares, wherever the value stands: in a field, in a map
//! (`additionalProperties`), in a tuple, in a schema that contains itself.
//!
//! This is slow, and needed only for events that the validator rejects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::contract::pointer;

/// The JSON Schema of an event type, to look up declarations.
#[derive(Debug)]
pub(super) struct Declarations {
    root: Arc<Value>,
    /// A validator for each regular expression of `patternProperties`.
    patterns: HashMap<String, Validator>,
}

/// The schemas that apply to one value: those of its place, and what they refer to or combine.
#[derive(Debug, Default)]
pub(super) struct Applied<'s> {
    schemas: Vec<&'s Map<String, Value>>,
    /// How many of `schemas` the value has to satisfy; the others belong to alternatives. They come
    /// first.
    certain: usize,
}

impl Declarations {
    pub(super) fn of(root: Arc<Value>) -> Self {
        let mut patterns = HashMap::new();
        collect_patterns(&root, &mut patterns);
        Self { root, patterns }
    }

    /// What applies to the whole value.
    pub(super) fn root(&self) -> Applied<'_> {
        self.applied(vec![&self.root])
    }

    /// What applies to a member of a value to which `around` applies.
    pub(super) fn member<'s>(&'s self, around: &Applied<'s>, name: &str) -> Applied<'s> {
        let mut found = Vec::new();
        for schema in &around.schemas {
            let before = found.len();
            found.extend(schema.get("properties").and_then(|all| all.get(name)));
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let matching = patterns.into_iter().flatten().filter(|(pattern, _)| {
                self.patterns.get(*pattern).is_some_and(|one| one.is_valid(&json!(name)))
            });
            found.extend(matching.map(|(_, schema)| schema));
            if found.len() == before {
                let rest = ["additionalProperties", "unevaluatedProperties"];
                found.extend(rest.iter().find_map(|keyword| schema.get(*keyword)));
            }
        }
        self.applied(found)
    }

    /// What applies to an item of an array to which `around` applies.
    pub(super) fn item<'s>(&'s self, around: &Applied<'s>, index: usize) -> Applied<'s> {
        let mut found = Vec::new();
        for schema in &around.schemas {
            let items = schema.get("items");
            let list = schema.get("prefixItems").or(items).and_then(Value::as_array);
            let rest = match items {
                Some(Value::Array(_)) => schema.get("additionalItems"),
                items => items,
            };
            let own = list.and_then(|list| list.get(index));
            found.extend(own.or(rest).or_else(|| schema.get("unevaluatedItems")));
        }
        self.applied(found)
    }

    /// The schemas with all that apply to the same value through them.
    fn applied<'s>(&'s self, schemas: Vec<&'s Value>) -> Applied<'s> {
        let mut all = Applied::default();
        let mut seen = HashSet::new();
        let mut alternatives = Vec::new();
        let mut certain = schemas;
        loop {
            let is_certain = !certain.is_empty();
            let Some(schema) = certain.pop().or_else(|| alternatives.pop()) else { return all };
            let Some(schema) = schema.as_object() else { continue };
            if !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            all.schemas.push(schema);
            all.certain += usize::from(is_certain);
            for (keyword, value) in schema {
                let into = if is_certain { &mut certain } else { &mut alternatives };
                match (keyword.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        into.extend(self.root.pointer(reference.trim_start_matches('#')));
                    }
                    ("allOf", Value::Array(parts)) => into.extend(parts),
                    ("anyOf" | "oneOf", Value::Array(parts)) => alternatives.extend(parts),
                    ("then" | "else", part) => alternatives.push(part),
                    ("dependentSchemas" | "dependencies", Value::Object(parts)) => {
                        alternatives.extend(parts.values());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Removes optional fields that are null: null means absent, but a rule such as `enum` may not
    /// allow it. Members that no schema declares stay.
    pub(super) fn remove_nulls(&self, value: &mut Value, applied: &Applied<'_>) {
        match value {
            Value::Object(members) => {
                members.retain(|name, member| !(member.is_null() && applied.is_optional(name)));
                for (name, member) in members {
                    if member.is_object() || member.is_array() {
                        self.remove_nulls(member, &self.member(applied, name));
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if item.is_object() || item.is_array() {
                        self.remove_nulls(item, &self.item(applied, index));
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// A JSON pointer without the keys that no schema declares, which are data: `*` stands for each.
    pub(super) fn masked(&self, place: &str, value: &Value) -> String {
        let mut shown = String::new();
        let mut applied = self.root();
        let mut value = Some(value);
        for segment in place.split('/').skip(1) {
            let key = pointer::unescaped(segment);
            shown.push('/');
            match value {
                Some(Value::Array(items)) => {
                    let index = segment.parse().unwrap_or_default();
                    shown.push_str(segment);
                    applied = self.item(&applied, index);
                    value = items.get(index);
                }
                around => {
                    shown.push_str(if applied.declares(&key) { segment } else { "*" });
                    applied = self.member(&applied, &key);
                    value = around.and_then(|around| around.get(&key));
                }
            }
        }
        shown
    }
}

impl Applied<'_> {
    fn declares(&self, name: &str) -> bool {
        let mut properties = self.schemas.iter().filter_map(|schema| schema.get("properties"));
        properties.any(|properties| properties.get(name).is_some())
    }

    /// The member is declared, and not always required.
    fn is_optional(&self, name: &str) -> bool {
        let mut required =
            self.schemas[..self.certain].iter().filter_map(|one| one.get("required"));
        let is_required = required.any(|names| {
            names.as_array().is_some_and(|names| names.iter().any(|required| required == name))
        });
        self.declares(name) && !is_required
    }
}

fn collect_patterns(schema: &Value, patterns: &mut HashMap<String, Validator>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                if let ("patternProperties", Value::Object(all)) = (keyword.as_str(), value) {
                    for pattern in all
                        .keys()
                        .filter(|key| !patterns.contains_key(*key))
                        .cloned()
                        .collect::<Vec<_>>()
                    {
                        if let Ok(one) = jsonschema::options().build(&json!({ "pattern": pattern }))
                        {
                            patterns.insert(pattern, one);
                        }
                    }
                }
                collect_patterns(value, patterns);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect_patterns(value, patterns)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
