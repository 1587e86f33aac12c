//! Reads JSON text of others as a tree.
//!
//! `serde_json` would read the object `{"$serde_json::private::RawValue": "…"}` as the JSON in that
//! text, because a feature of it that this program uses marks its own values so. A payload is never
//! marked. So what comes from outside is read here, and not by `serde_json::from_slice`.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads one value; of duplicate keys the last one counts. The text of an error may have a part of the
/// value.
pub fn read(text: &[u8]) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = AnyValue.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Reads one value.
struct AnyValue;

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(AnyValue)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            members.insert(key, from.next_value_seed(AnyValue)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_is_what_the_text_says_whatever_its_keys_are() {
        let key = "$serde_json::private::RawValue";
        let text =
            format!(r#"{{"a": [1, -2.5, null, true, "x"], "{key}": "7", "b": {{"{key}": 1}}}}"#);
        let expected = json!({"a": [1, -2.5, null, true, "x"], key: "7", "b": {key: 1}});
        assert_eq!(read(text.as_bytes()).expect("JSON"), expected);
        for text in ["", "{", "1 2", "{\"a\":1}x"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
