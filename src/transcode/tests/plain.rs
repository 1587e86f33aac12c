//! A JSON value as a tree, read by serde_json: what the oracle uses instead of the scanner.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Members;
use super::grammar::is_json;
use crate::record::Reason;
use crate::transcode::scan::MAX_DEPTH;

/// Numbers are kept as written. Of duplicate keys only the last is kept, at its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

impl Plain {
    /// Reads one JSON text, or returns what is wrong with it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::NotUtf8)?;
        if let Err(error) = serde_json::from_str::<Value>(text) {
            if error.to_string().starts_with("recursion limit exceeded") {
                return Err(Reason::TooDeep);
            }
            // serde_json also refuses numbers beyond f64, which are valid JSON.
            if !is_json(text) {
                return Err(Reason::InvalidJson);
            }
        }
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| Reason::InvalidJson)?;
        Self::of(raw.get(), 0)
    }

    fn of(raw: &str, depth: usize) -> Result<Self, Reason> {
        Ok(match raw.as_bytes()[0] {
            b'n' => Self::Null,
            b't' | b'f' => Self::Bool(raw == "true"),
            b'"' => Self::String(serde_json::from_str(raw).map_err(|_| Reason::InvalidJson)?),
            b'[' | b'{' if depth == MAX_DEPTH => return Err(Reason::TooDeep),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap();
                let items = items.iter().map(|item| Self::of(item.get(), depth + 1));
                Self::Array(items.collect::<Result<_, _>>()?)
            }
            b'{' => {
                let all: Members = serde_json::from_str(raw).unwrap();
                let mut members: Vec<(String, Plain)> = Vec::new();
                for (key, value) in all.0 {
                    let value = Self::of(value.get(), depth + 1)?;
                    members.retain(|(earlier, _)| *earlier != key);
                    members.push((key, value));
                }
                Self::Object(members)
            }
            _ => Self::Number(raw.to_owned()),
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Plain> {
        match self {
            Self::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Whether FLOAT64 can hold every number in it.
    pub(super) fn is_float64(&self) -> bool {
        match self {
            Self::Number(text) => text.parse::<f64>().unwrap().is_finite(),
            Self::Array(items) => items.iter().all(Self::is_float64),
            Self::Object(members) => members.iter().all(|(_, value)| value.is_float64()),
            Self::Null | Self::Bool(_) | Self::String(_) => true,
        }
    }

    /// Whether every number in it is short enough for a double to hold it exactly.
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Self::Number(text) => text.len() <= 15 && !text.contains(['e', 'E']),
            Self::Array(items) => items.iter().all(Self::is_exact),
            Self::Object(members) => members.iter().all(|(_, value)| value.is_exact()),
            Self::Null | Self::Bool(_) | Self::String(_) => true,
        }
    }

    /// The same value as serde_json's type, with numbers as serde_json reads them.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(text) => serde_json::from_str(text).unwrap(),
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(k, v)| (k.clone(), v.value())).collect())
            }
        }
    }
}
