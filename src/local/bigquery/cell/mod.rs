//! Converts values from the wire or from JSON to the form in which the store keeps them, with
//! BigQuery's checks.

mod civil;
mod decimal;
mod listed;
mod size;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::field_schema::FieldType;
use crate::row::Cell;
pub use listed::listed;
pub use size::logical_bytes;

/// A scalar value as it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    Int(i64),
    Unsigned(u64),
    Double(f64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Converts a scalar to the value that the store keeps for a column of this type: TIMESTAMP
/// `2026-11-21T10:00:00.000000Z`, DATE `2026-11-21`, DATETIME `2026-11-21T10:00:00.000000`, TIME
/// `10:00:00.000000`, BYTES base64, NUMERIC its digits as text, JSON its text as it came.
pub fn convert(scalar: Scalar<'_>, kind: FieldType) -> Result<Cell, String> {
    match (kind, scalar) {
        (FieldType::Json, Scalar::Text(text)) => json_text(text),
        (kind, scalar) => other_than_json(scalar, kind).map(Cell::Scalar),
    }
}

/// Checks JSON text. Its value is dropped: 64 bits do not hold every number.
fn json_text(text: &str) -> Result<Cell, String> {
    serde_json::from_str::<Value>(text)
        .and_then(|_| Cell::json(text))
        .map_err(|error| format!("Invalid JSON: {error}"))
}

fn other_than_json(scalar: Scalar<'_>, kind: FieldType) -> Result<Value, String> {
    use Scalar as S;
    match (kind, scalar) {
        (FieldType::String | FieldType::Geography, S::Text(text)) => Ok(json!(text)),
        (FieldType::Bytes, S::Bytes(bytes)) => Ok(json!(STANDARD.encode(bytes))),
        (FieldType::Bytes, S::Text(text)) => Ok(json!(STANDARD.encode(text))),
        (FieldType::Integer, S::Int(number)) => Ok(json!(number)),
        (FieldType::Integer, S::Unsigned(number)) => i64::try_from(number)
            .map(|number| json!(number))
            .map_err(|_| format!("{number} is out of range of INT64")),
        (FieldType::Float, S::Double(number)) => Ok(float(number)),
        (FieldType::Boolean, S::Bool(value)) => Ok(json!(value)),
        (FieldType::Boolean, S::Int(number)) => Ok(json!(number != 0)),
        (FieldType::Boolean, S::Unsigned(number)) => Ok(json!(number != 0)),
        (FieldType::Timestamp, S::Int(micros)) => civil::timestamp(micros),
        (FieldType::Timestamp, S::Unsigned(micros)) => {
            civil::timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
        }
        (FieldType::Timestamp, S::Text(text)) => civil::timestamp_from_text(text),
        (FieldType::Date, S::Int(days)) => civil::date(days),
        (FieldType::Date, S::Text(text)) => civil::date_from_text(text),
        (FieldType::Datetime, S::Text(text)) => civil::datetime_from_text(text),
        (FieldType::Datetime, S::Int(packed)) => civil::datetime_from_packed(packed),
        (FieldType::Time, S::Text(text)) => civil::time_from_text(text),
        (FieldType::Time, S::Int(packed)) => civil::time_from_packed(packed),
        (FieldType::Numeric | FieldType::BigNumeric, S::Text(text)) => {
            decimal::from_text(text, kind)
        }
        (FieldType::Numeric | FieldType::BigNumeric, S::Bytes(bytes)) => {
            decimal::from_bytes(bytes, kind)
        }
        (FieldType::Numeric | FieldType::BigNumeric, S::Int(number)) => {
            decimal::from_text(&number.to_string(), kind)
        }
        (FieldType::Numeric | FieldType::BigNumeric, S::Unsigned(number)) => {
            decimal::from_text(&number.to_string(), kind)
        }
        (FieldType::Numeric | FieldType::BigNumeric, S::Double(number)) => {
            decimal::from_float(number, kind)
        }
        (kind, scalar) => {
            Err(format!("Cannot convert {} to {}", scalar.description(), kind.name()))
        }
    }
}

impl Scalar<'_> {
    fn description(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Unsigned(_) => "an unsigned integer",
            Self::Double(_) => "a floating point number",
            Self::Bool(_) => "a boolean",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A float in JSON. JSON has no infinities and no NaN, so they become text, as in BigQuery's REST API.
fn float(number: f64) -> Value {
    match serde_json::Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => json!("NaN"),
        None if number > 0.0 => json!("Infinity"),
        None => json!("-Infinity"),
    }
}

/// Checks base64, in which REST sends BYTES.
pub fn bytes_from_base64(text: &str) -> Result<Cell, String> {
    match STANDARD.decode(text) {
        Ok(_) => Ok(Cell::from(text)),
        Err(_) => Err("Could not decode base64 string to bytes.".to_owned()),
    }
}

#[cfg(test)]
mod tests;
