//! `[transfer.<name>]` as JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::file::{COMPRESSIONS, DELIMITERS, DUPLICATES, FORMATS, KEYS, KINDS, SCOPES, known};

/// The table `[transfer]`: a table for each name.
pub fn tables() -> Value {
    let sources: Vec<Value> = KINDS
        .iter()
        .map(|(name, kind)| {
            let mut properties = object(known(*kind));
            properties.insert("kind".to_owned(), json!({ "const": name }));
            json!({
                "type": "object",
                "properties": properties,
                "required": ["kind"],
                "additionalProperties": false,
            })
        })
        .collect();
    let mut properties = object(KEYS);
    properties.insert("source".to_owned(), json!({ "oneOf": sources }));
    json!({
        "type": "object",
        "description": "Each transfer by its name (docs/reference/transfer.md)",
        "propertyNames": { "pattern": "^[a-z][a-z0-9_-]{0,39}$" },
        "additionalProperties": {
            "type": "object",
            "properties": properties,
            "required": ["source"],
            "additionalProperties": false,
        },
    })
}

fn object(keys: &[&str]) -> Map<String, Value> {
    keys.iter().map(|key| ((*key).to_owned(), value(key))).collect()
}

/// What a key may have. Numbers and truth values may be written as texts too.
fn value(key: &str) -> Value {
    match key {
        "scope" => names(SCOPES),
        "duplicates" => names(DUPLICATES),
        "format" => names(FORMATS),
        "delimiter" => names(DELIMITERS),
        "compression" => names(COMPRESSIONS),
        "key" | "files" => json!({ "type": ["array", "string"], "items": { "type": "string" } }),
        "delete_missing" | "optional" => json!({ "type": ["boolean", "string"] }),
        "lease_seconds" => json!({ "type": ["integer", "string"] }),
        _ => json!({ "type": "string" }),
    }
}

fn names<T>(choices: &[(&str, T)]) -> Value {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    json!({ "enum": names })
}
