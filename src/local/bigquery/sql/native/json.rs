//! Values as JSON text, and values in JSON text. A NULL argument is a value here.

use std::collections::HashMap;

use rusqlite::types::{Value, ValueRef};
use serde_json::json;
use serde_json::value::RawValue;

use super::casts::{float_text, shortened};
use super::values::{Computed, Function, float_of, int_of, text_of};

pub const ALL: &[Function] = &[
    ("bq_json", 2, |given| Ok(Value::Text(json_of(text_of(&given[0])?, &given[1])?))),
    ("bq_row_json", -1, row),
    ("bq_json_value", -1, json_value),
    ("bq_field", 2, field),
    ("bq_array", -1, array),
    ("bq_struct", -1, structure),
];

/// The largest INT64 that every reader of JSON can hold.
const MOST_EXACT: i64 = 1 << 53;

/// A value of the type `kind` as TO_JSON_STRING gives it.
fn json_of(kind: &str, value: &ValueRef<'_>) -> Result<String, String> {
    if matches!(value, ValueRef::Null) {
        return Ok("null".to_owned());
    }
    Ok(match kind {
        "INT64" => match int_of(value)? {
            number if (-MOST_EXACT..=MOST_EXACT).contains(&number) => number.to_string(),
            number => format!("\"{number}\""),
        },
        "FLOAT64" => match float_of(value)? {
            number if number.is_finite() => float_text(number),
            number if number.is_nan() => "\"NaN\"".to_owned(),
            number => format!("\"{}Infinity\"", if number < 0.0 { "-" } else { "" }),
        },
        "BOOL" => (int_of(value)? != 0).to_string(),
        "NUMERIC" | "BIGNUMERIC" => {
            let digits = text_of(value)?;
            let exact = digits.parse::<f64>().is_ok_and(|number| number.to_string() == digits);
            if exact { digits.to_owned() } else { format!("\"{digits}\"") }
        }
        "TIMESTAMP" => format!("\"{}Z\"", shortened(text_of(value)?)),
        "DATETIME" | "TIME" => format!("\"{}\"", shortened(text_of(value)?)),
        "JSON" => text_of(value)?.to_owned(),
        _ => json!(text_of(value)?).to_string(),
    })
}

/// `bq_row_json(name, type, value, …)`
fn row(given: &[ValueRef<'_>]) -> Computed {
    let mut members = Vec::new();
    for column in given.chunks_exact(3) {
        let value = json_of(text_of(&column[1])?, &column[2])?;
        members.push(format!("{}:{value}", json!(text_of(&column[0])?)));
    }
    Ok(Value::Text(format!("{{{}}}", members.join(","))))
}

/// A value of the type `kind` as the store keeps it inside of a RECORD or an array.
fn nested(kind: &str, value: &ValueRef<'_>) -> Result<String, String> {
    Ok(match (kind, value) {
        ("BOOL", value) => (int_of(value)? != 0).to_string(),
        (_, ValueRef::Integer(number)) if kind != "FLOAT64" => number.to_string(),
        (_, ValueRef::Integer(number)) => json!(*number as f64).to_string(),
        (_, ValueRef::Real(number)) => json!(number).to_string(),
        ("JSON", value) => text_of(value)?.to_owned(),
        (_, value) => json!(text_of(value)?).to_string(),
    })
}

/// `bq_array(type, item, …)`
fn array(given: &[ValueRef<'_>]) -> Computed {
    let kind = text_of(&given[0])?;
    if given.iter().any(|item| matches!(item, ValueRef::Null)) {
        return Err("Array cannot have a null element".to_owned());
    }
    let items = given[1..].iter().map(|item| nested(kind, item));
    Ok(Value::Text(format!("[{}]", items.collect::<Result<Vec<_>, _>>()?.join(","))))
}

/// `bq_struct(name, type, value, …)`; the store leaves out fields that are NULL.
fn structure(given: &[ValueRef<'_>]) -> Computed {
    let mut members = Vec::new();
    for field in given.chunks_exact(3).filter(|field| !matches!(field[2], ValueRef::Null)) {
        let value = nested(text_of(&field[1])?, &field[2])?;
        members.push(format!("{}:{value}", json!(text_of(&field[0])?)));
    }
    Ok(Value::Text(format!("{{{}}}", members.join(","))))
}

/// `bq_json_value(json[, path])`: a scalar as STRING; NULL if there is none.
fn json_value(given: &[ValueRef<'_>]) -> Computed {
    if given.iter().any(|argument| matches!(argument, ValueRef::Null)) {
        return Ok(Value::Null);
    }
    let path = given.get(1).map_or(Ok("$"), text_of)?;
    let steps = steps(path)?;
    let Ok(mut at) = serde_json::from_str::<&RawValue>(text_of(&given[0])?) else {
        return Ok(Value::Null);
    };
    for step in steps {
        let next = match step {
            Step::Name(name) => serde_json::from_str::<HashMap<String, &RawValue>>(at.get())
                .ok()
                .and_then(|members| members.get(name).copied()),
            Step::Index(index) => serde_json::from_str::<Vec<&RawValue>>(at.get())
                .ok()
                .and_then(|items| items.get(index).copied()),
        };
        match next {
            Some(next) => at = next,
            None => return Ok(Value::Null),
        }
    }
    let text = at.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_or(Value::Null, Value::Text),
        Some(b'{' | b'[' | b'n') | None => Value::Null,
        Some(_) => Value::Text(text.to_owned()),
    })
}

enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

/// The steps of a path such as `$.a.b[0]`.
fn steps(path: &str) -> Result<Vec<Step<'_>>, String> {
    let wrong = || format!("Invalid token in JSONPath at: {path}");
    let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or_else(wrong)?;
            steps.push(Step::Index(index.parse().map_err(|_| wrong())?));
            rest = after;
            continue;
        }
        let after = rest.strip_prefix('.').ok_or_else(wrong)?;
        let end = after.find(['.', '[']).unwrap_or(after.len());
        let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        let name = &after[..end];
        if name.is_empty() || !name.chars().all(fits) {
            return Err(wrong());
        }
        steps.push(Step::Name(name));
        rest = &after[end..];
    }
    Ok(steps)
}

/// `bq_field(record, name)`: a field of a stored RECORD, in the form of a column of its own.
fn field(given: &[ValueRef<'_>]) -> Computed {
    if matches!(given[0], ValueRef::Null) {
        return Ok(Value::Null);
    }
    let members = serde_json::from_str::<HashMap<String, &RawValue>>(text_of(&given[0])?)
        .map_err(|error| format!("a RECORD cannot be read: {error}"))?;
    let Some(value) = members.get(text_of(&given[1])?) else { return Ok(Value::Null) };
    let text = value.get();
    Ok(match text {
        "null" => Value::Null,
        "true" => Value::Integer(1),
        "false" => Value::Integer(0),
        _ => match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map_or(Value::Null, Value::Text),
            Some(b'{' | b'[') | None => Value::Text(text.to_owned()),
            Some(_) => match text.parse::<i64>() {
                Ok(number) => Value::Integer(number),
                Err(_) => text.parse().map_or(Value::Null, Value::Real),
            },
        },
    })
}
