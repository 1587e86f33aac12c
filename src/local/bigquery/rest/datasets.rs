//! Datasets: kept whole, hardly looked at.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::answer::{Answer, No, check_etag, keep, object, page, patched, stamp};
use super::{InDataset, Shared};
use crate::local::bigquery::store::List;

pub async fn insert(
    State(shared): State<Shared>,
    Path(project): Path<String>,
    body: Bytes,
) -> Answer {
    let mut body = object(&body)?;
    let dataset = body["datasetReference"]["datasetId"].as_str().unwrap_or_default().to_owned();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if dataset.is_empty() || dataset.len() > 1024 || !dataset.bytes().all(fits) {
        return Err(No::invalid(format!(
            "Invalid dataset ID \"{dataset}\". Dataset IDs must be alphanumeric (plus underscores) \
             and must be at most 1024 characters long."
        )));
    }
    let at = InDataset { project, dataset };
    let InDataset { project, dataset } = &at;
    if shared.store.dataset(&at.id())?.is_some() {
        let message = format!("Already Exists: Dataset {project}:{dataset}");
        return Err(No::new(409, "duplicate", message));
    }
    body["kind"] = json!("bigquery#dataset");
    body["id"] = json!(format!("{project}:{dataset}"));
    body["datasetReference"] = json!({ "projectId": project, "datasetId": dataset });
    if body["location"].is_null() {
        body["location"] = json!("US");
    }
    stamp(&mut body);
    shared.store.put_dataset(&at.id(), &body)?;
    Ok(Json(body))
}

pub async fn get(State(shared): State<Shared>, Path(at): Path<InDataset>) -> Answer {
    shared.store.dataset(&at.id())?.map(Json).ok_or_else(|| at.missing())
}

pub async fn update(
    State(shared): State<Shared>,
    Path(at): Path<InDataset>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    alter(&shared, &at, &headers, object(&body)?)
}

pub async fn patch(
    State(shared): State<Shared>,
    Path(at): Path<InDataset>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let live = shared.store.dataset(&at.id())?.ok_or_else(|| at.missing())?;
    alter(&shared, &at, &headers, patched(live, object(&body)?))
}

fn alter(shared: &Shared, at: &InDataset, headers: &HeaderMap, mut body: Value) -> Answer {
    let live = shared.store.dataset(&at.id())?.ok_or_else(|| at.missing())?;
    check_etag(headers, &live)?;
    keep(&mut body, &live, &["kind", "id", "datasetReference", "location", "creationTime"]);
    stamp(&mut body);
    shared.store.put_dataset(&at.id(), &body)?;
    Ok(Json(body))
}

pub async fn delete(
    State(shared): State<Shared>,
    Path(at): Path<InDataset>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let id = at.id();
    let tables = shared.store.list(List::Tables, &format!("{id}."))?;
    let contents = query.get("deleteContents").is_some_and(|value| value == "true");
    if !tables.is_empty() && !contents {
        let InDataset { project, dataset } = &at;
        let message = format!("Dataset {project}:{dataset} is still in use");
        return Err(No::new(400, "resourceInUse", message));
    }
    for table in tables {
        let name = table["tableReference"]["tableId"].as_str().unwrap_or_default();
        shared.store.delete_table(&format!("{id}.{name}"))?;
    }
    if shared.store.delete_dataset(&id)? { Ok(Json(json!({}))) } else { Err(at.missing()) }
}

pub async fn list(
    State(shared): State<Shared>,
    Path(project): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let datasets = shared.store.list(List::Datasets, &format!("{project}."))?;
    let (datasets, next) = page(datasets, query.get("pageToken"), query.get("maxResults"))?;
    let mut body = json!({ "kind": "bigquery#datasetList", "datasets": datasets });
    if let Some(token) = next {
        body["nextPageToken"] = json!(token);
    }
    Ok(Json(body))
}
