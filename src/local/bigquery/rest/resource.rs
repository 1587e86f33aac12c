//! What datasets and tables have in common: reading bodies, changing a resource under its etag,
//! and listing resources in pages.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::api::{ApiError, ApiResult};
use super::state::RestState;
use crate::clock::Clock;
use crate::local::bigquery::store::Resources;

/// The path of a dataset or table, whose resource PUT and PATCH change.
pub trait ResourcePath: DeserializeOwned + Send {
    /// The current resource, or the error 404.
    fn live(&self, resources: &Resources<'_>) -> Result<Value, ApiError>;

    /// Checks `body` and stores it in place of `live`. Returns what was stored.
    fn replace(
        &self,
        resources: &Resources<'_>,
        live: &Value,
        body: Value,
    ) -> Result<Value, ApiError>;
}

/// Handles PUT.
pub async fn update<P: ResourcePath>(
    State(state): State<RestState>,
    Path(path): Path<P>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult {
    let body = object(&body)?;
    change(&state, &path, &headers, |_| body)
}

/// Handles PATCH.
pub async fn patch<P: ResourcePath>(
    State(state): State<RestState>,
    Path(path): Path<P>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult {
    let body = object(&body)?;
    change(&state, &path, &headers, |live| patched(live.clone(), body))
}

/// Replaces a resource by what `new` makes of it, if it has the etag that the request names.
fn change<P: ResourcePath>(
    state: &RestState,
    path: &P,
    headers: &HeaderMap,
    new: impl FnOnce(&Value) -> Value,
) -> ApiResult {
    state.store.change(|resources| {
        let live = path.live(resources)?;
        check_etag(headers, &live)?;
        path.replace(resources, &live, new(&live)).map(Json)
    })
}

/// Parses a body that has to be a JSON object.
pub fn object(body: &Bytes) -> Result<Value, ApiError> {
    let error = |message: String| ApiError::new(400, "parseError", message);
    match serde_json::from_slice(body) {
        Ok(body @ Value::Object(_)) => Ok(body),
        Ok(_) => Err(error("The body is not a JSON object".to_owned())),
        Err(parse_error) => Err(error(format!("Parse Error: {parse_error}"))),
    }
}

/// The error 412 if the request's `If-Match` is not the resource's etag.
fn check_etag(headers: &HeaderMap, live: &Value) -> Result<(), ApiError> {
    let wanted = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    match wanted {
        Some(etag) if etag != "*" && Some(etag) != live["etag"].as_str() => {
            Err(ApiError::new(412, "conditionNotMet", "Precondition Failed"))
        }
        _ => Ok(()),
    }
}

/// The properties of `body` over those of the live resource. A `null` removes a property.
fn patched(mut live: Value, body: Value) -> Value {
    if let (Some(live), Value::Object(changes)) = (live.as_object_mut(), body) {
        for (name, value) in changes {
            if value.is_null() {
                live.remove(&name);
            } else {
                live.insert(name, value);
            }
        }
    }
    live
}

/// Sets properties that a change cannot set back to their live values, or removes them if the live
/// resource does not have them.
pub fn keep(body: &mut Value, live: &Value, fixed: &[&str]) {
    for name in fixed {
        match (live.get(name), body.as_object_mut()) {
            (Some(value), _) => body[*name] = value.clone(),
            (None, Some(body)) => drop(body.remove(*name)),
            (None, None) => {}
        }
    }
}

/// Sets the times of a resource, and an etag that no other state of it has.
pub fn stamp(resource: &mut Value) {
    let micros = Clock::System.now_micros();
    if resource["creationTime"].is_null() {
        resource["creationTime"] = json!((micros / 1_000).to_string());
    }
    resource["lastModifiedTime"] = json!((micros / 1_000).to_string());
    let digest = Sha256::digest(format!("{resource}{micros}"));
    let etag: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    resource["etag"] = json!(etag);
}

/// Adds to `answer`, under `name`, the page of resources that the query asks for, and the token of
/// the next page if there is one.
pub fn paged(
    mut answer: Value,
    name: &str,
    resources: Vec<Value>,
    query: &HashMap<String, String>,
) -> ApiResult {
    let number = |key: &str, default: usize| match query.get(key) {
        Some(text) => text.parse().map_err(|_| ApiError::invalid(format!("Invalid {key}"))),
        None => Ok(default),
    };
    let (start, limit) = (number("pageToken", 0)?, number("maxResults", usize::MAX)?);
    let total = resources.len();
    let page: Vec<Value> = resources.into_iter().skip(start).take(limit).collect();
    let end = start.saturating_add(page.len());
    if end < total && !page.is_empty() {
        answer["nextPageToken"] = json!(end.to_string());
    }
    answer[name] = json!(page);
    Ok(Json(answer))
}
