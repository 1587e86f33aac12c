//! OpenAPI's `nullable: true` in the words of JSON Schema.

use serde_json::{Map, Value, json};

use super::keywords::INSERTED;

/// Keywords next to which adding `null` to `type` and `enum` is enough, because the others say
/// nothing about `null`.
const COMBINING: &[&str] = &["$ref", "allOf", "anyOf", "oneOf", "not", "if", "const"];

/// The schema without `nullable`; if it was `true`, null is allowed in addition.
pub(super) fn rewritten(mut schema: Map<String, Value>) -> Value {
    if schema.remove("nullable") != Some(Value::Bool(true)) {
        return Value::Object(schema);
    }
    if COMBINING.iter().any(|keyword| schema.contains_key(*keyword)) {
        return json!({ INSERTED: true, "anyOf": [schema, { "type": "null" }] });
    }
    let null = json!("null");
    match schema.get_mut("type") {
        Some(Value::Array(types)) if !types.contains(&null) => types.push(null),
        Some(one @ Value::String(_)) if *one != null => *one = Value::Array(vec![one.take(), null]),
        _ => {}
    }
    if let Some(Value::Array(allowed)) = schema.get_mut("enum")
        && !allowed.contains(&Value::Null)
    {
        allowed.push(Value::Null);
    }
    Value::Object(schema)
}
