//! A row's value as the value of a field, as a tag, and as a time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::line;
use crate::row::{FieldError, FieldValue, Fields};

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Why a value cannot be written. The text names neither the value nor the column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("the number is not finite")]
    NotFinite,
    #[error("the value is no {0}")]
    NotA(&'static str),
    #[error(
        "a tag cannot have a line break, nor a backslash at its end or before a comma, an equals \
         sign or a space"
    )]
    Tag,
    #[error(transparent)]
    Row(#[from] FieldError),
}

/// Appends the value of a field: text, a float, an integer or a boolean. False if there is nothing to
/// write: no value, or an array without items, which a row does not tell from none.
pub fn field(value: FieldValue<'_>, to: &mut Vec<u8>) -> Result<bool, ValueError> {
    match value {
        FieldValue::Null => return Ok(false),
        FieldValue::Array(items) if items.is_empty() => return Ok(false),
        FieldValue::Int64(value) => line::integer(value, to),
        FieldValue::Float64(value) => line::float(finite(value)?, to),
        FieldValue::Numeric(text) | FieldValue::BigNumeric(text) => {
            let value = text.parse().map_err(|_| ValueError::NotA("number"))?;
            line::float(finite(value)?, to);
        }
        FieldValue::Bool(value) => to.extend_from_slice(if value { b"true" } else { b"false" }),
        FieldValue::Bytes(bytes) => line::string(&STANDARD.encode(bytes), to),
        FieldValue::Timestamp(_) | FieldValue::Date(_) => line::string(&time_text(value)?, to),
        FieldValue::String(text)
        | FieldValue::Datetime(text)
        | FieldValue::Time(text)
        | FieldValue::Json(text) => line::string(text, to),
        FieldValue::Record(_) | FieldValue::Array(_) => {
            let mut text = String::new();
            json(value, &mut text)?;
            line::string(&text, to);
        }
    }
    Ok(true)
}

/// Appends the value of a tag. False if there is nothing to write: no value, or an empty text, which
/// no tag can have.
pub fn tag(value: FieldValue<'_>, to: &mut Vec<u8>) -> Result<bool, ValueError> {
    let written = match value {
        FieldValue::Null | FieldValue::String("") => return Ok(false),
        FieldValue::Int64(value) => {
            line::number(value, to);
            Ok(())
        }
        FieldValue::Bool(value) => line::tag_value(if value { "true" } else { "false" }, to),
        FieldValue::Timestamp(_) | FieldValue::Date(_) => line::tag_value(&time_text(value)?, to),
        FieldValue::String(text)
        | FieldValue::Datetime(text)
        | FieldValue::Time(text)
        | FieldValue::Numeric(text)
        | FieldValue::BigNumeric(text) => line::tag_value(text, to),
        // The layout has no such tags.
        FieldValue::Float64(_)
        | FieldValue::Bytes(_)
        | FieldValue::Json(_)
        | FieldValue::Record(_)
        | FieldValue::Array(_) => return Err(ValueError::NotA("tag")),
    };
    written.map_err(|line::Unwritable| ValueError::Tag)?;
    Ok(true)
}

/// A time in microseconds since 1970-01-01 UTC; `None` if there is no value.
pub fn micros(value: FieldValue<'_>) -> Result<Option<i64>, ValueError> {
    let not_a = |_| ValueError::NotA("time");
    match value {
        FieldValue::Null => Ok(None),
        FieldValue::Timestamp(micros) => Ok(Some(micros)),
        FieldValue::Date(days) => Ok(Some(i64::from(days) * SECONDS_PER_DAY * MICROS_PER_SECOND)),
        FieldValue::Datetime(text) => {
            let at: DateTime = text.parse().map_err(not_a)?;
            let at = Offset::UTC.to_timestamp(at).map_err(not_a)?;
            Ok(Some(at.as_microsecond()))
        }
        _ => Err(ValueError::NotA("time")),
    }
}

fn finite(value: f64) -> Result<f64, ValueError> {
    if value.is_finite() { Ok(value) } else { Err(ValueError::NotFinite) }
}

/// A timestamp or date as RFC 3339 has it: `2026-11-21T10:00:00.5Z`, `2026-11-21`.
fn time_text(value: FieldValue<'_>) -> Result<String, ValueError> {
    let not_a = |_| ValueError::NotA("time");
    match value {
        FieldValue::Timestamp(micros) => {
            Ok(Timestamp::from_microsecond(micros).map_err(not_a)?.to_string())
        }
        FieldValue::Date(days) => {
            let at = Timestamp::from_second(i64::from(days) * SECONDS_PER_DAY).map_err(not_a)?;
            Ok(Offset::UTC.to_datetime(at).date().to_string())
        }
        _ => Err(ValueError::NotA("time")),
    }
}

/// Appends a value as JSON. Of a record only the fields that have a value are written.
fn json(value: FieldValue<'_>, to: &mut String) -> Result<(), ValueError> {
    use std::fmt::Write;
    match value {
        FieldValue::Null => to.push_str("null"),
        FieldValue::Int64(value) => _ = write!(to, "{value}"),
        FieldValue::Float64(value) => _ = write!(to, "{:?}", finite(value)?),
        FieldValue::Bool(value) => _ = write!(to, "{value}"),
        FieldValue::Numeric(text) | FieldValue::BigNumeric(text) | FieldValue::Json(text) => {
            to.push_str(text);
        }
        FieldValue::Bytes(bytes) => text(&STANDARD.encode(bytes), to),
        FieldValue::Timestamp(_) | FieldValue::Date(_) => text(&time_text(value)?, to),
        FieldValue::String(value) | FieldValue::Datetime(value) | FieldValue::Time(value) => {
            text(value, to);
        }
        FieldValue::Record(fields) => record(fields, to)?,
        FieldValue::Array(items) => {
            to.push('[');
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                json(item?, to)?;
            }
            to.push(']');
        }
    }
    Ok(())
}

fn record(fields: Fields<'_>, to: &mut String) -> Result<(), ValueError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    let mut separator = '{';
    for (column, value) in fields.columns().iter().zip(values) {
        if matches!(value, FieldValue::Null)
            || matches!(value, FieldValue::Array(items) if items.is_empty())
        {
            continue;
        }
        to.push(separator);
        separator = ',';
        text(&column.name, to);
        to.push(':');
        json(value, to)?;
    }
    if separator == '{' {
        to.push('{');
    }
    to.push('}');
    Ok(())
}

fn text(value: &str, to: &mut String) {
    to.push_str(&serde_json::Value::from(value).to_string());
}
