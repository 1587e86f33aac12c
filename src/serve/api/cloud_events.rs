//! CloudEvents 1.0 over HTTP, and their attributes as headers of a Kafka record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::incoming::{Headers, Incoming};
use super::refusal::{INVALID_CLOUDEVENT, Refusal};
use crate::record::Reason;

/// The attributes that every CloudEvent has, in the order of their headers.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// The other attributes of the specification. All of them are texts.
const OPTIONAL: [&str; 4] = ["datacontenttype", "dataschema", "subject", "time"];

/// Bytes of an attribute's name. The specification wants 20 or fewer.
const LONGEST_NAME: usize = 64;

/// The event whose data is the body, with its attributes in `ce-…` headers.
pub(super) fn binary<'b>(headers: &HeaderMap, body: &'b [u8]) -> Incoming<'b> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let Some(text) = decoded(value.as_bytes()) else {
            return refused(format!("the header ce-{name} is not UTF-8"));
        };
        if attributes.insert(name.to_owned(), text).is_some() {
            return refused(format!("the header ce-{name} is there twice"));
        }
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    event(attributes, content_type, Some(Cow::Borrowed(body.trim_ascii())))
}

/// The event of a JSON object with its attributes and its data.
pub(super) fn structured<'b>(text: &'b [u8]) -> Incoming<'b> {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &'b RawValue>>(text) else {
        return refused("a CloudEvent is a JSON object");
    };
    let mut attributes = BTreeMap::new();
    let mut data = None;
    for (name, raw) in members {
        let raw = raw.get();
        match name.as_str() {
            _ if raw == "null" && name != "data" => {}
            "data" | "data_base64" if data.is_some() => {
                return refused("there are both data and data_base64");
            }
            "data" => data = Some(Cow::Borrowed(raw.as_bytes())),
            "data_base64" => {
                let text = serde_json::from_str::<String>(raw).ok();
                let Some(bytes) = text.and_then(|text| STANDARD.decode(text).ok()) else {
                    return refused("data_base64 is not base64");
                };
                data = Some(Cow::Owned(bytes));
            }
            _ => match attribute(&name, raw) {
                Some(value) => drop(attributes.insert(name, value)),
                None => {
                    return refused(
                        "an attribute is no text, or an extension is no text, whole number, true or false",
                    );
                }
            },
        }
    }
    let content_type = attributes.remove("datacontenttype");
    event(attributes, content_type.as_deref(), data)
}

/// An attribute's value in its canonical form as text.
fn attribute(name: &str, raw: &str) -> Option<String> {
    let is_text = REQUIRED.contains(&name) || OPTIONAL.contains(&name);
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        _ if is_text => None,
        b't' | b'f' => Some(raw.to_owned()),
        _ => raw.parse::<i32>().ok().map(|number| number.to_string()),
    }
}

fn event<'b>(
    mut attributes: BTreeMap<String, String>,
    content_type: Option<&str>,
    data: Option<Cow<'b, [u8]>>,
) -> Incoming<'b> {
    let mut headers: Headers = Vec::with_capacity(attributes.len() + 1);
    for name in REQUIRED {
        match attributes.remove(name).filter(|value| !value.is_empty()) {
            None => return refused(format!("the attribute {name} is missing or empty")),
            Some(version) if name == "specversion" && version != "1.0" => {
                return refused("specversion is not 1.0");
            }
            Some(value) => headers.push((format!("ce_{name}"), Some(value.into_bytes()))),
        }
    }
    if let Some(name) = attributes.keys().find(|name| !is_name(name)) {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        return refused(format!(
            "{shown:?} is not the name of an attribute: lower-case letters and digits"
        ));
    }
    let key = attributes.get("partitionkey").map(|key| key.clone().into_bytes());
    let others = attributes.into_iter();
    headers.extend(others.map(|(name, value)| (format!("ce_{name}"), Some(value.into_bytes()))));
    let content_type = content_type.unwrap_or("application/json");
    headers.push(("content-type".to_owned(), Some(content_type.as_bytes().to_vec())));
    let value = match data {
        Some(data) if !data.is_empty() => Ok(data),
        _ => Err(Refusal::new(Reason::Empty.code(), "the event has no data")),
    };
    Incoming { value, headers, key }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn refused<'b>(why: impl Into<String>) -> Incoming<'b> {
    let value = Err(Refusal::new(INVALID_CLOUDEVENT, why));
    Incoming { value, headers: Headers::new(), key: None }
}

/// The text of a header: without quotes around it, and with its percent-encoding resolved.
fn decoded(value: &[u8]) -> Option<String> {
    let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let mut rest = quoted.unwrap_or(value);
    let mut text = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [next, after @ ..]) if quoted.is_some() => {
                text.push(*next);
                rest = after;
            }
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    text.push(high << 4 | low);
                    rest = after;
                }
                _ => text.push(*first),
            },
            _ => text.push(*first),
        }
    }
    String::from_utf8(text).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
