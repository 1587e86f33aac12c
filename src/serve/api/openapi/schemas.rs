//! The contract's schemas as OpenAPI 3.1 has them: JSON Schema 2020-12, with references from the
//! document's root.

use serde_json::{Map, Value, json};

use super::answers;
use crate::contract::{Contract, Discriminator, EventSchema, encoded};

/// The schemas of a contract's events.
pub(super) struct Schemas {
    pub components: Map<String, Value>,
    /// Whether an event that is no CloudEvent needs a header with its type.
    pub needs_type_header: bool,
}

impl Schemas {
    pub fn of(contract: &Contract, ignored: &[String]) -> Self {
        let mut components = Map::new();
        let mut alternatives = Vec::new();
        for (index, event) in contract.not_ignored(ignored).enumerate() {
            let name = component_name(event, index, &components);
            let root = format!("#/components/schemas/{name}");
            let mut schema = modern(&event.json_schema, &root);
            if schema.get("title").is_none() {
                schema["title"] = json!(event.name);
            }
            components.insert(name.clone(), schema);
            alternatives.push(match &contract.discriminator {
                Discriminator::Payload(keys) => {
                    json!({ "allOf": [reference(&name), of_type(keys, &event.name)] })
                }
                Discriminator::Header(_) | Discriminator::Only(_) => reference(&name),
            });
        }
        let needs_type_header = matches!(contract.discriminator, Discriminator::Header(_))
            && (alternatives.len() != 1 || !ignored.is_empty());
        let of_type = match &contract.discriminator {
            Discriminator::Header(_) => json!({ "enum": types(contract) }),
            Discriminator::Payload(_) | Discriminator::Only(_) => {
                json!({ "type": "string", "minLength": 1 })
            }
        };
        components.insert("Event".to_owned(), json!({ "anyOf": alternatives }));
        components.insert("CloudEvent".to_owned(), cloud_event(&of_type));
        Self { components, needs_type_header }
    }
}

/// The names of the event types.
pub(super) fn types(contract: &Contract) -> Value {
    contract.events.iter().map(|event| json!(event.name)).collect()
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A name that OpenAPI allows and that nothing else has.
fn component_name(event: &EventSchema, index: usize, taken: &Map<String, Value>) -> String {
    let own = ["Event", "CloudEvent"];
    let is_free = |name: &str| {
        !taken.contains_key(name) && !own.contains(&name) && !answers::schemas().contains_key(name)
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = event.name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if is_free(&name) { name } else { format!("{name}_{index}") }
}

/// An object whose member at the end of the keys is the name of the event type.
fn of_type(keys: &[String], name: &str) -> Value {
    keys.iter().rev().fold(
        json!({ "const": name }),
        |inner, key| json!({ "type": "object", "required": [key], "properties": { (key): inner } }),
    )
}

fn cloud_event(of_type: &Value) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    json!({
        "type": "object",
        "description": "CloudEvents 1.0. `data_base64` may stand in place of `data`; the \
            attributes become headers of the record (`ce_id`, …).",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": text,
            "source": text,
            "type": of_type,
            "datacontenttype": { "type": ["string", "null"] },
            "dataschema": { "type": ["string", "null"] },
            "subject": { "type": ["string", "null"] },
            "time": { "type": ["string", "null"] },
            "data": reference("Event"),
        },
        "propertyNames": { "pattern": "^[a-z0-9]{1,20}$" },
        "additionalProperties": { "anyOf": [
            { "type": ["string", "boolean", "null"] },
            { "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX },
        ] },
    })
}

/// A bundle of the contract's, as a schema at `root` of another document.
fn modern(schema: &Value, root: &str) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    // Whoever sends an event sends the text.
    if let Some(text) = encoded::of_text(keywords) {
        return self::modern(&Value::Object(text), root);
    }
    let mut modern = Map::new();
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            ("$schema", _) => {}
            // AsyncAPI's is a text, OpenAPI's an object.
            ("discriminator", Value::String(_)) => {}
            ("additionalItems", _) if !keywords["items"].is_array() => {}
            ("additionalItems", _) => {
                drop(modern.insert("items".into(), self::modern(value, root)))
            }
            ("items", Value::Array(first)) => {
                let first = first.iter().map(|item| self::modern(item, root)).collect();
                modern.insert("prefixItems".to_owned(), first);
            }
            ("dependencies", Value::Object(each)) => dependencies(each, root, &mut modern),
            ("$ref", Value::String(reference)) => {
                let pointer = reference.trim_start_matches('#');
                modern.insert("$ref".to_owned(), json!(format!("{root}{pointer}")));
            }
            ("const" | "enum" | "examples" | "example" | "default" | "required", _) => {
                modern.insert(keyword.clone(), value.clone());
            }
            _ if keyword.starts_with("x-contract-") => {}
            (
                "properties" | "patternProperties" | "$defs" | "dependentSchemas",
                Value::Object(of),
            ) => {
                let each = of.iter().map(|(key, one)| (key.clone(), self::modern(one, root)));
                modern.insert(keyword.clone(), Value::Object(each.collect()));
            }
            (_, Value::Array(list)) => {
                let list = list.iter().map(|one| self::modern(one, root)).collect();
                modern.insert(keyword.clone(), list);
            }
            _ => {
                modern.insert(keyword.clone(), self::modern(value, root));
            }
        }
    }
    if modern.get("$defs").is_some_and(|all| all.as_object().is_some_and(Map::is_empty)) {
        modern.remove("$defs");
    }
    if modern.get("type") == Some(&json!("integer")) {
        // What the column holds.
        let has = |names: [&str; 2]| names.iter().any(|name| modern.contains_key(*name));
        let (low, high) =
            (has(["minimum", "exclusiveMinimum"]), has(["maximum", "exclusiveMaximum"]));
        if !low {
            modern.insert("minimum".to_owned(), json!(i64::MIN));
        }
        if !high {
            modern.insert("maximum".to_owned(), json!(i64::MAX));
        }
    }
    let says = |keyword: &str, values: &[&str]| {
        modern.get(keyword).and_then(Value::as_str).is_some_and(|value| values.contains(&value))
    };
    let is_decimal = says("format", &["decimal"]) || says("x-bigquery-type", DECIMAL_TYPES);
    if is_decimal && modern.get("type") == Some(&json!("string")) {
        modern.entry("pattern").or_insert_with(|| json!(DECIMAL));
    }
    Value::Object(modern)
}

/// BigQuery's names of decimals.
const DECIMAL_TYPES: &[&str] = &["NUMERIC", "DECIMAL", "BIGNUMERIC", "BIGDECIMAL"];

/// What each decimal column holds, in its plain form.
const DECIMAL: &str = r"^-?[0-9]{1,29}(\.[0-9]{1,9})?$";

/// `dependencies` as the two keywords that came after it.
fn dependencies(each: &Map<String, Value>, root: &str, modern: &mut Map<String, Value>) {
    let (mut required, mut schemas) = (Map::new(), Map::new());
    for (name, what) in each {
        match what {
            Value::Array(names) => drop(required.insert(name.clone(), json!(names))),
            schema => drop(schemas.insert(name.clone(), self::modern(schema, root))),
        }
    }
    for (keyword, of) in [("dependentRequired", required), ("dependentSchemas", schemas)] {
        if !of.is_empty() {
            modern.insert(keyword.to_owned(), Value::Object(of));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_keywords_become_those_of_2020_12() {
        let old = json!({
            "$schema": "http://json-schema.org/draft-07/schema",
            "x-contract-place": "c.json#/x",
            "allOf": [{ "$ref": "#/$defs/a~1b" }],
            "properties": {
                "items": { "items": [{ "type": "string" }], "additionalItems": false },
                "n": { "type": "integer", "minimum": 0 },
                "const": { "const": { "$ref": "#/kept" } },
            },
            "dependencies": { "a": ["b"], "b": { "required": ["c"] } },
            "discriminator": "kind",
            "$defs": { "a/b": { "type": "object" } },
        });
        let expected = json!({
            "allOf": [{ "$ref": "#/components/schemas/E/$defs/a~1b" }],
            "properties": {
                "items": { "prefixItems": [{ "type": "string" }], "items": false },
                "n": { "type": "integer", "minimum": 0, "maximum": i64::MAX },
                "const": { "const": { "$ref": "#/kept" } },
            },
            "dependentRequired": { "a": ["b"] },
            "dependentSchemas": { "b": { "required": ["c"] } },
            "$defs": { "a/b": { "type": "object" } },
        });
        assert_eq!(modern(&old, "#/components/schemas/E"), expected);
    }
}
