//! Datasets. Their resources are stored as they arrive; few properties are checked.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::api::{ApiError, ApiResult};
use super::expiration::check_default;
use super::paths::DatasetPath;
use super::resource::{ResourcePath, keep, object, paged, stamp};
use super::state::RestState;
use crate::local::bigquery::store::Resources;

/// Properties that only BigQuery sets.
const FIXED: &[&str] = &["kind", "id", "datasetReference", "location", "creationTime"];

pub async fn insert(
    State(state): State<RestState>,
    Path(project): Path<String>,
    body: Bytes,
) -> ApiResult {
    let mut body = object(&body)?;
    let dataset = body["datasetReference"]["datasetId"].as_str().unwrap_or_default().to_owned();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if dataset.is_empty() || dataset.len() > 1024 || !dataset.bytes().all(fits) {
        return Err(ApiError::invalid(format!(
            "Invalid dataset ID \"{dataset}\". Dataset IDs must be alphanumeric (plus underscores) \
             and must be at most 1024 characters long."
        )));
    }
    check_default(&body)?;
    let path = DatasetPath { project, dataset };
    body["kind"] = json!("bigquery#dataset");
    body["id"] = json!(path.shown());
    body["datasetReference"] = json!({ "projectId": path.project, "datasetId": path.dataset });
    if body["location"].is_null() {
        body["location"] = json!("US");
    }
    stamp(&mut body);
    state.store.change(|resources| {
        if resources.dataset(&path.id())?.is_some() {
            let message = format!("Already Exists: Dataset {}", path.shown());
            return Err(ApiError::already_exists(message));
        }
        Ok(resources.put_dataset(&path.id(), &body)?)
    })?;
    Ok(Json(body))
}

pub async fn get(State(state): State<RestState>, Path(path): Path<DatasetPath>) -> ApiResult {
    state.store.change(|resources| path.live(resources)).map(Json)
}

impl ResourcePath for DatasetPath {
    fn live(&self, resources: &Resources<'_>) -> Result<Value, ApiError> {
        resources.dataset(&self.id())?.ok_or_else(|| self.not_found())
    }

    fn replace(
        &self,
        resources: &Resources<'_>,
        live: &Value,
        mut body: Value,
    ) -> Result<Value, ApiError> {
        check_default(&body)?;
        keep(&mut body, live, FIXED);
        stamp(&mut body);
        resources.put_dataset(&self.id(), &body)?;
        Ok(body)
    }
}

pub async fn delete(
    State(state): State<RestState>,
    Path(path): Path<DatasetPath>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let id = path.id();
    let delete_contents = query.get("deleteContents").is_some_and(|value| value == "true");
    state.store.change(|resources| {
        let tables = resources.tables(&id)?;
        if !tables.is_empty() && !delete_contents {
            let message = format!("Dataset {} is still in use", path.shown());
            return Err(ApiError::new(400, "resourceInUse", message));
        }
        for table in tables {
            let name = table["tableReference"]["tableId"].as_str().unwrap_or_default();
            resources.delete_table(&format!("{id}.{name}"))?;
        }
        if resources.delete_dataset(&id)? { Ok(Json(json!({}))) } else { Err(path.not_found()) }
    })
}

pub async fn list(
    State(state): State<RestState>,
    Path(project): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let datasets = state.store.datasets(&project)?;
    paged(json!({ "kind": "bigquery#datasetList" }), "datasets", datasets, &query)
}
