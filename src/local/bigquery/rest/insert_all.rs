//! `tabledata.insertAll`, the legacy streaming API. Rows are visible at once and have no offsets.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::api::{ApiError, ApiResult, blocking};
use super::paths::TablePath;
use super::resource::object;
use super::state::RestState;
use crate::clock::Clock;
use crate::local::bigquery::cell::{Scalar, bytes_from_base64, convert};
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::{self, FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::partition::{PartitionCheck, PartitionColumn};
use crate::row::Cell;

/// The largest request, in bytes and in rows.
const LARGEST_REQUEST: usize = 10 << 20;
const MOST_ROWS: usize = 50_000;

pub async fn insert_all(
    State(state): State<RestState>,
    Path(path): Path<TablePath>,
    body: Bytes,
) -> ApiResult {
    if body.len() > LARGEST_REQUEST {
        let message = format!("Request payload size exceeds the limit: {LARGEST_REQUEST} bytes.");
        return Err(ApiError::new(413, "requestTooLarge", message));
    }
    blocking(move || insert(&state, &path, &object(&body)?)).await
}

fn insert(state: &RestState, path: &TablePath, body: &Value) -> ApiResult {
    let id = path.id();
    let columns = state.store.columns(&id)?.ok_or_else(|| path.not_found())?;
    if !body["templateSuffix"].is_null() {
        let message = "The embedded BigQuery does not support templateSuffix.";
        return Err(ApiError::unimplemented(message));
    }
    let wanted = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    if wanted.is_empty() {
        return Err(ApiError::invalid("No rows present in the request."));
    }
    if wanted.len() > MOST_ROWS {
        return Err(ApiError::invalid(format!(
            "too many rows present in the request, limit: {MOST_ROWS} row count: {}.",
            wanted.len()
        )));
    }
    let resource = state.store.table(&id)?.unwrap_or_default();
    let partition = PartitionColumn::of(&resource, &columns);
    let decoder = JsonDecoder {
        columns: &columns,
        ignore_unknown: body["ignoreUnknownValues"].as_bool().unwrap_or_default(),
        partition: partition.map(|column| column.at(Clock::System.now_micros())),
    };
    let decoded: Vec<Result<Cells, JsonError>> =
        wanted.iter().map(|row| decoder.row(&row["json"])).collect();
    let skip_invalid = body["skipInvalidRows"].as_bool().unwrap_or_default();
    let refuse_all = !skip_invalid && decoded.iter().any(Result::is_err);
    let (mut rows, mut errors) = (Vec::with_capacity(decoded.len()), Vec::new());
    for (index, (decoded, wanted)) in decoded.into_iter().zip(wanted).enumerate() {
        let error = match decoded {
            Ok(_) if refuse_all => json!({ "reason": "stopped", "location": "", "message": "" }),
            Ok(row) => {
                let insert_id = wanted["insertId"].as_str();
                if insert_id.is_none_or(|insert_id| state.insert_ids.is_new(&id, insert_id)) {
                    rows.push(row);
                }
                continue;
            }
            Err(JsonError { location, message }) => {
                json!({ "reason": "invalid", "location": location, "message": message })
            }
        };
        errors.push(json!({ "index": index, "errors": [error] }));
    }
    if !rows.is_empty() {
        state.store.append_default(&id, &path.shown(), &columns, &rows)?;
    }
    let mut answer = json!({ "kind": "bigquery#tableDataInsertAllResponse" });
    if !errors.is_empty() {
        answer["insertErrors"] = json!(errors);
    }
    Ok(Json(answer))
}

/// Why a row is refused.
struct JsonError {
    /// The path of the wrong field; empty if the error is about the whole row.
    location: String,
    message: String,
}

/// Decodes rows from JSON.
struct JsonDecoder<'a> {
    columns: &'a [FieldSchema],
    /// Leaves out fields that the table does not have, instead of refusing the row.
    ignore_unknown: bool,
    partition: Option<PartitionCheck>,
}

impl JsonDecoder<'_> {
    fn row(&self, value: &Value) -> Result<Cells, JsonError> {
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
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let Some(index) = field_schema::position(columns, name) else {
                if self.ignore_unknown {
                    continue;
                }
                return Err(wrong(name, format!("no such field: {name}.")));
            };
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

fn scalar(value: &Value, kind: FieldType) -> Result<Cell, String> {
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
