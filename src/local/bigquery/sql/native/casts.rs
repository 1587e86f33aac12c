//! CAST between all types that convert to each other.

use rusqlite::types::{Value, ValueRef};

use super::decimal;
use super::values::{Computed, Function, float_of, float_value, int_of, text_of};
use crate::local::bigquery::cell::{Scalar, convert};
use crate::local::bigquery::field_schema::FieldType;

pub const ALL: &[Function] = &[("bq_cast", 4, cast)];

/// `bq_cast(value, from, to, safe)`; a safe cast gives NULL where the other fails.
fn cast(arguments: &[ValueRef<'_>]) -> Computed {
    let types =
        [&arguments[1], &arguments[2]].map(|name| text_of(name).ok().and_then(FieldType::parse));
    let [Some(from), Some(to)] = types else { return Err("unknown types of CAST".to_owned()) };
    match converted(&arguments[0], from, to) {
        Err(_) if int_of(&arguments[3])? == 1 => Ok(Value::Null),
        done => done,
    }
}

fn converted(value: &ValueRef<'_>, from: FieldType, to: FieldType) -> Computed {
    use FieldType as F;
    match (from, to) {
        (F::Integer, F::Float) => Ok(float_value(float_of(value)?)),
        (F::Integer, F::Boolean) => Ok(Value::Integer(i64::from(int_of(value)? != 0))),
        (F::Boolean, F::Integer) => Ok(Value::Integer(int_of(value)?)),
        (F::Float, F::Integer) => {
            let number = float_of(value)?.round();
            let fits =
                (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
            match fits {
                true => Ok(Value::Integer(number as i64)),
                false => Err(format!("Illegal conversion of value {number} to INT64")),
            }
        }
        (F::Float, F::Numeric | F::BigNumeric) => stored(Scalar::Double(float_of(value)?), to),
        (F::Integer, F::Numeric | F::BigNumeric) => stored(Scalar::Int(int_of(value)?), to),
        (F::Numeric | F::BigNumeric, F::Integer) => {
            let number = text_of(value)?;
            let rounded = decimal::parse(number).map(|all| {
                let half = decimal::ONE / 2 * all.signum();
                (all + half) / decimal::ONE
            });
            let rounded = rounded.ok().and_then(|number| i64::try_from(number).ok());
            rounded.map(Value::Integer).ok_or_else(|| format!("int64 out of range: {number}"))
        }
        (F::Numeric | F::BigNumeric, F::Float) => Ok(float_value(float_of(value)?)),
        (F::BigNumeric, F::Numeric) => {
            // More than nine digits after the point are rounded half away from zero.
            let number = text_of(value)?;
            match number.split_once('.').filter(|(_, fraction)| fraction.len() > 9) {
                None => stored(Scalar::Text(number), to),
                Some((whole, fraction)) => {
                    let cut = decimal::parse(&format!("{whole}.{}", &fraction[..9]))?;
                    let up = i128::from(fraction.as_bytes()[9] >= b'5');
                    let up = if number.starts_with('-') { -up } else { up };
                    let shown = decimal::show(cut + up).map(Value::Text);
                    shown.ok_or_else(|| format!("NUMERIC out of range: {number}"))
                }
            }
        }
        (F::Numeric, F::BigNumeric) => Ok(Value::Text(text_of(value)?.to_owned())),
        (F::String, to) => from_text(text_of(value)?, to),
        (F::Bytes, F::String) => bytes_as_text(text_of(value)?),
        (from, F::String) => as_text(value, from).map(Value::Text),
        // Times are kept in one form, of which a type has more or less.
        (_, F::Date) => Ok(Value::Text(text_of(value)?.get(..10).unwrap_or_default().to_owned())),
        (F::Date, F::Timestamp | F::Datetime) => stored(Scalar::Text(text_of(value)?), to),
        (F::Timestamp | F::Datetime, F::Time) => {
            let text = text_of(value)?.get(11..26).unwrap_or_default();
            Ok(Value::Text(text.to_owned()))
        }
        (F::Timestamp, F::Datetime) => {
            Ok(Value::Text(text_of(value)?.trim_end_matches('Z').to_owned()))
        }
        (F::Datetime, F::Timestamp) => Ok(Value::Text(format!("{}Z", text_of(value)?))),
        _ => Err(format!("Invalid cast from {} to {}", from.name(), to.name())),
    }
}

/// A value in the form in which the store keeps it.
pub fn stored(scalar: Scalar<'_>, to: FieldType) -> Computed {
    let cell = convert(scalar, to)?;
    match cell.as_str() {
        Some(text) => Ok(Value::Text(text.to_owned())),
        None => Err(format!("cannot convert to {}", to.name())),
    }
}

fn from_text(text: &str, to: FieldType) -> Computed {
    use FieldType as F;
    let trimmed = text.trim();
    match to {
        F::Integer => {
            let hex = trimmed.strip_prefix("0x").or_else(|| trimmed.strip_prefix("0X"));
            let number = match hex {
                Some(digits) => i64::from_str_radix(digits, 16).ok(),
                None => trimmed.parse().ok(),
            };
            number.map(Value::Integer).ok_or_else(|| format!("Bad int64 value: {text}"))
        }
        F::Float => {
            let number: Result<f64, _> = trimmed.parse();
            number.map(float_value).map_err(|_| format!("Bad double value: {text}"))
        }
        F::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Integer(1)),
            "false" => Ok(Value::Integer(0)),
            _ => Err(format!("Bad bool value: {text}")),
        },
        F::Timestamp => {
            stored(Scalar::Text(text), to).map_err(|_| format!("Invalid timestamp: '{text}'"))
        }
        F::Numeric | F::BigNumeric | F::Date | F::Datetime | F::Time | F::Bytes => {
            stored(Scalar::Text(text), to)
        }
        F::String | F::Geography | F::Json | F::Record => {
            Err(format!("Invalid cast from STRING to {}", to.name()))
        }
    }
}

fn bytes_as_text(base64: &str) -> Computed {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Value::Text).ok_or_else(|| "Invalid UTF-8 in a cast of BYTES to STRING".to_owned())
}

/// A value as CAST gives it as STRING.
pub fn as_text(value: &ValueRef<'_>, from: FieldType) -> Result<String, String> {
    use FieldType as F;
    Ok(match from {
        F::Integer => int_of(value)?.to_string(),
        F::Boolean => (int_of(value)? != 0).to_string(),
        F::Float => float_text(float_of(value)?),
        F::Timestamp => format!("{}+00", shortened(text_of(value)?).replacen('T', " ", 1)),
        F::Datetime => shortened(text_of(value)?).replacen('T', " ", 1),
        F::Time => shortened(text_of(value)?),
        _ => text_of(value)?.to_owned(),
    })
}

/// A FLOAT64 as text: the shortest digits, with an exponent if it is large or small.
pub fn float_text(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}

/// A stored time without its `Z`, and with 0, 3 or 6 digits after the second.
pub fn shortened(stored: &str) -> String {
    let text = stored.trim_end_matches('Z');
    match text.strip_suffix(".000000") {
        Some(whole) => whole.to_owned(),
        None => text.strip_suffix("000").unwrap_or(text).to_owned(),
    }
}
