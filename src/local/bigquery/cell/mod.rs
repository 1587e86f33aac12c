//! Values: from the wire or from JSON to what the store keeps, with BigQuery's checks.

mod civil;
mod decimal;
mod shown;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::columns::Kind;
pub use civil::Days;
pub use shown::shown;

/// A scalar as it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    Int(i64),
    Unsigned(u64),
    Double(f64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Converts a scalar to the JSON form in which the store keeps a column of this kind: TIMESTAMP
/// `2026-11-21T10:00:00.000000Z`, DATE `2026-11-21`, DATETIME `2026-11-21T10:00:00.000000`, TIME
/// `10:00:00.000000`, BYTES base64, NUMERIC its digits as text, JSON the value itself.
pub fn convert(scalar: Scalar<'_>, kind: Kind) -> Result<Value, String> {
    use Scalar as S;
    match (kind, scalar) {
        (Kind::String | Kind::Geography, S::Text(text)) => Ok(json!(text)),
        (Kind::Bytes, S::Bytes(bytes)) => Ok(json!(STANDARD.encode(bytes))),
        (Kind::Bytes, S::Text(text)) => Ok(json!(STANDARD.encode(text))),
        (Kind::Integer, S::Int(number)) => Ok(json!(number)),
        (Kind::Integer, S::Unsigned(number)) => i64::try_from(number)
            .map(|number| json!(number))
            .map_err(|_| format!("{number} is out of range of INT64")),
        (Kind::Float, S::Double(number)) => Ok(float(number)),
        (Kind::Boolean, S::Bool(value)) => Ok(json!(value)),
        (Kind::Boolean, S::Int(number)) => Ok(json!(number != 0)),
        (Kind::Boolean, S::Unsigned(number)) => Ok(json!(number != 0)),
        (Kind::Timestamp, S::Int(micros)) => civil::timestamp(micros),
        (Kind::Timestamp, S::Unsigned(micros)) => {
            civil::timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
        }
        (Kind::Timestamp, S::Text(text)) => civil::timestamp_from_text(text),
        (Kind::Date, S::Int(days)) => civil::date(days),
        (Kind::Date, S::Text(text)) => civil::date_from_text(text),
        (Kind::Datetime, S::Text(text)) => civil::datetime_from_text(text),
        (Kind::Datetime, S::Int(packed)) => civil::datetime_from_packed(packed),
        (Kind::Time, S::Text(text)) => civil::time_from_text(text),
        (Kind::Time, S::Int(packed)) => civil::time_from_packed(packed),
        (Kind::Numeric | Kind::BigNumeric, S::Text(text)) => decimal::from_text(text, kind),
        (Kind::Numeric | Kind::BigNumeric, S::Bytes(bytes)) => decimal::from_bytes(bytes, kind),
        (Kind::Numeric | Kind::BigNumeric, S::Int(number)) => {
            decimal::from_text(&number.to_string(), kind)
        }
        (Kind::Numeric | Kind::BigNumeric, S::Unsigned(number)) => {
            decimal::from_text(&number.to_string(), kind)
        }
        (Kind::Numeric | Kind::BigNumeric, S::Double(number)) => decimal::from_float(number, kind),
        (Kind::Json, S::Text(text)) => {
            serde_json::from_str(text).map_err(|error| format!("Invalid JSON: {error}"))
        }
        (kind, scalar) => Err(format!("Cannot convert {} to {}", scalar.what(), kind.name())),
    }
}

impl Scalar<'_> {
    fn what(&self) -> &'static str {
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

/// JSON has no infinities and no NaN; BigQuery's REST writes them as text, and so does the store.
fn float(number: f64) -> Value {
    match serde_json::Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => json!("NaN"),
        None if number > 0.0 => json!("Infinity"),
        None => json!("-Infinity"),
    }
}

/// Base64 as REST takes BYTES.
pub fn bytes_from_base64(text: &str) -> Result<Value, String> {
    match STANDARD.decode(text) {
        Ok(_) => Ok(json!(text)),
        Err(_) => Err("Could not decode base64 string to bytes.".to_owned()),
    }
}

#[cfg(test)]
mod tests;
