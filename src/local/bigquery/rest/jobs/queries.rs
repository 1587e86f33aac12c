//! `jobs.query` and `jobs.getQueryResults`, in terms of query jobs.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::handlers::{JobPath, find};
use super::insertion::insert_job;
use super::query::QueryJob;
use crate::local::bigquery::rest::api::{ApiResult, blocking};
use crate::local::bigquery::rest::resource::object;
use crate::local::bigquery::rest::state::RestState;

/// Properties of a request that are about its answer, and not about the job.
const ABOUT_ANSWER: &[&str] = &["kind", "maxResults", "timeoutMs", "formatOptions", "requestId"];

/// Properties of a request that are those of the job, and not of its query.
const ABOUT_JOB: &[&str] = &["dryRun", "labels", "jobTimeoutMs"];

/// Inserts a query job and answers with its results. A request with the id of an earlier one gets the
/// results of that one's job.
pub async fn query(
    State(state): State<RestState>,
    Path(project): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
    body: Bytes,
) -> ApiResult {
    let request = object(&body)?;
    let repeated = job_of_request(&request);
    let mut job = query_job(request);
    if let Some(id) = &repeated {
        job["jobReference"]["jobId"] = json!(id);
    }
    let inserted = insert_job(&state, &project, job, None).await;
    blocking(move || {
        let job = match (inserted, repeated) {
            (Err(error), Some(job)) if error.is_duplicate() => {
                let path = JobPath { project, job };
                state.store.change(|resources| find(resources, &path, &parameters))?.resource
            }
            (inserted, _) => inserted?,
        };
        QueryJob::results(&state.store, &job, &parameters).map(Json)
    })
    .await
}

/// The id of the job that belongs to a request with an id.
fn job_of_request(request: &Value) -> Option<String> {
    let id = request["requestId"].as_str().filter(|id| !id.is_empty())?;
    let mut job = "job_of_request_".to_owned();
    for byte in id.bytes() {
        match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => job.push(char::from(byte)),
            byte => job.push_str(&format!("_{byte:02x}")),
        }
    }
    Some(job)
}

/// The resource of the job that a request of `jobs.query` asks for.
fn query_job(request: Value) -> Value {
    let mut job = json!({ "configuration": { "query": {} }, "jobReference": {} });
    let Value::Object(properties) = request else { return job };
    for (name, value) in properties {
        if name == "location" {
            job["jobReference"][name] = value;
        } else if ABOUT_JOB.contains(&name.as_str()) {
            job["configuration"][name] = value;
        } else if !ABOUT_ANSWER.contains(&name.as_str()) {
            job["configuration"]["query"][name] = value;
        }
    }
    job
}

/// The results of a query job.
pub async fn get_results(
    State(state): State<RestState>,
    Path(path): Path<JobPath>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> ApiResult {
    blocking(move || {
        let job = state.store.change(|resources| find(resources, &path, &parameters))?;
        QueryJob::results(&state.store, &job.resource, &parameters).map(Json)
    })
    .await
}
