//! Decodes rows from JSON: those of `insertAll` and of load jobs.

use serde_json::Value;

use crate::local::bigquery::cell::{Scalar, bytes_from_base64, convert};
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::{self, FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::partition::PartitionCheck;
use crate::row::Cell;

/// Why a row is refused.
#[derive(Debug)]
pub struct JsonError {
    /// The path of the wrong field; empty if the error is about the whole row.
    pub location: String,
    pub message: String,
}

/// Decodes rows from JSON.
pub struct JsonDecoder<'a> {
    pub columns: &'a [FieldSchema],
    /// Leaves out fields that the table does not have, instead of refusing the row.
    pub ignore_unknown: bool,
    /// Refuses a field that the table does not have also if its value is null, as load jobs do.
    pub refuse_unknown_nulls: bool,
    /// The check of streamed rows.
    pub partition: Option<PartitionCheck>,
}

impl JsonDecoder<'_> {
    pub fn row(&self, value: &Value) -> Result<Cells, JsonError> {
        let row = self.record(value, self.columns, "")?;
        let checked = self.partition.map_or(Ok(()), |partition| partition.check(&row));
        checked.map_err(|message| JsonError { location: String::new(), message })?;
        Ok(row)
    }

    fn record(
        &self,
        value: &Value,
        columns: &[FieldSchema],
        path: &str,
    ) -> Result<Cells, JsonError> {
        let at = |name: &str| format!("{path}{name}");
        let wrong = |name: &str, message: String| JsonError { location: at(name), message };
        let Some(object) = value.as_object() else {
            return Err(wrong("", "This field is not a record.".to_owned()));
        };
        let mut cells: Cells = vec![None; columns.len()];
        for (name, value) in object {
            let Some(index) = field_schema::position(columns, name) else {
                if self.ignore_unknown || (value.is_null() && !self.refuse_unknown_nulls) {
                    continue;
                }
                return Err(wrong(name, format!("no such field: {name}.")));
            };
            if value.is_null() {
                continue;
            }
            let column = &columns[index];
            let cell = match (column.mode, value) {
                (FieldMode::Repeated, Value::Array(items)) => {
                    let items = items.iter().map(|item| self.cell(item, column, &at(name)));
                    Cell::Array(items.collect::<Result<_, _>>()?)
                }
                (FieldMode::Repeated, _) => {
                    return Err(wrong(name, "Repeated field must be an array.".to_owned()));
                }
                (_, Value::Array(_)) if column.kind != FieldType::Json => {
                    let message = "Array specified for non-repeated field.";
                    return Err(wrong(name, message.to_owned()));
                }
                (_, value) => self.cell(value, column, &at(name))?,
            };
            cells[index] = Some(cell);
        }
        let missing = columns
            .iter()
            .zip(&cells)
            .find(|(column, cell)| column.mode == FieldMode::Required && cell.is_none());
        match missing {
            Some((column, _)) => {
                Err(wrong(&column.name, format!("Missing required field: {}.", at(&column.name))))
            }
            None => Ok(cells),
        }
    }

    fn cell(&self, value: &Value, column: &FieldSchema, path: &str) -> Result<Cell, JsonError> {
        if column.kind == FieldType::Record {
            let cells = self.record(value, &column.fields, &format!("{path}."))?;
            let named = column.fields.iter().zip(cells);
            let fields = named.filter_map(|(field, cell)| Some((field.name.clone(), cell?)));
            return Ok(Cell::Record(fields.collect()));
        }
        scalar(value, column.kind)
            .map_err(|message| JsonError { location: path.to_owned(), message })
    }
}

/// Converts a value of a column that is not a RECORD.
pub fn scalar(value: &Value, kind: FieldType) -> Result<Cell, String> {
    let bad =
        |what: &str, text: &str| format!("Cannot convert value to {what} (bad value): {text}");
    let as_text = value.to_string();
    let scalar = match (kind, value) {
        (FieldType::Json, Value::String(text)) => Scalar::Text(text),
        (FieldType::Json, _) => Scalar::Text(&as_text),
        (FieldType::Bytes, Value::String(text)) => return bytes_from_base64(text),
        (FieldType::Integer, Value::String(text)) => {
            Scalar::Int(text.parse().map_err(|_| bad("integer", text))?)
        }
        (FieldType::Integer, Value::Number(number)) => {
            Scalar::Int(number.as_i64().ok_or_else(|| bad("integer", &as_text))?)
        }
        (FieldType::Float, Value::String(text)) => {
            Scalar::Double(text.parse().map_err(|_| bad("floating point", text))?)
        }
        (FieldType::Float, Value::Number(number)) => {
            Scalar::Double(number.as_f64().unwrap_or_default())
        }
        (FieldType::Boolean, Value::String(text)) => {
            let text = text.to_ascii_lowercase();
            Scalar::Bool(text.parse().map_err(|_| bad("boolean", &text))?)
        }
        (FieldType::Numeric | FieldType::BigNumeric, Value::Number(_)) => Scalar::Text(&as_text),
        // A number is in seconds.
        (FieldType::Timestamp, Value::Number(number)) => match number.as_i64() {
            Some(seconds) => Scalar::Int(seconds.saturating_mul(1_000_000)),
            None => Scalar::Int((number.as_f64().unwrap_or_default() * 1e6) as i64),
        },
        (FieldType::String, Value::Number(_)) => Scalar::Text(&as_text),
        (_, Value::String(text)) => Scalar::Text(text),
        (_, Value::Bool(flag)) => Scalar::Bool(*flag),
        (_, other) => return Err(bad(kind.name(), &other.to_string())),
    };
    convert(scalar, kind)
}
