//! `tabledata.list`: the visible rows, a page at a time.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::answer::{Answer, No, blocking};
use super::{InTable, Shared};
use crate::local::bigquery::cell::shown;
use crate::local::bigquery::columns::Column;
use crate::local::bigquery::decode::Cells;

/// Rows of a page at most, and unless asked otherwise.
const LARGEST_PAGE: u64 = 100_000;
const USUAL_PAGE: u64 = 10_000;

pub async fn list(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let number = |key: &str| match query.get(key).filter(|text| !text.is_empty()) {
        Some(text) => {
            text.parse::<u64>().map(Some).map_err(|_| No::invalid(format!("Invalid {key}")))
        }
        None => Ok(None),
    };
    let start = number("pageToken")?.or(number("startIndex")?).unwrap_or(0);
    let limit = number("maxResults")?.unwrap_or(USUAL_PAGE).min(LARGEST_PAGE);
    let is_true = |key: &str| query.get(key).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let int64 = is_true("formatOptions.useInt64Timestamp");
    let selected = query.get("selectedFields").cloned();
    blocking(move || {
        let columns = shared.store.columns(&at.id())?.ok_or_else(|| at.missing())?;
        let columns = selection(&columns, selected.as_deref())?;
        let rows = shared.store.list_rows(&at.id(), &columns, start, limit)?;
        let total = shared.store.count_rows(&at.id())?;
        let end = start.saturating_add(rows.len() as u64);
        let more = end < total && !rows.is_empty();
        let rows: Vec<Value> = rows.iter().map(|row| shown_row(row, &columns, int64)).collect();
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

/// The columns named, in the table's order; all where none are.
fn selection(columns: &[Column], names: Option<&str>) -> Result<Vec<Column>, No> {
    let Some(names) = names.filter(|names| !names.is_empty()) else { return Ok(columns.to_vec()) };
    let wanted: Vec<&str> = names.split(',').map(str::trim).collect();
    let is = |column: &Column, name: &str| column.name.eq_ignore_ascii_case(name);
    let is_unknown = |name: &&&str| !columns.iter().any(|column| is(column, name));
    if let Some(name) = wanted.iter().find(is_unknown) {
        return Err(No::invalid(format!("No such field: {name}.")));
    }
    let chosen = |column: &&Column| wanted.iter().any(|name| is(column, name));
    Ok(columns.iter().filter(chosen).cloned().collect())
}

fn shown_row(row: &Cells, columns: &[Column], int64: bool) -> Value {
    let cells = row.iter().zip(columns);
    let cells = cells.map(|(cell, column)| json!({ "v": shown(cell.as_ref(), column, int64) }));
    json!({ "f": cells.collect::<Vec<_>>() })
}
