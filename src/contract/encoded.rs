//! Fields whose text is JSON, which the contract describes: `contentMediaType: application/json` and a
//! `contentSchema`, in base64 (`contentEncoding`) or as it is.
//!
//! In the bundle, `contentSchema` stands where the text does. So everything that is derived from the
//! bundle (checks, columns, what a filter may name) is about the decoded value, and what reads events
//! decodes these fields first.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::keywords::{ENCODED, INSERTED, NAMED_SCHEMAS, SCHEMA, SCHEMAS, is_annotation};
use super::problem::Problem;

/// A field whose text is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedField {
    /// The keys that lead to it from the root.
    pub path: Vec<String>,
    pub encoding: ContentEncoding,
}

/// How a JSON value is written in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEncoding {
    /// As JSON text.
    Text,
    /// As JSON text in base64 (RFC 4648).
    Base64,
}

const BASE64: &str = "base64";

/// The schema has a `contentSchema` for a string that is JSON. Of other media types it is an annotation.
pub(super) fn is_declared(schema: &Map<String, Value>) -> bool {
    let media_type = schema.get("contentMediaType").and_then(Value::as_str);
    let is_json = media_type.is_some_and(|it| it == "application/json" || it.ends_with("+json"));
    is_json && schema.contains_key("contentSchema")
}

/// What keeps such a schema from being decoded: the keyword, and why.
pub(super) fn obstacles(schema: &Map<String, Value>) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    match types(schema) {
        Some(types) if types.iter().all(|one| ["string", "null"].contains(one)) => {}
        _ => {
            let what = "what has a `contentSchema` is a text: write `type: string`, or \
                        `[string, 'null']`";
            found.push(("type", what.to_owned()));
        }
    }
    let encoding = schema.get("contentEncoding");
    if encoding.is_some_and(|encoding| encoding != BASE64) {
        let what = "a text with a `contentSchema` is encoded in base64, or has no contentEncoding";
        found.push(("contentEncoding", what.to_owned()));
    }
    let own = ["type", "nullable", "contentSchema"];
    let others = schema.keys().filter(|keyword| {
        let keyword = keyword.as_str();
        !own.contains(&keyword) && (!is_annotation(keyword) || keyword == "format")
    });
    found.extend(others.map(|keyword| {
        let what = format!(
            "`{keyword}` would be about the text before it is decoded; say in `contentSchema` what \
             the decoded value has to be"
        );
        (keyword.as_str(), what)
    }));
    found
}

/// The schema of the decoded value, which `reference` leads to. `place` is that of the text's schema.
pub(super) fn rewritten(schema: &Map<String, Value>, reference: &str, place: &str) -> Value {
    let encoding = schema.get("contentEncoding").cloned().unwrap_or_default();
    let mark = json!({ "encoding": encoding, "place": place });
    let about_the_text = ["contentEncoding", "contentMediaType", "default", "example", "examples"];
    let mut rewritten: Map<String, Value> = schema
        .iter()
        .filter(|(keyword, _)| {
            is_annotation(keyword) && !about_the_text.contains(&keyword.as_str())
        })
        .map(|(keyword, value)| (keyword.clone(), value.clone()))
        .collect();
    rewritten.insert(ENCODED.to_owned(), mark);
    let nullable = schema.get("nullable") == Some(&Value::Bool(true));
    if nullable || types(schema).is_some_and(|types| types.contains(&"null")) {
        rewritten.insert(INSERTED.to_owned(), json!(true));
        rewritten.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
    } else {
        rewritten.insert("$ref".to_owned(), json!(reference));
    }
    Value::Object(rewritten)
}

/// The schema of the text, if this is the schema of a decoded value.
pub fn of_text(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mark = schema.get(ENCODED)?;
    let null_or = schema.get("anyOf").and_then(|all| all.get(0));
    let types = if null_or.is_some() { json!(["string", "null"]) } else { json!("string") };
    let mut text = Map::new();
    text.insert("type".to_owned(), types);
    let annotations = schema.iter().filter(|(keyword, _)| is_annotation(keyword));
    text.extend(annotations.map(|(keyword, value)| (keyword.clone(), value.clone())));
    if mark["encoding"].is_string() {
        text.insert("contentEncoding".to_owned(), mark["encoding"].clone());
    }
    text.insert("contentMediaType".to_owned(), json!("application/json"));
    let content = null_or.cloned().unwrap_or_else(|| json!({ "$ref": schema.get("$ref") }));
    text.insert("contentSchema".to_owned(), content);
    Some(text)
}

fn types(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Encodes the fields of an event, as a producer does. What is null or missing stays so.
pub(super) fn encode(fields: &[EncodedField], event: &mut Value) {
    for EncodedField { path, encoding } in fields {
        let found = path.iter().try_fold(&mut *event, |value, key| value.get_mut(key));
        let Some(value) = found.filter(|value| !value.is_null()) else { continue };
        *value = match encoding {
            ContentEncoding::Text => json!(value.to_string()),
            ContentEncoding::Base64 => json!(STANDARD.encode(value.to_string())),
        };
    }
}

/// The encoded fields of a bundle. Those at other places than a property of an object that every event
/// may have are problems: whether a text is decoded must not depend on other values.
pub(super) fn fields(bundle: &Value) -> Result<Vec<EncodedField>, Vec<Problem>> {
    let mut search =
        Search { bundle, found: Vec::new(), elsewhere: HashSet::new(), problems: Vec::new() };
    search.certain(bundle, &mut Vec::new(), &mut Vec::new());
    if search.problems.is_empty() { Ok(search.found) } else { Err(search.problems) }
}

struct Search<'b> {
    bundle: &'b Value,
    found: Vec<EncodedField>,
    /// Schemas that were searched for fields that cannot be decoded.
    elsewhere: HashSet<*const Value>,
    problems: Vec<Problem>,
}

impl<'b> Search<'b> {
    /// Searches a schema that applies to the value at the end of `path` in every event. `through` has
    /// the definitions around it.
    fn certain(&mut self, schema: &'b Value, path: &mut Vec<String>, through: &mut Vec<&'b str>) {
        let Some(keywords) = schema.as_object() else { return };
        if let Some(mark) = keywords.get(ENCODED) {
            let encoding = match mark["encoding"].as_str() {
                Some(_) => ContentEncoding::Base64,
                None => ContentEncoding::Text,
            };
            let field = EncodedField { path: path.clone(), encoding };
            if path.is_empty() {
                let what = "the payload itself cannot be a text that is decoded";
                self.problems.push(Problem::new(mark["place"].as_str().unwrap_or_default(), what));
            } else if !self.found.contains(&field) {
                self.found.push(field);
            }
            // Nothing in a decoded value is decoded again.
            self.inside(keywords);
            return;
        }
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => match self.definition(reference) {
                    Some(target) if !through.contains(&reference.as_str()) => {
                        through.push(reference);
                        self.certain(target, path, through);
                        through.pop();
                    }
                    Some(target) => self.anywhere(target),
                    None => {}
                },
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        path.push(name.clone());
                        self.certain(property, path, through);
                        path.pop();
                    }
                }
                ("allOf", Value::Array(parts)) => {
                    parts.iter().for_each(|part| self.certain(part, path, through));
                }
                ("anyOf", Value::Array(parts)) if keywords.contains_key(INSERTED) => {
                    parts.iter().for_each(|part| self.certain(part, path, through));
                }
                (keyword, value) => self.parts(keyword, value),
            }
        }
    }

    /// Searches a schema that applies to some events, or to places without a name.
    fn anywhere(&mut self, schema: &'b Value) {
        let Some(keywords) = schema.as_object() else { return };
        if !self.elsewhere.insert(std::ptr::from_ref(schema)) {
            return;
        }
        if let Some(mark) = keywords.get(ENCODED) {
            let what = "a text is decoded where it is a property of an object that is there \
                        whatever the event says: not in an array, in a map, below `anyOf`, `oneOf`, \
                        `if` or `not`, in a schema that contains itself, or in another decoded text";
            self.problems.push(Problem::new(mark["place"].as_str().unwrap_or_default(), what));
        }
        self.inside(keywords);
    }

    fn inside(&mut self, keywords: &'b Map<String, Value>) {
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => {
                    if let Some(target) = self.definition(reference) {
                        self.anywhere(target);
                    }
                }
                (keyword, value) => self.parts(keyword, value),
            }
        }
    }

    /// Searches the schemas that are a keyword's value.
    fn parts(&mut self, keyword: &str, value: &'b Value) {
        match value {
            Value::Object(named) if NAMED_SCHEMAS.contains(&keyword) => {
                named.values().for_each(|one| self.anywhere(one));
            }
            Value::Object(_) if SCHEMA.contains(&keyword) => self.anywhere(value),
            Value::Array(several) if SCHEMAS.contains(&keyword) => {
                several.iter().for_each(|one| self.anywhere(one));
            }
            _ => {}
        }
    }

    fn definition(&self, reference: &str) -> Option<&'b Value> {
        self.bundle.pointer(reference.trim_start_matches('#'))
    }
}
