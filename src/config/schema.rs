//! The configuration as JSON Schema, for editors and for checks before a commit. Made from the tables that
//! the configuration is read by.

use serde_json::{Map, Value, json};

use super::environments;
use super::keys::{self, Key};
use super::transfer;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The keys of a `.env` file, as an object of texts.
pub fn dotenv() -> Value {
    let (properties, patterns) = of_keys(json!("string"));
    json!({
        "$schema": DIALECT,
        "title": "The keys of a .env file of generic-consumer",
        "description": "KEY_DOMAIN is the key of one domain, KEY the default of all \
                        (docs/reference/configuration.md)",
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
    })
}

/// A configuration file: `config/environments.toml`, or one of `--config`.
pub fn file() -> Value {
    let (mut properties, patterns) = of_keys(json!(["string", "integer", "boolean", "array"]));
    let (consume, write) = environments::schema();
    properties.insert("consume".to_owned(), consume);
    properties.insert("write".to_owned(), write);
    json!({
        "$schema": DIALECT,
        "title": "A configuration file of generic-consumer",
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
    })
}

/// The file of a transfer, which may have everything that a configuration file has.
pub fn transfers() -> Value {
    let mut schema = file();
    schema["title"] = json!("A file with transfers of generic-consumer");
    schema["properties"]["transfer"] = transfer::schema();
    schema["required"] = json!(["transfer"]);
    schema
}

/// The keys by name, and those of domains by pattern.
fn of_keys(kind: Value) -> (Map<String, Value>, Map<String, Value>) {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for key in keys::ALL {
        properties.insert(key.base.to_owned(), value(key, &kind));
        if key.per_domain {
            let pattern = format!("^{}_[A-Z][A-Z0-9_]*$", key.base);
            if !keys::ALL.iter().any(|other| is_longer(other, key)) {
                patterns.insert(pattern, value(key, &kind));
            }
        }
    }
    (properties, patterns)
}

/// Whether names of a domain's key may be those of another key: `FETCH_ALLOW` of `FETCH`.
fn is_longer(other: &Key, key: &Key) -> bool {
    other.base.strip_prefix(key.base).is_some_and(|rest| rest.starts_with('_'))
}

fn value(key: &Key, kind: &Value) -> Value {
    let mut value = json!({ "description": key.accepted });
    match choices(key.accepted) {
        Some(choices) => value["enum"] = json!(choices),
        None => value["type"] = kind.clone(),
    }
    if let Some(default) = key.default {
        value["default"] = json!(default);
    }
    value
}

/// The values, where nothing else is accepted: "`a`, `b` or `c`".
fn choices(accepted: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = accepted.split('`').collect();
    let words: Vec<&str> = parts.iter().skip(1).step_by(2).copied().collect();
    let between = parts.iter().step_by(2);
    let is_list = between.enumerate().all(|(index, text)| match index {
        0 => text.is_empty(),
        index if index * 2 + 1 == parts.len() => text.is_empty(),
        _ => [", ", " or "].contains(text),
    });
    (is_list && words.len() > 1 && words.iter().all(|word| !word.contains('<'))).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_told_from_descriptions() {
        assert_eq!(choices("`true` or `false`"), Some(vec!["true", "false"]));
        assert_eq!(choices("`a`, `b` or `c`"), Some(vec!["a", "b", "c"]));
        assert_eq!(choices("`table` or `kafka:<topic>`"), None);
        assert_eq!(choices("`x-rh-identity`, or empty for none"), None);
        assert_eq!(choices("a folder"), None);
    }

    #[test]
    fn a_key_of_a_domain_is_described_by_its_own_key() {
        let schema = dotenv();
        assert_eq!(schema["properties"]["DISABLE"]["enum"], json!(["true", "false"]));
        let patterns = schema["patternProperties"].as_object().expect("patterns");
        assert!(patterns.contains_key("^IN_TOPIC_[A-Z][A-Z0-9_]*$"));
        // FETCH_ALLOW would be the key FETCH of a domain ALLOW.
        assert!(!patterns.contains_key("^FETCH_[A-Z][A-Z0-9_]*$"));
    }
}
