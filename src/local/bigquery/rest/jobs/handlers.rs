//! The calls about jobs, except those with an uploaded file.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::insertion::{cancelled, insert_job, is_done};
use super::reference::possible_ids;
use crate::local::bigquery::rest::api::{ApiError, ApiResult};
use crate::local::bigquery::rest::resource::{object, paged};
use crate::local::bigquery::rest::state::RestState;
use crate::local::bigquery::store::{Resources, StoredJob};

/// The job that a request's path names.
#[derive(serde::Deserialize)]
pub struct JobPath {
    pub project: String,
    pub job: String,
}

pub type Parameters = Query<Vec<(String, String)>>;

pub async fn insert(
    State(state): State<RestState>,
    Path(project): Path<String>,
    body: Bytes,
) -> ApiResult {
    let body = object(&body)?;
    insert_job(&state, &project, body, None).await.map(Json)
}

pub async fn get(
    State(state): State<RestState>,
    Path(path): Path<JobPath>,
    Query(query): Parameters,
) -> ApiResult {
    state.store.change(|resources| Ok(Json(find(resources, &path, &query)?.resource)))
}

/// Cancels a job that is running. A job that is done stays as it is.
pub async fn cancel(
    State(state): State<RestState>,
    Path(path): Path<JobPath>,
    Query(query): Parameters,
) -> ApiResult {
    state.store.change(|resources| {
        let mut job = find(resources, &path, &query)?;
        if !is_done(&job.resource) {
            job.resource = cancelled(job.resource);
            resources.end_job(&job.id, &job.resource)?;
        }
        Ok(Json(json!({ "kind": "bigquery#jobCancelResponse", "job": job.resource })))
    })
}

/// Deletes a job that is done.
pub async fn delete(
    State(state): State<RestState>,
    Path(path): Path<JobPath>,
    Query(query): Parameters,
) -> ApiResult {
    state.store.change(|resources| {
        let job = find(resources, &path, &query)?;
        if !is_done(&job.resource) {
            let message =
                format!("Job {} is running: only a job that is done can be deleted.", job.id);
            return Err(ApiError::invalid(message));
        }
        resources.delete_job(&job.id)?;
        Ok(Json(json!({})))
    })
}

/// The job of a path, in the location that the request names.
pub fn find(
    resources: &Resources<'_>,
    path: &JobPath,
    query: &[(String, String)],
) -> Result<StoredJob, ApiError> {
    let location = query.iter().find(|(name, _)| name == "location");
    let location = location.map(|(_, location)| location.as_str());
    let ids = possible_ids(&path.project, &path.job, location);
    for id in &ids {
        if let Some(job) = resources.job(id)? {
            return Ok(job);
        }
    }
    Err(ApiError::not_found(format!("Not found: Job {}", ids[0])))
}

/// Lists the jobs of a project, the latest first.
pub async fn list(
    State(state): State<RestState>,
    Path(project): Path<String>,
    Query(query): Parameters,
) -> ApiResult {
    let filter = Filter::of(&query)?;
    let is_full = match query.iter().rfind(|(name, _)| name == "projection") {
        Some((_, value)) if value.eq_ignore_ascii_case("full") => true,
        Some((_, value)) if !value.eq_ignore_ascii_case("minimal") => {
            return Err(ApiError::invalid(format!("Invalid value for projection: {value}")));
        }
        _ => false,
    };
    let jobs = state.store.jobs(&project)?;
    let jobs = jobs.into_iter().filter(|job| filter.accepts(job));
    let jobs = jobs.map(|job| listed(job, is_full)).collect();
    let pages: HashMap<String, String> =
        query.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    paged(json!({ "kind": "bigquery#jobList" }), "jobs", jobs, &pages)
}

/// Which jobs a list has.
#[derive(Debug, Default)]
struct Filter {
    /// The states, in capital letters; empty for all.
    states: Vec<String>,
    /// Creation times, in milliseconds since the epoch.
    from: Option<i64>,
    to: Option<i64>,
}

impl Filter {
    fn of(query: &[(String, String)]) -> Result<Self, ApiError> {
        let mut filter = Self::default();
        let number = |name: &str, value: &str| {
            let invalid = |_| ApiError::invalid(format!("Invalid value for {name}: {value}"));
            value.parse().map(Some).map_err(invalid)
        };
        for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "stateFilter" => {
                    let state = value.to_ascii_uppercase();
                    if !["DONE", "PENDING", "RUNNING"].contains(&state.as_str()) {
                        let message = format!("Invalid value for stateFilter: {value}");
                        return Err(ApiError::invalid(message));
                    }
                    filter.states.push(state);
                }
                "minCreationTime" => filter.from = number(name, value)?,
                "maxCreationTime" => filter.to = number(name, value)?,
                "parentJobId" => {
                    let message = "The embedded BigQuery does not support parentJobId.";
                    return Err(ApiError::unimplemented(message));
                }
                _ => {}
            }
        }
        Ok(filter)
    }

    fn accepts(&self, job: &Value) -> bool {
        let state = job["status"]["state"].as_str().unwrap_or_default();
        let created = job["statistics"]["creationTime"].as_str();
        let created: i64 = created.and_then(|created| created.parse().ok()).unwrap_or_default();
        (self.states.is_empty() || self.states.iter().any(|wanted| wanted == state))
            && self.from.is_none_or(|from| created >= from)
            && self.to.is_none_or(|to| created <= to)
    }
}

/// A job as a list shows it: with its configuration only if the request asks for all of it.
fn listed(mut job: Value, is_full: bool) -> Value {
    job["state"] = job["status"]["state"].clone();
    if !job["status"]["errorResult"].is_null() {
        job["errorResult"] = job["status"]["errorResult"].clone();
    }
    if let Some(job) = job.as_object_mut() {
        job.remove("etag");
        if !is_full {
            job.remove("configuration");
        }
    }
    job
}
