//! `tabledata.insertAll`: legacy streaming. Rows are visible at once, without offsets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use super::answer::{Answer, No, blocking, object};
use super::{InTable, Shared};
use crate::clock::Clock;
use crate::local::bigquery::cell::{Days, Scalar, bytes_from_base64, convert};
use crate::local::bigquery::columns::{Column, Kind, Mode};
use crate::local::bigquery::decode::Cells;

/// Bytes and rows of one request.
const LARGEST_REQUEST: usize = 10 << 20;
const MOST_ROWS: usize = 50_000;

/// For so long a row with the same `insertId` is taken for the same: BigQuery promises about a
/// minute, and that at best effort.
const REMEMBERED: Duration = Duration::from_secs(60);

pub async fn insert_all(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    body: Bytes,
) -> Answer {
    if body.len() > LARGEST_REQUEST {
        let message = format!("Request payload size exceeds the limit: {LARGEST_REQUEST} bytes.");
        return Err(No::new(413, "requestTooLarge", message));
    }
    blocking(move || stream(&shared, &at, &object(&body)?)).await
}

fn stream(shared: &Shared, at: &InTable, body: &Value) -> Answer {
    let id = at.id();
    let columns = shared.store.columns(&id)?.ok_or_else(|| at.missing())?;
    if !body["templateSuffix"].is_null() {
        let message = "The embedded BigQuery knows no templateSuffix.";
        return Err(No::unimplemented(message));
    }
    let wanted = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    if wanted.is_empty() {
        return Err(No::invalid("No rows present in the request."));
    }
    if wanted.len() > MOST_ROWS {
        return Err(No::invalid(format!(
            "too many rows present in the request, limit: {MOST_ROWS} row count: {}.",
            wanted.len()
        )));
    }
    let resource = shared.store.table(&id)?.unwrap_or_default();
    let partition = resource["timePartitioning"]["field"].as_str().map(str::to_owned);
    let rules = Rules {
        columns: &columns,
        ignore_unknown: body["ignoreUnknownValues"].as_bool().unwrap_or_default(),
        partition: partition.and_then(|name| {
            columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name))
        }),
        days: Days::around(Clock::System.now_micros()),
    };
    let read: Vec<Result<Cells, Wrong>> =
        wanted.iter().map(|row| rules.row(&row["json"])).collect();
    let skip_invalid = body["skipInvalidRows"].as_bool().unwrap_or_default();
    let stopped = !skip_invalid && read.iter().any(Result::is_err);
    let (mut rows, mut errors) = (Vec::with_capacity(read.len()), Vec::new());
    for (index, (read, wanted)) in read.into_iter().zip(wanted).enumerate() {
        let error = match read {
            Ok(_) if stopped => json!({ "reason": "stopped", "location": "", "message": "" }),
            Ok(row) => {
                let insert_id = wanted["insertId"].as_str();
                if insert_id.is_none_or(|insert_id| shared.recent.is_new(&id, insert_id)) {
                    rows.push(row);
                }
                continue;
            }
            Err(Wrong { location, message }) => {
                json!({ "reason": "invalid", "location": location, "message": message })
            }
        };
        errors.push(json!({ "index": index, "errors": [error] }));
    }
    if !rows.is_empty() {
        shared.store.append_default(&id, &at.shown(), &columns, &rows)?;
    }
    let mut answer = json!({ "kind": "bigquery#tableDataInsertAllResponse" });
    if !errors.is_empty() {
        answer["insertErrors"] = json!(errors);
    }
    Ok(Json(answer))
}

/// The `insertId`s of the last minute.
#[derive(Default)]
pub struct Recent(Mutex<HashMap<(String, String), Instant>>);

impl Recent {
    fn is_new(&self, table: &str, insert_id: &str) -> bool {
        let now = Instant::now();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= 2 * MOST_ROWS {
            seen.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        }
        let before = seen.insert((table.to_owned(), insert_id.to_owned()), now);
        before.is_none_or(|at| now.duration_since(at) >= REMEMBERED)
    }
}

/// What is wrong with a row, and where.
struct Wrong {
    location: String,
    message: String,
}

struct Rules<'a> {
    columns: &'a [Column],
    ignore_unknown: bool,
    partition: Option<usize>,
    days: Option<Days>,
}

impl Rules<'_> {
    fn row(&self, value: &Value) -> Result<Cells, Wrong> {
        let row = self.record(value, self.columns, "")?;
        let value = self.partition.and_then(|column| row[column].as_ref()).and_then(Value::as_str);
        match (value, &self.days) {
            (Some(value), Some(days)) if !days.contain(value) => Err(Wrong {
                location: String::new(),
                message: format!(
                    "The destination table's partition of {value} is outside the allowed bounds. \
                     You can only stream to partitions within 1825 days in the past and 366 days \
                     in the future relative to the current date."
                ),
            }),
            _ => Ok(row),
        }
    }

    fn record(&self, value: &Value, columns: &[Column], path: &str) -> Result<Cells, Wrong> {
        let at = |name: &str| format!("{path}{name}");
        let wrong = |name: &str, message: String| Wrong { location: at(name), message };
        let Some(object) = value.as_object() else {
            return Err(wrong("", "This field is not a record.".to_owned()));
        };
        let mut cells: Cells = vec![None; columns.len()];
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let found = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
            let Some(index) = found else {
                if self.ignore_unknown {
                    continue;
                }
                return Err(wrong(name, format!("no such field: {name}.")));
            };
            let column = &columns[index];
            let cell = match (column.mode, value) {
                (Mode::Repeated, Value::Array(items)) => {
                    let items = items.iter().map(|item| self.cell(item, column, &at(name)));
                    Value::Array(items.collect::<Result<_, _>>()?)
                }
                (Mode::Repeated, _) => {
                    return Err(wrong(name, "Repeated field must be an array.".to_owned()));
                }
                (_, Value::Array(_)) if column.kind != Kind::Json => {
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
            .find(|(column, cell)| column.mode == Mode::Required && cell.is_none());
        match missing {
            Some((column, _)) => {
                Err(wrong(&column.name, format!("Missing required field: {}.", at(&column.name))))
            }
            None => Ok(cells),
        }
    }

    fn cell(&self, value: &Value, column: &Column, path: &str) -> Result<Value, Wrong> {
        if column.kind == Kind::Record {
            let cells = self.record(value, &column.fields, &format!("{path}."))?;
            let named = column.fields.iter().zip(cells);
            let object: Map<String, Value> =
                named.filter_map(|(field, cell)| Some((field.name.clone(), cell?))).collect();
            return Ok(Value::Object(object));
        }
        scalar(value, column.kind).map_err(|message| Wrong { location: path.to_owned(), message })
    }
}

fn scalar(value: &Value, kind: Kind) -> Result<Value, String> {
    let bad =
        |what: &str, text: &str| format!("Cannot convert value to {what} (bad value): {text}");
    let as_text = value.to_string();
    let scalar = match (kind, value) {
        (Kind::Json, Value::String(text)) => Scalar::Text(text),
        (Kind::Json, value) => return Ok(value.clone()),
        (Kind::Bytes, Value::String(text)) => return bytes_from_base64(text),
        (Kind::Integer, Value::String(text)) => {
            Scalar::Int(text.parse().map_err(|_| bad("integer", text))?)
        }
        (Kind::Integer, Value::Number(number)) => {
            Scalar::Int(number.as_i64().ok_or_else(|| bad("integer", &as_text))?)
        }
        (Kind::Float, Value::String(text)) => {
            Scalar::Double(text.parse().map_err(|_| bad("floating point", text))?)
        }
        (Kind::Float, Value::Number(number)) => Scalar::Double(number.as_f64().unwrap_or_default()),
        (Kind::Boolean, Value::String(text)) => {
            let text = text.to_ascii_lowercase();
            Scalar::Bool(text.parse().map_err(|_| bad("boolean", &text))?)
        }
        (Kind::Numeric | Kind::BigNumeric, Value::Number(_)) => Scalar::Text(&as_text),
        // Seconds.
        (Kind::Timestamp, Value::Number(number)) => match number.as_i64() {
            Some(seconds) => Scalar::Int(seconds.saturating_mul(1_000_000)),
            None => Scalar::Int((number.as_f64().unwrap_or_default() * 1e6) as i64),
        },
        (Kind::String, Value::Number(_)) => Scalar::Text(&as_text),
        (_, Value::String(text)) => Scalar::Text(text),
        (_, Value::Bool(flag)) => Scalar::Bool(*flag),
        (_, other) => return Err(bad(kind.name(), &other.to_string())),
    };
    convert(scalar, kind)
}
