//! Values: from the wire to what the store keeps, with BigQuery's checks; from the store to REST.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::columns::{Column, Kind, Mode};

/// A scalar as protobuf carries it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Int(i64),
    Unsigned(u64),
    Double(f64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
}

/// Converts a scalar to the JSON form in which the store keeps a column of this kind: TIMESTAMP
/// `2026-11-21T10:00:00.000000Z`, DATE `2026-11-21`, BYTES base64, NUMERIC its digits as text, JSON
/// the value itself.
pub fn convert(scalar: Scalar, kind: Kind) -> Result<Value, String> {
    use Scalar as S;
    let unfit = |scalar: &Scalar| Err(format!("cannot convert {} to {kind:?}", name(scalar)));
    match (kind, scalar) {
        (Kind::String | Kind::Geography, S::Text(text)) => Ok(Value::String(text)),
        (Kind::String, S::Int(number)) => Ok(Value::String(number.to_string())),
        (Kind::Bytes, S::Bytes(bytes)) => Ok(Value::String(STANDARD.encode(bytes))),
        (Kind::Bytes, S::Text(text)) => Ok(Value::String(STANDARD.encode(text))),
        (Kind::Integer, S::Int(number)) => Ok(json!(number)),
        (Kind::Integer, S::Unsigned(number)) => i64::try_from(number)
            .map(|number| json!(number))
            .map_err(|_| "integer out of range".to_owned()),
        (Kind::Integer, S::Bool(value)) => Ok(json!(i64::from(value))),
        (Kind::Float, S::Double(number)) => Ok(float(number)),
        (Kind::Float, S::Int(number)) => Ok(float(number as f64)),
        (Kind::Boolean, S::Bool(value)) => Ok(json!(value)),
        (Kind::Boolean, S::Int(number)) => Ok(json!(number != 0)),
        (Kind::Timestamp, S::Int(micros)) => timestamp(micros),
        (Kind::Timestamp, S::Text(text)) => {
            let parsed: jiff::Timestamp =
                text.parse().map_err(|error| format!("Invalid TIMESTAMP value: {error}"))?;
            timestamp(parsed.as_microsecond())
        }
        (Kind::Date, S::Int(days)) => {
            let days = i32::try_from(days).map_err(|_| "DATE out of range".to_owned())?;
            let date = civil::date(1970, 1, 1)
                .checked_add(
                    jiff::Span::new().try_days(days).map_err(|_| "DATE out of range".to_owned())?,
                )
                .map_err(|_| "DATE out of range".to_owned())?;
            if date.year() < 1 {
                Err("DATE out of range".to_owned())
            } else {
                Ok(json!(date.to_string()))
            }
        }
        (Kind::Date, S::Text(text)) => parsed::<civil::Date>(&text, "DATE"),
        (Kind::Datetime, S::Text(text)) => {
            parsed::<civil::DateTime>(&text.replacen(' ', "T", 1), "DATETIME")
        }
        (Kind::Time, S::Text(text)) => parsed::<civil::Time>(&text, "TIME"),
        (Kind::Numeric, S::Text(text)) => decimal(&text, 29, 9, "NUMERIC"),
        (Kind::BigNumeric, S::Text(text)) => decimal(&text, 39, 38, "BIGNUMERIC"),
        (Kind::Numeric, S::Int(number)) => decimal(&number.to_string(), 29, 9, "NUMERIC"),
        (Kind::Numeric, S::Double(number)) => decimal(&number.to_string(), 29, 9, "NUMERIC"),
        (Kind::BigNumeric, S::Int(number)) => decimal(&number.to_string(), 39, 38, "BIGNUMERIC"),
        (Kind::Numeric, S::Bytes(bytes)) => numeric_bytes(&bytes),
        (Kind::Json, S::Text(text)) => {
            serde_json::from_str(&text).map_err(|error| format!("Invalid JSON: {error}"))
        }
        (_, scalar) => unfit(&scalar),
    }
}

fn name(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Int(_) => "an integer",
        Scalar::Unsigned(_) => "an unsigned integer",
        Scalar::Double(_) => "a double",
        Scalar::Bool(_) => "a bool",
        Scalar::Text(_) => "a string",
        Scalar::Bytes(_) => "bytes",
    }
}

fn float(number: f64) -> Value {
    // JSON has no infinities and no NaN; REST writes them as text, and so does the store.
    serde_json::Number::from_f64(number).map_or_else(|| json!(number.to_string()), Value::Number)
}

/// 0001-01-01 to 9999-12-31, in microseconds.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

fn timestamp(micros: i64) -> Result<Value, String> {
    if !TIMESTAMPS.contains(&micros) {
        return Err(format!("TIMESTAMP value {micros} is out of range"));
    }
    let instant = jiff::Timestamp::from_microsecond(micros).map_err(|error| error.to_string())?;
    let civil = instant.to_zoned(TimeZone::UTC).datetime();
    Ok(json!(format!("{}Z", civil.strftime("%Y-%m-%dT%H:%M:%S.%6f"))))
}

fn parsed<T: std::str::FromStr + ToString>(text: &str, what: &str) -> Result<Value, String> {
    text.parse::<T>()
        .map(|value| json!(value.to_string()))
        .map_err(|_| format!("Invalid {what} value"))
}

/// Decimal digits within BigQuery's precision, in plain notation.
fn decimal(text: &str, whole: usize, fraction: usize, what: &str) -> Result<Value, String> {
    let wrong = || format!("Invalid {what} value");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (unsigned, 0),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (before.is_empty() && after.is_empty()) || !all_digits(before) || !all_digits(after) {
        return Err(wrong());
    }
    let before_len = before.trim_start_matches('0').len() as i32 + exponent;
    let after_len = after.trim_end_matches('0').len() as i32 - exponent;
    if before_len > whole as i32 || after_len > fraction as i32 {
        return Err(format!("{what} out of range"));
    }
    Ok(json!(text))
}

/// NUMERIC as BigQuery's byte form: little-endian two's complement, scaled by 10^9.
fn numeric_bytes(bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() || bytes.len() > 16 {
        return Err("Invalid NUMERIC value".to_owned());
    }
    let fill = if bytes[bytes.len() - 1] & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    let scaled = i128::from_le_bytes(wide);
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, rest) =
        (scaled.unsigned_abs() / 1_000_000_000, scaled.unsigned_abs() % 1_000_000_000);
    let text = format!("{sign}{whole}.{rest:09}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    decimal(text, 29, 9, "NUMERIC")
}

/// A stored value in the form of `tabledata.list`: everything text, records as `f`/`v`.
pub fn rest_value(value: &Value, column: &Column, int64_timestamps: bool) -> Value {
    if column.mode == Mode::Repeated {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        return items
            .iter()
            .map(|item| json!({ "v": rest_single(item, column, int64_timestamps) }))
            .collect();
    }
    rest_single(value, column, int64_timestamps)
}

fn rest_single(value: &Value, column: &Column, int64_timestamps: bool) -> Value {
    match (column.kind, value) {
        (_, Value::Null) => Value::Null,
        (Kind::Record, Value::Object(object)) => {
            let cells: Vec<Value> = column
                .fields
                .iter()
                .map(|field| {
                    let value = object.get(&field.name).unwrap_or(&Value::Null);
                    json!({ "v": rest_value(value, field, int64_timestamps) })
                })
                .collect();
            json!({ "f": cells })
        }
        (Kind::Json, value) => json!(value.to_string()),
        (Kind::Timestamp, Value::String(text)) => {
            let micros = text.parse::<jiff::Timestamp>().map_or(0, |at| at.as_microsecond());
            if int64_timestamps {
                json!(micros.to_string())
            } else {
                json!(format!(
                    "{}.{:06}E0",
                    micros.div_euclid(1_000_000),
                    micros.rem_euclid(1_000_000)
                ))
            }
        }
        (_, Value::String(text)) => json!(text),
        (_, other) => json!(other.to_string()),
    }
}
