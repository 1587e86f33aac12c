//! Records written as JSON: the lines of `--envelope`, and the samples next to a contract.
//!
//! An envelope is `{"key": …, "headers": {…}, "value": …}`, and each part may be left out. Headers
//! are written as in the column `_kafka_headers`: text, `{"base64": "…"}` for bytes, `null` for a
//! header without a value, and a list of those for a name that repeats.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::record::UnsentRecord;

/// What an envelope is, for messages.
pub const FORM: &str = "{\"key\": …, \"headers\": {…}, \"value\": …}: key and headers are text \
    (key_base64, or {\"base64\": …} for bytes), a repeated header is a list; value is any JSON, \
    or value_base64";

/// The parts of an envelope. `value` is any JSON, or `null` for a tombstone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    key_base64: Option<String>,
    #[serde(default)]
    headers: Option<Headers>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    value_base64: Option<String>,
}

/// Names, which may repeat, and values.
#[derive(Default)]
struct Headers(Vec<(String, Option<Vec<u8>>)>);

/// A sample where headers or bytes matter: `text` is the value as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample<'a> {
    #[serde(default)]
    headers: Option<Headers>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    text: Option<String>,
}

/// The record that an envelope describes.
pub fn record(envelope: &[u8]) -> Result<UnsentRecord, String> {
    let envelope: Envelope = serde_json::from_slice(envelope).map_err(|error| error.to_string())?;
    let key = match (envelope.key, envelope.key_base64) {
        (Some(_), Some(_)) => return Err("key and key_base64 exclude each other".to_owned()),
        (Some(text), None) => Some(text.into_bytes()),
        (None, encoded) => encoded.map(|text| bytes("key_base64", &text)).transpose()?,
    };
    let value = match (envelope.value, envelope.value_base64) {
        (Some(_), Some(_)) => return Err("value and value_base64 exclude each other".to_owned()),
        (Some(value), None) => Some(value.get().as_bytes().to_vec()),
        (None, encoded) => encoded.map(|text| bytes("value_base64", &text)).transpose()?,
    };
    Ok(UnsentRecord { key, headers: envelope.headers.unwrap_or_default().0, value })
}

/// The record of a sample that is not the event itself: `{"text": "…"}` or
/// `{"headers": {…}, "value": …}`.
pub fn sample(text: &[u8]) -> Option<UnsentRecord> {
    let sample: Sample = serde_json::from_slice(text).ok()?;
    let value = match (sample.text, sample.value, &sample.headers) {
        (Some(text), None, _) => text.into_bytes(),
        (None, Some(value), Some(_)) => value.get().as_bytes().to_vec(),
        _ => return None,
    };
    let headers = sample.headers.unwrap_or_default().0;
    Some(UnsentRecord { key: None, headers, value: Some(value) })
}

fn bytes(part: &str, base64: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|error| format!("{part}: {error}"))
}

/// A header's value: text, `{"base64": "…"}` or null.
fn header_value(name: &str, value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        Value::Object(object) => match (object.get("base64"), object.len()) {
            (Some(Value::String(text)), 1) => bytes(&format!("header {name}"), text).map(Some),
            _ => Err(not_a_header(name)),
        },
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(not_a_header(name)),
    }
}

fn not_a_header(name: &str) -> String {
    format!("header {name} is neither text, {{\"base64\": \"…\"}}, null nor a list of those")
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;
        impl<'de> Visitor<'de> for ByName {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let values = match value {
                        Value::Array(values) => values,
                        single => vec![single],
                    };
                    for value in &values {
                        let value = header_value(&name, value).map_err(de::Error::custom)?;
                        headers.push((name.clone(), value));
                    }
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(ByName).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: Option<&[u8]>) -> (String, Option<Vec<u8>>) {
        (name.to_owned(), value.map(<[u8]>::to_vec))
    }

    #[test]
    fn headers_are_written_as_in_the_table() {
        let line = br#"{"headers": {"event-type": ["OrderPlaced"], "n": null, "t": "x",
            "b": {"base64": "/wA="}, "many": ["1", null, {"base64": "/w=="}], "none": []}}"#;
        let record = record(line).expect("an envelope");
        let expected = [
            header("event-type", Some(b"OrderPlaced")),
            header("n", None),
            header("t", Some(b"x")),
            header("b", Some(&[0xff, 0])),
            header("many", Some(b"1")),
            header("many", None),
            header("many", Some(&[0xff])),
        ];
        assert_eq!(record.headers, expected);
        assert_eq!((record.key, record.value), (None, None));
    }

    #[test]
    fn a_name_that_occurs_twice_is_a_repeated_header() {
        let record = record(br#"{"headers": {"h": "1", "h": "2"}}"#).expect("an envelope");
        assert_eq!(record.headers, [header("h", Some(b"1")), header("h", Some(b"2"))]);
    }

    #[test]
    fn what_is_no_header_is_refused_by_its_name() {
        for wrong in ["1", "true", "{}", r#"{"a": 1}"#, r#"{"base64": 1}"#, r#"[["x"]]"#, r#"[1]"#]
        {
            let line = format!(r#"{{"headers": {{"trace": {wrong}}}}}"#);
            let error = record(line.as_bytes()).expect_err("refused");
            assert!(error.contains("header trace is neither"), "{wrong}: {error}");
        }
        let error = record(br#"{"headers": {"trace": {"base64": "%"}}}"#).expect_err("refused");
        assert!(error.contains("header trace: "), "{error}");
        assert!(record(br#"{"headers": ["x"]}"#).is_err());
    }

    #[test]
    fn keys_and_values_may_be_bytes() {
        let record = record(br#"{"key_base64": "/w==", "headers": null, "value_base64": "AAE="}"#);
        let record = record.expect("an envelope");
        assert_eq!(record.key.as_deref(), Some(&[0xff][..]));
        assert_eq!(record.value.as_deref(), Some(&[0, 1][..]));
    }

    #[test]
    fn a_sample_may_be_raw_text_or_have_headers() {
        let value = |text: &str| sample(text.as_bytes()).and_then(|record| record.value);
        assert_eq!(value(r#"{"text": "{\"a\":"}"#).as_deref(), Some(&b"{\"a\":"[..]));
        assert_eq!(
            value(r#"{"headers": {"t": "x"}, "value": {"n": 1.10}}"#).as_deref(),
            Some(&b"{\"n\": 1.10}"[..])
        );
        assert_eq!(value(r#"{"value": {"a": 1}}"#), None, "an event with a field `value`");
        assert_eq!(value(r#"{"text": "x", "id": 1}"#), None, "an event with a field `text`");
    }
}
