//! A record's headers in the dead-letter table.

use crate::record::DeadLetter;

/// Headers as a JSON object of name → list of values, `None` where there are none. Bytes that are not
/// UTF-8 become `base64:…`.
pub fn headers_json(letter: &DeadLetter) -> Option<String> {
    use base64::Engine;
    if letter.headers.is_empty() {
        return None;
    }
    let mut object = serde_json::Map::new();
    for (name, value) in &letter.headers {
        let text = value.as_ref().map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(bytes)),
        });
        let values = object.entry(name.clone()).or_insert_with(|| serde_json::Value::Array(vec![]));
        if let serde_json::Value::Array(values) = values {
            values.push(text.map_or(serde_json::Value::Null, serde_json::Value::String));
        }
    }
    Some(serde_json::Value::Object(object).to_string())
}
