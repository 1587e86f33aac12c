//! A record's headers in the dead-letter table: written and read again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::record::DeadLetter;

/// Headers as a JSON object, `None` where there are none.
pub fn headers_json(letter: &DeadLetter) -> Option<String> {
    (!letter.headers.is_empty()).then(|| headers_value(&letter.headers).to_string())
}

/// Headers as a JSON object of name → list of values. A value is text, `{"base64": "…"}` where it is
/// not UTF-8, or null: `produce --envelope` reads this form.
pub fn headers_value(headers: &[(String, Option<Vec<u8>>)]) -> Value {
    let mut object = Map::new();
    for (name, value) in headers {
        let value = value.as_ref().map_or(Value::Null, |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
        });
        let values = object.entry(name.clone()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value);
        }
    }
    Value::Object(object)
}

/// Reads headers in the form of [`headers_value`]. Values of a name keep their order, names do not.
pub fn read_headers(json: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let Ok(Value::Object(object)) = serde_json::from_str(json) else { return Vec::new() };
    let value = |value: Value| match value {
        Value::String(text) => Some(text.into_bytes()),
        Value::Object(encoded) => {
            encoded.get("base64").and_then(|text| STANDARD.decode(text.as_str()?).ok())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    let of_name = |(name, values): (String, Value)| {
        let values = if let Value::Array(values) = values { values } else { vec![values] };
        values.into_iter().map(move |one| (name.clone(), value(one)))
    };
    object.into_iter().flat_map(of_name).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Event, Position, Reason, Rejection};

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            headers in proptest::collection::vec(
                ("[a-cé\"]{0,3}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..6))),
                0..6,
            ),
        ) {
            let event = Event { headers: &headers, ..Event::unknown(Position::new(0, 1)) };
            let why = Rejection::new(Reason::Empty, String::new(), None);
            let json = headers_json(&DeadLetter::of(&event, why));
            let mut read = json.map(|json| read_headers(&json)).unwrap_or_default();
            let mut written = headers.clone();
            // The order of different names is not kept.
            read.sort_by(|(one, _), (other, _)| one.cmp(other));
            written.sort_by(|(one, _), (other, _)| one.cmp(other));
            prop_assert_eq!(read, written);
        }
    }
}
