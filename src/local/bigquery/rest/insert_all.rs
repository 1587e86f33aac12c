//! `tabledata.insertAll`, the legacy streaming API. Rows are visible at once and have no offsets.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::api::{ApiError, ApiResult, blocking};
use super::json_rows::{JsonDecoder, JsonError};
use super::partitions::refuse_decorator;
use super::paths::TablePath;
use super::resource::object;
use super::state::RestState;
use crate::clock::Clock;
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::partition::PartitionColumn;

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
    refuse_decorator(path, "insertAll")?;
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
        refuse_unknown_nulls: false,
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
