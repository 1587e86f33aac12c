//! Stored values in the form of `tabledata.list`: scalars as text, records as `f` and `v`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::field_schema::{FieldMode, FieldSchema, FieldType};

/// A column's value in the form of `tabledata.list`; `None` is NULL. Timestamps are microseconds if
/// `int64_timestamps` is set, otherwise seconds in scientific notation.
pub fn listed(value: Option<&Value>, column: &FieldSchema, int64_timestamps: bool) -> Value {
    if column.mode != FieldMode::Repeated {
        return value.map_or(Value::Null, |value| single(value, column, int64_timestamps));
    }
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| json!({ "v": single(item, column, int64_timestamps) })).collect()
}

fn single(value: &Value, column: &FieldSchema, int64_timestamps: bool) -> Value {
    match (column.kind, value) {
        (FieldType::Record, Value::Object(object)) => {
            let cell = |field: &FieldSchema| json!({ "v": listed(object.get(&field.name), field, int64_timestamps) });
            json!({ "f": column.fields.iter().map(cell).collect::<Vec<_>>() })
        }
        (FieldType::Json, value) => json!(value.to_string()),
        (FieldType::Timestamp, Value::String(text)) => {
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
