//! Stored values in the form of `tabledata.list`: scalars as text, records as `f` and `v`.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::row::Cell;

/// A column's value in the form of `tabledata.list`; `None` is NULL. Timestamps are microseconds if
/// `int64_timestamps` is set, otherwise seconds in scientific notation.
pub fn listed(
    value: Option<&Cell>,
    column: &FieldSchema,
    int64_timestamps: bool,
) -> Result<Value, serde_json::Error> {
    let text = value.map(serde_json::value::to_raw_value).transpose()?;
    listed_text(text.as_deref(), column, int64_timestamps)
}

/// The value's JSON text is read only as deep as its column goes, so numbers keep their digits.
fn listed_text(
    value: Option<&RawValue>,
    column: &FieldSchema,
    int64_timestamps: bool,
) -> Result<Value, serde_json::Error> {
    if column.mode != FieldMode::Repeated {
        return value.map_or(Ok(Value::Null), |value| single(value, column, int64_timestamps));
    }
    let items: Vec<&RawValue> =
        value.map_or(Ok(Vec::new()), |value| serde_json::from_str(value.get()))?;
    let items = items.into_iter().map(|item| {
        let item = single(item, column, int64_timestamps)?;
        Ok(json!({ "v": item }))
    });
    items.collect()
}

fn single(
    value: &RawValue,
    column: &FieldSchema,
    int64_timestamps: bool,
) -> Result<Value, serde_json::Error> {
    let text = value.get();
    match column.kind {
        FieldType::Record => {
            let object: HashMap<&str, &RawValue> = serde_json::from_str(text)?;
            let cells = column.fields.iter().map(|field| {
                let value = object.get(field.name.as_str()).copied();
                Ok(json!({ "v": listed_text(value, field, int64_timestamps)? }))
            });
            Ok(json!({ "f": cells.collect::<Result<Vec<Value>, serde_json::Error>>()? }))
        }
        FieldType::Json => Ok(json!(text)),
        FieldType::Timestamp => {
            let stored: String = serde_json::from_str(text)?;
            let micros = stored.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond);
            Ok(if int64_timestamps {
                json!(micros.to_string())
            } else {
                json!(format!("{:E}", micros as f64 / 1e6))
            })
        }
        _ if text.starts_with('"') => serde_json::from_str(text),
        _ => Ok(json!(text)),
    }
}
