//! Stored values in the form of `tabledata.list`: everything text, records as `f`/`v`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::columns::{Column, Kind, Mode};

/// A column's value, `None` for NULL. Timestamps are microseconds if `int64_timestamps`, otherwise
/// seconds in scientific notation.
pub fn shown(value: Option<&Value>, column: &Column, int64_timestamps: bool) -> Value {
    if column.mode != Mode::Repeated {
        return value.map_or(Value::Null, |value| single(value, column, int64_timestamps));
    }
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| json!({ "v": single(item, column, int64_timestamps) })).collect()
}

fn single(value: &Value, column: &Column, int64_timestamps: bool) -> Value {
    match (column.kind, value) {
        (Kind::Record, Value::Object(object)) => {
            let cell = |field: &Column| json!({ "v": shown(object.get(&field.name), field, int64_timestamps) });
            json!({ "f": column.fields.iter().map(cell).collect::<Vec<_>>() })
        }
        (Kind::Json, value) => json!(value.to_string()),
        (Kind::Timestamp, Value::String(text)) => {
            let micros = text.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond);
            if int64_timestamps {
                json!(micros.to_string())
            } else {
                json!(format!("{:E}", micros as f64 / 1e6))
            }
        }
        (_, Value::String(text)) => json!(text),
        (_, other) => json!(other.to_string()),
    }
}
