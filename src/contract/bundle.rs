//! One payload schema with everything it refers to, as one JSON Schema 2020-12 document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Files, Location};
use super::{ContractError, Mistake};

/// Keywords whose value is a schema, a list of schemas, or schemas by name.
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
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED_SCHEMAS: &[&str] = &["properties", "patternProperties", "dependentSchemas"];

/// Keywords that would lead a validator out of the bundle, or that only hold what is referred to.
const DROPPED: &[&str] = &["$id", "id", "$schema", "$anchor", "$defs", "definitions", "$comment"];

/// Schemas nested deeper than this, references aside, are no payload anybody means.
const DEEPEST: usize = 200;

/// Bundles the schema at a place; every distinct target of a reference comes once, under `$defs`.
pub fn bundle(files: &mut Files, at: &Location) -> Result<Value, ContractError> {
    let mut bundler = Bundler { names: BTreeMap::new(), waiting: vec![], mistakes: vec![] };
    let raw = files.value(at)?;
    let mut root = bundler.rewrite(files, at, &raw, 0);
    let mut definitions = Map::new();
    while let Some((name, target)) = bundler.waiting.pop() {
        match files.value(&target) {
            Ok(raw) => {
                let schema = bundler.rewrite(files, &target, &raw, 0);
                definitions.insert(name, schema);
            }
            Err(mistake) => bundler.mistakes.push(mistake),
        }
    }
    if !bundler.mistakes.is_empty() {
        return Err(ContractError { mistakes: bundler.mistakes });
    }
    if let (Value::Object(root), false) = (&mut root, definitions.is_empty()) {
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Ok(root)
}

struct Bundler {
    names: BTreeMap<Location, String>,
    /// Targets named and not yet written.
    waiting: Vec<(String, Location)>,
    mistakes: Vec<Mistake>,
}

impl Bundler {
    fn rewrite(&mut self, files: &Files, at: &Location, raw: &Value, depth: usize) -> Value {
        let Value::Object(raw) = raw else {
            if !raw.is_boolean() {
                self.mistakes.push(Mistake::new(at, "a schema is an object or a boolean"));
            }
            return raw.clone();
        };
        if depth > DEEPEST {
            self.mistakes
                .push(Mistake::new(at, format!("schemas are nested deeper than {DEEPEST}")));
            return Value::Bool(true);
        }
        let mut schema = Map::new();
        for (key, value) in raw {
            let here = at.at(key);
            let rewritten = match key.as_str() {
                "$ref" => self.reference(files, at, value),
                "$dynamicRef" | "$recursiveRef" => {
                    self.mistakes.push(Mistake::new(&here, "dynamic references are not followed"));
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

    fn reference(&mut self, files: &Files, at: &Location, value: &Value) -> Value {
        let target = match value.as_str().map(|reference| files.target(at, reference)) {
            Some(Ok(target)) => target,
            Some(Err(mistake)) => {
                self.mistakes.push(mistake);
                return value.clone();
            }
            None => {
                self.mistakes.push(Mistake::new(at, "$ref is no text"));
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

/// Says in JSON Schema's words what contracts say in OpenAPI's or leave to the reader: `nullable`,
/// and the type that `properties` or `items` imply.
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
