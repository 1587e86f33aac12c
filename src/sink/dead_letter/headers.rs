//! A record's headers in the dead-letter table.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::record::DeadLetter;

/// Headers as a JSON object of name → list of values, `None` where there are none. A value is text,
/// `{"base64": "…"}` where it is not UTF-8, or null: `produce --envelope` reads this form.
pub fn headers_json(letter: &DeadLetter) -> Option<String> {
    if letter.headers.is_empty() {
        return None;
    }
    let mut object = Map::new();
    for (name, value) in &letter.headers {
        let value = value.as_ref().map_or(Value::Null, |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
        });
        let values = object.entry(name.clone()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value);
        }
    }
    Some(Value::Object(object).to_string())
}
