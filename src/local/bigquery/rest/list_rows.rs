//! `tabledata.list`: lists the visible rows of a table or of one of its partitions in pages.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::api::{ApiError, ApiResult, blocking};
use super::partitions::read_partition;
use super::paths::TablePath;
use super::state::RestState;
use crate::local::bigquery::cell::listed;
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::store::StoreError;

/// The largest number of rows in a page, and the number if the request names none.
const LARGEST_PAGE: u64 = 100_000;
const DEFAULT_PAGE: u64 = 10_000;

pub async fn list_rows(
    State(state): State<RestState>,
    Path(path): Path<TablePath>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let number = |key: &str| match query.get(key).filter(|text| !text.is_empty()) {
        Some(text) => {
            text.parse::<u64>().map(Some).map_err(|_| ApiError::invalid(format!("Invalid {key}")))
        }
        None => Ok(None),
    };
    let start = number("pageToken")?.or(number("startIndex")?).unwrap_or(0);
    let limit = number("maxResults")?.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE);
    let is_true = |key: &str| query.get(key).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let int64 = is_true("formatOptions.useInt64Timestamp");
    let selected = query.get("selectedFields").cloned();
    blocking(move || {
        let (path, partition) = path.split();
        let id = path.id();
        let columns = state.store.columns(&id)?.ok_or_else(|| path.not_found())?;
        let table = state.store.table(&id)?.ok_or_else(|| path.not_found())?;
        let partition = read_partition(&path, partition.as_deref(), &table, &columns)?;
        let partition = partition.as_ref();
        let columns = selection(&columns, selected.as_deref())?;
        let rows = state.store.list_rows(&id, partition, &columns, start, limit)?;
        let total = state.store.count_rows(&id, partition)?;
        let end = start.saturating_add(rows.len() as u64);
        let more = end < total && !rows.is_empty();
        let rows = rows.iter().map(|row| listed_row(row, &columns, int64));
        let rows = rows.collect::<Result<Vec<Value>, StoreError>>()?;
        let mut body = json!({
            "kind": "bigquery#tableDataList",
            "totalRows": total.to_string(),
            "rows": rows,
        });
        if more {
            body["pageToken"] = json!(end.to_string());
        }
        Ok(Json(body))
    })
    .await
}

/// The named columns in the table's order, or all columns if `names` is empty.
fn selection(columns: &[FieldSchema], names: Option<&str>) -> Result<Vec<FieldSchema>, ApiError> {
    let Some(names) = names.filter(|names| !names.is_empty()) else { return Ok(columns.to_vec()) };
    let wanted: Vec<&str> = names.split(',').map(str::trim).collect();
    let is = |column: &FieldSchema, name: &str| column.name.eq_ignore_ascii_case(name);
    let is_unknown = |name: &&&str| !columns.iter().any(|column| is(column, name));
    if let Some(name) = wanted.iter().find(is_unknown) {
        return Err(ApiError::invalid(format!("No such field: {name}.")));
    }
    let chosen = |column: &&FieldSchema| wanted.iter().any(|name| is(column, name));
    Ok(columns.iter().filter(chosen).cloned().collect())
}

fn listed_row(row: &Cells, columns: &[FieldSchema], int64: bool) -> Result<Value, StoreError> {
    let cells = row.iter().zip(columns);
    let cells = cells.map(|(cell, column)| {
        let listed = listed(cell.as_ref(), column, int64)?;
        Ok(json!({ "v": listed }))
    });
    Ok(json!({ "f": cells.collect::<Result<Vec<Value>, StoreError>>()? }))
}
