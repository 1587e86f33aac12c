//! The arguments and the results of our functions.

use rusqlite::Error;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value, ValueRef};

use crate::local::bigquery::sql::error::QUERY_ERROR;

/// What a function returns; the error is BigQuery's message.
pub type Computed = Result<Value, String>;

pub const FLAGS: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// A function: its name, how many arguments it takes (−1 for any number), and itself.
pub type Function = (&'static str, i32, fn(&[ValueRef<'_>]) -> Computed);

/// The error of a function, which is shown as a mistake in the statement.
pub fn failed(message: String) -> Error {
    Error::UserFunctionError(format!("{QUERY_ERROR}{message}").into())
}

/// The text of an argument; another value has none.
pub fn text_of<'a>(value: &ValueRef<'a>) -> Result<&'a str, String> {
    value.as_str().map_err(|_| "a STRING is expected".to_owned())
}

pub fn int_of(value: &ValueRef<'_>) -> Result<i64, String> {
    value.as_i64().map_err(|_| "an INT64 is expected".to_owned())
}

/// The number of an INT64 or FLOAT64. JSON's lack of NaN and infinities makes them text.
pub fn float_of(value: &ValueRef<'_>) -> Result<f64, String> {
    match value {
        ValueRef::Integer(number) => Ok(*number as f64),
        ValueRef::Real(number) => Ok(*number),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => {
            text_of(value)?.parse().map_err(|_| "a FLOAT64 is expected".to_owned())
        }
    }
}

/// A FLOAT64 in the form in which the store keeps it.
pub fn float_value(number: f64) -> Value {
    if number.is_nan() {
        return Value::Text("NaN".to_owned());
    }
    match number.is_finite() {
        true => Value::Real(number),
        false if number > 0.0 => Value::Text("Infinity".to_owned()),
        false => Value::Text("-Infinity".to_owned()),
    }
}

pub fn bool_value(value: bool) -> Computed {
    Ok(Value::Integer(i64::from(value)))
}
