//! Tables. Their resources are stored as they arrive; schema, partitioning and clustering have to
//! follow BigQuery's rules.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::api::{ApiError, ApiResult, blocking};
use super::expiration::{check_expiration, default_expiration};
use super::partitions::{read_partition, refuse_decorator};
use super::paths::{DatasetPath, TablePath};
use super::resource::{ResourcePath, keep, object, paged, stamp};
use super::state::RestState;
use crate::local::bigquery::field_schema::{self, FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::store::Resources;

/// The largest number of columns by which a table can be clustered.
const MOST_CLUSTERED: usize = 4;

/// Properties that only BigQuery sets.
const FIXED: &[&str] =
    &["kind", "id", "selfLink", "type", "tableReference", "creationTime", "location"];

/// Properties that are computed, not stored.
const DERIVED: &[&str] = &["etag", "numRows", "numBytes", "lastModifiedTime", "streamingBuffer"];

pub async fn insert(
    State(state): State<RestState>,
    Path(path): Path<DatasetPath>,
    body: Bytes,
) -> ApiResult {
    let body = object(&body)?;
    let table = body["tableReference"]["tableId"].as_str().unwrap_or_default().to_owned();
    check_name(&table)?;
    let dataset = path;
    let path =
        TablePath { project: dataset.project.clone(), dataset: dataset.dataset.clone(), table };
    state.store.change(|resources| {
        let dataset = dataset.live(resources)?;
        let (body, columns) = created(resources, &path, &dataset, body)?;
        state.new_tables.created(&path.id());
        resources.put_table(&path.id(), &body, &columns)?;
        Ok(Json(body))
    })
}

/// The resource and the columns of a table that is created in this dataset.
pub fn created(
    resources: &Resources<'_>,
    path: &TablePath,
    dataset: &Value,
    mut body: Value,
) -> Result<(Value, Vec<FieldSchema>), ApiError> {
    if resources.table(&path.id())?.is_some() {
        return Err(ApiError::already_exists(format!("Already Exists: Table {}", path.shown())));
    }
    if let Some(other) = resources.same_but_for_case(&path.id())? {
        let message = format!(
            "The embedded BigQuery cannot store {} because {other} exists: its table names ignore \
             case.",
            path.id()
        );
        return Err(ApiError::unimplemented(message));
    }
    for other in ["view", "materializedView", "externalDataConfiguration"] {
        if !body[other].is_null() {
            let message = format!("The embedded BigQuery does not support {other}.");
            return Err(ApiError::unimplemented(message));
        }
    }
    let columns = checked_columns(&body)?;
    check_expiration(&mut body, &Value::Null)?;
    default_expiration(&mut body, dataset)?;
    keep(&mut body, &Value::Null, DERIVED);
    body["kind"] = json!("bigquery#table");
    body["id"] = json!(path.shown());
    body["type"] = json!("TABLE");
    body["location"] = dataset["location"].clone();
    body["tableReference"] =
        json!({ "projectId": path.project, "datasetId": path.dataset, "tableId": path.table });
    body["creationTime"] = Value::Null;
    stamp(&mut body);
    Ok((body, columns))
}

pub async fn get(State(state): State<RestState>, Path(path): Path<TablePath>) -> ApiResult {
    blocking(move || {
        let (path, partition) = path.split();
        state.store.change(|resources| {
            let mut table = path.live(resources)?;
            let id = partition.as_deref();
            let partition = read_partition(&path, id, &table, &columns_of(&table)?)?;
            let rows = resources.count_rows(&path.id(), partition.as_ref())?;
            table["numRows"] = json!(rows.to_string());
            if let Some(id) = id {
                table["id"] = json!(format!("{}${id}", path.shown()));
                table["tableReference"]["tableId"] = json!(format!("{}${id}", path.table));
            }
            Ok(Json(table))
        })
    })
    .await
}

pub async fn list(
    State(state): State<RestState>,
    Path(path): Path<DatasetPath>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    if state.store.dataset(&path.id())?.is_none() {
        return Err(path.not_found());
    }
    let tables = state.store.tables(&path.id())?;
    let answer = json!({ "kind": "bigquery#tableList", "totalItems": tables.len() });
    paged(answer, "tables", tables, &query)
}

/// Deletes a table, or the rows of one of its partitions.
pub async fn delete(State(state): State<RestState>, Path(path): Path<TablePath>) -> ApiResult {
    if let (path, Some(partition)) = path.split() {
        return state.store.change(|resources| {
            let table = path.live(resources)?;
            let id = Some(partition.as_str());
            let partition = read_partition(&path, id, &table, &columns_of(&table)?)?;
            let end = resources.end_of_rows(&path.id())?;
            resources.delete_rows(&path.id(), partition.as_ref(), end)?;
            Ok(Json(json!({})))
        });
    }
    if state.store.delete_table(&path.id())? { Ok(Json(json!({}))) } else { Err(path.not_found()) }
}

impl ResourcePath for TablePath {
    fn live(&self, resources: &Resources<'_>) -> Result<Value, ApiError> {
        refuse_decorator(self, "this call")?;
        resources.table(&self.id())?.ok_or_else(|| self.not_found())
    }

    fn replace(
        &self,
        resources: &Resources<'_>,
        live: &Value,
        mut body: Value,
    ) -> Result<Value, ApiError> {
        let columns = checked_columns(&body)?;
        if let Some(wrong) = field_schema::change_refusal(&columns_of(live)?, &columns, "") {
            let message = format!("Provided Schema does not match Table {}. {wrong}", self.shown());
            return Err(ApiError::invalid(message));
        }
        check_expiration(&mut body, live)?;
        for property in ["type", "field"] {
            let [new, old] = [&body, live].map(|table| &table["timePartitioning"][property]);
            if new != old {
                let message = format!(
                    "Cannot change the partitioning of table {}: {property} is {old}, not {new}.",
                    self.shown()
                );
                return Err(ApiError::invalid(message));
            }
        }
        keep(&mut body, live, FIXED);
        keep(&mut body, &Value::Null, DERIVED);
        stamp(&mut body);
        resources.put_table(&self.id(), &body, &columns)?;
        Ok(body)
    }
}

fn check_name(table: &str) -> Result<(), ApiError> {
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    if !table.is_empty() && table.len() <= 1024 && table.chars().all(fits) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid table ID \"{table}\". Table IDs have letters, numbers, underscores, dashes and \
         spaces, and at most 1024 bytes."
    )))
}

/// The columns of a table whose schema and layout follow BigQuery's rules.
pub fn checked_columns(table: &Value) -> Result<Vec<FieldSchema>, ApiError> {
    let columns = columns_of(table)?;
    check_layout(table, &columns)?;
    Ok(columns)
}

/// The columns of a table's resource.
pub fn columns_of(table: &Value) -> Result<Vec<FieldSchema>, ApiError> {
    field_schema::of_table(table).map_err(ApiError::invalid)
}

/// Checks that the partition and clustering columns exist and have a suitable type.
fn check_layout(table: &Value, columns: &[FieldSchema]) -> Result<(), ApiError> {
    let partitioning = &table["timePartitioning"];
    if !partitioning.is_null() {
        let kind = partitioning["type"].as_str().unwrap_or_default();
        if !["DAY", "HOUR", "MONTH", "YEAR"].contains(&kind) {
            return Err(ApiError::invalid(format!("Invalid time partitioning type \"{kind}\".")));
        }
    }
    if let Some(name) = partitioning["field"].as_str() {
        let column = field_schema::find(columns, name).ok_or_else(|| {
            ApiError::invalid(format!(
                "The field specified for partitioning cannot be found in the schema: {name}."
            ))
        })?;
        let is_suitable =
            matches!(column.kind, FieldType::Timestamp | FieldType::Date | FieldType::Datetime)
                && column.mode != FieldMode::Repeated;
        if !is_suitable {
            return Err(ApiError::invalid(format!(
                "The field specified for partitioning must be a DATE, TIMESTAMP or DATETIME \
                 column that is not repeated: {name}."
            )));
        }
        if column.kind == FieldType::Date && partitioning["type"] == "HOUR" {
            let message = format!("A DATE column cannot be partitioned by HOUR: {name}.");
            return Err(ApiError::invalid(message));
        }
    }
    let clustered = table["clustering"]["fields"].as_array().map(Vec::as_slice);
    let clustered = clustered.unwrap_or_default();
    if clustered.len() > MOST_CLUSTERED {
        let message = format!("Too many fields specified for clustering: {}.", clustered.len());
        return Err(ApiError::invalid(message));
    }
    for name in clustered.iter().filter_map(Value::as_str) {
        let column = field_schema::find(columns, name);
        let unsuitable = [
            FieldType::Record,
            FieldType::Json,
            FieldType::Float,
            FieldType::Bytes,
            FieldType::Time,
        ];
        let is_suitable = column.is_some_and(|column| {
            column.mode != FieldMode::Repeated && !unsuitable.contains(&column.kind)
        });
        if !is_suitable {
            let message = format!("Clustering is not possible on the field {name}.");
            return Err(ApiError::invalid(message));
        }
    }
    Ok(())
}
