//! A payload's schema with everything it refers to, as one JSON Schema 2020-12 document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::files::{Files, Location};
use super::problem::{ContractError, Problem};

/// Keywords whose value is a schema.
const SCHEMA: &[&str] = &[
    "items",
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedProperties",
    "unevaluatedItems",
];
/// Keywords whose value is a list of schemas.
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is an object of schemas.
const NAMED_SCHEMAS: &[&str] = &["properties", "patternProperties", "dependentSchemas"];

/// Keywords left out of the bundle: a validator would resolve references against them, or they only
/// hold definitions, which the bundle has under its own `$defs`.
const DROPPED: &[&str] = &["$id", "id", "$schema", "$anchor", "$defs", "definitions", "$comment"];

/// How deep schemas may nest, not counting references.
const DEEPEST: usize = 200;

/// Bundles the schema at a place. What references lead to stands once each, under `$defs`.
pub(super) fn bundle(files: &mut Files, at: &Location) -> Result<Value, ContractError> {
    let mut bundler = Bundler { names: BTreeMap::new(), waiting: vec![], problems: vec![] };
    let raw = files.value(at)?;
    let mut root = bundler.rewrite(files, at, &raw, 0);
    let mut definitions = Map::new();
    while let Some((name, target)) = bundler.waiting.pop() {
        match files.value(&target) {
            Ok(raw) => {
                let schema = bundler.rewrite(files, &target, &raw, 0);
                definitions.insert(name, schema);
            }
            Err(problem) => bundler.problems.push(problem),
        }
    }
    if !bundler.problems.is_empty() {
        return Err(ContractError { problems: bundler.problems });
    }
    if let (Value::Object(root), false) = (&mut root, definitions.is_empty()) {
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Ok(root)
}

struct Bundler {
    /// Names under `$defs` of the places that references lead to.
    names: BTreeMap<Location, String>,
    /// Places that have a name and are not yet bundled.
    waiting: Vec<(String, Location)>,
    problems: Vec<Problem>,
}

impl Bundler {
    /// The schema `raw` at `at`, with references into the bundle and without dropped keywords.
    fn rewrite(&mut self, files: &Files, at: &Location, raw: &Value, depth: usize) -> Value {
        let Value::Object(raw) = raw else {
            if !raw.is_boolean() {
                self.problems.push(Problem::new(at, "a schema has to be an object or a boolean"));
            }
            return raw.clone();
        };
        if depth > DEEPEST {
            self.problems
                .push(Problem::new(at, format!("schemas are nested deeper than {DEEPEST}")));
            return Value::Bool(true);
        }
        let mut schema = Map::new();
        for (key, value) in raw {
            let here = at.at(key);
            let rewritten = match key.as_str() {
                "$ref" => self.reference(files, at, value),
                "$dynamicRef" | "$recursiveRef" => {
                    self.problems.push(Problem::new(&here, "dynamic references are not supported"));
                    continue;
                }
                key if DROPPED.contains(&key) => continue,
                key if SCHEMA.contains(&key) && !value.is_array() => {
                    self.rewrite(files, &here, value, depth + 1)
                }
                key if SCHEMAS.contains(&key) => match value {
                    Value::Array(list) => list
                        .iter()
                        .enumerate()
                        .map(|(index, one)| {
                            self.rewrite(files, &here.at(&index.to_string()), one, depth + 1)
                        })
                        .collect(),
                    other => other.clone(),
                },
                key if NAMED_SCHEMAS.contains(&key) => match value {
                    Value::Object(map) => Value::Object(
                        map.iter()
                            .map(|(name, one)| {
                                (name.clone(), self.rewrite(files, &here.at(name), one, depth + 1))
                            })
                            .collect(),
                    ),
                    other => other.clone(),
                },
                _ => value.clone(),
            };
            schema.insert(key.clone(), rewritten);
        }
        normalise(&mut schema);
        Value::Object(schema)
    }

    /// The reference into the bundle that replaces a `$ref` of the document.
    fn reference(&mut self, files: &Files, at: &Location, value: &Value) -> Value {
        let target = match value.as_str().map(|reference| files.target(at, reference)) {
            Some(Ok(target)) => target,
            Some(Err(problem)) => {
                self.problems.push(problem);
                return value.clone();
            }
            None => {
                self.problems.push(Problem::new(at, "$ref is not a string"));
                return value.clone();
            }
        };
        let number = self.names.len();
        let name = self.names.entry(target.clone()).or_insert_with(|| {
            let name = format!("d{number}");
            self.waiting.push((name.clone(), target));
            name
        });
        json!(format!("#/$defs/{name}"))
    }
}

/// Replaces OpenAPI's `nullable` by a type that includes `null`, and adds the type that
/// `properties` or `items` imply.
fn normalise(schema: &mut Map<String, Value>) {
    if !schema.contains_key("type") && !schema.contains_key("$ref") {
        let implied = if schema.contains_key("properties") {
            Some("object")
        } else if schema.contains_key("items") {
            Some("array")
        } else {
            None
        };
        if let Some(implied) = implied {
            schema.insert("type".to_owned(), json!(implied));
        }
    }
    if schema.remove("nullable") == Some(Value::Bool(true)) {
        if let Some(Value::String(one)) = schema.get("type").cloned() {
            schema.insert("type".to_owned(), json!([one, "null"]));
        }
        if let Some(Value::Array(allowed)) = schema.get_mut("enum")
            && !allowed.contains(&Value::Null)
        {
            allowed.push(Value::Null);
        }
    }
}
