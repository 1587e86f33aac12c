//! Tables: resources kept whole, their schema, partitions and clustering by BigQuery's rules.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::answer::{Answer, No, blocking, check_etag, keep, object, page, patched, stamp};
use super::{InDataset, InTable, Shared};
use crate::local::bigquery::columns::{self, Column, Kind, Mode};
use crate::local::bigquery::store::List;

/// Columns a table is clustered by at most.
const MOST_CLUSTERED: usize = 4;

/// What only BigQuery sets.
const FIXED: &[&str] =
    &["kind", "id", "selfLink", "type", "tableReference", "creationTime", "location"];

/// What is worked out when asked for.
const DERIVED: &[&str] = &["etag", "numRows", "numBytes", "lastModifiedTime", "streamingBuffer"];

pub async fn insert(
    State(shared): State<Shared>,
    Path(at): Path<InDataset>,
    body: Bytes,
) -> Answer {
    let mut body = object(&body)?;
    let dataset = shared.store.dataset(&at.id())?.ok_or_else(|| at.missing())?;
    let table = body["tableReference"]["tableId"].as_str().unwrap_or_default().to_owned();
    check_name(&table)?;
    let at = InTable { project: at.project, dataset: at.dataset, table };
    if shared.store.table(&at.id())?.is_some() {
        let message = format!("Already Exists: Table {}", at.shown());
        return Err(No::new(409, "duplicate", message));
    }
    if let Some(other) = shared.store.namesake(&at.id())? {
        let message = format!(
            "The embedded BigQuery cannot keep {} beside {other}: its names know no case.",
            at.id()
        );
        return Err(No::unimplemented(message));
    }
    for other in ["view", "materializedView", "externalDataConfiguration"] {
        if !body[other].is_null() {
            let message = format!("The embedded BigQuery has tables only, no {other}.");
            return Err(No::unimplemented(message));
        }
    }
    let columns = columns_of(&body)?;
    check_layout(&body, &columns)?;
    keep(&mut body, &Value::Null, DERIVED);
    body["kind"] = json!("bigquery#table");
    body["id"] = json!(at.shown());
    body["type"] = json!("TABLE");
    body["location"] = dataset["location"].clone();
    body["tableReference"] =
        json!({ "projectId": at.project, "datasetId": at.dataset, "tableId": at.table });
    stamp(&mut body);
    shared.store.put_table(&at.id(), &body, &columns)?;
    Ok(Json(body))
}

pub async fn get(State(shared): State<Shared>, Path(at): Path<InTable>) -> Answer {
    blocking(move || {
        let mut found = shared.store.table(&at.id())?.ok_or_else(|| at.missing())?;
        found["numRows"] = json!(shared.store.count_rows(&at.id())?.to_string());
        Ok(Json(found))
    })
    .await
}

pub async fn list(
    State(shared): State<Shared>,
    Path(at): Path<InDataset>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    if shared.store.dataset(&at.id())?.is_none() {
        return Err(at.missing());
    }
    let tables = shared.store.list(List::Tables, &format!("{}.", at.id()))?;
    let total = tables.len();
    let (tables, next) = page(tables, query.get("pageToken"), query.get("maxResults"))?;
    let mut body = json!({ "kind": "bigquery#tableList", "tables": tables, "totalItems": total });
    if let Some(token) = next {
        body["nextPageToken"] = json!(token);
    }
    Ok(Json(body))
}

pub async fn delete(State(shared): State<Shared>, Path(at): Path<InTable>) -> Answer {
    if shared.store.delete_table(&at.id())? { Ok(Json(json!({}))) } else { Err(at.missing()) }
}

pub async fn update(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    alter(&shared, &at, &headers, object(&body)?)
}

pub async fn patch(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let live = shared.store.table(&at.id())?.ok_or_else(|| at.missing())?;
    alter(&shared, &at, &headers, patched(live, object(&body)?))
}

fn alter(shared: &Shared, at: &InTable, headers: &HeaderMap, mut body: Value) -> Answer {
    let live = shared.store.table(&at.id())?.ok_or_else(|| at.missing())?;
    check_etag(headers, &live)?;
    let columns = columns_of(&body)?;
    if let Some(wrong) = columns::refuse_change(&columns_of(&live)?, &columns, "") {
        let message = format!("Provided Schema does not match Table {}. {wrong}", at.shown());
        return Err(No::invalid(message));
    }
    check_layout(&body, &columns)?;
    for property in ["type", "field"] {
        let [new, old] = [&body, &live].map(|table| &table["timePartitioning"][property]);
        if new != old {
            let message = format!(
                "Cannot change the partitioning of table {}: {property} is {old}, not {new}.",
                at.shown()
            );
            return Err(No::invalid(message));
        }
    }
    keep(&mut body, &live, FIXED);
    keep(&mut body, &Value::Null, DERIVED);
    stamp(&mut body);
    shared.store.put_table(&at.id(), &body, &columns)?;
    Ok(Json(body))
}

fn check_name(table: &str) -> Result<(), No> {
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    if !table.is_empty() && table.len() <= 1024 && table.chars().all(fits) {
        return Ok(());
    }
    Err(No::invalid(format!(
        "Invalid table ID \"{table}\". Table IDs have letters, numbers, underscores, dashes and \
         spaces, and at most 1024 bytes."
    )))
}

fn columns_of(table: &Value) -> Result<Vec<Column>, No> {
    let fields = table["schema"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    columns::parse(fields).map_err(No::invalid)
}

/// Partition and cluster columns exist and have a type that can serve.
fn check_layout(table: &Value, columns: &[Column]) -> Result<(), No> {
    let partitioning = &table["timePartitioning"];
    if !partitioning.is_null() {
        let kind = partitioning["type"].as_str().unwrap_or_default();
        if !["DAY", "HOUR", "MONTH", "YEAR"].contains(&kind) {
            return Err(No::invalid(format!("Invalid time partitioning type \"{kind}\".")));
        }
    }
    if let Some(name) = partitioning["field"].as_str() {
        let column = columns::find(columns, name).ok_or_else(|| {
            No::invalid(format!(
                "The field specified for partitioning cannot be found in the schema: {name}."
            ))
        })?;
        let serves = matches!(column.kind, Kind::Timestamp | Kind::Date | Kind::Datetime)
            && column.mode != Mode::Repeated;
        if !serves {
            return Err(No::invalid(format!(
                "The field specified for partitioning must be a DATE, TIMESTAMP or DATETIME \
                 column that is not repeated: {name}."
            )));
        }
    }
    let clustered = table["clustering"]["fields"].as_array().map(Vec::as_slice);
    let clustered = clustered.unwrap_or_default();
    if clustered.len() > MOST_CLUSTERED {
        let message = format!("Too many fields specified for clustering: {}.", clustered.len());
        return Err(No::invalid(message));
    }
    for name in clustered.iter().filter_map(Value::as_str) {
        let column = columns::find(columns, name);
        let unfit = [Kind::Record, Kind::Json, Kind::Float, Kind::Bytes, Kind::Time];
        let serves = column
            .is_some_and(|column| column.mode != Mode::Repeated && !unfit.contains(&column.kind));
        if !serves {
            let message = format!("Clustering is not possible on the field {name}.");
            return Err(No::invalid(message));
        }
    }
    Ok(())
}
