//! Answers in Google's form, and what requests have in common.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::local::bigquery::refusal::Refusal;
use crate::local::bigquery::store::StoreError;

pub type Answer = Result<Json<Value>, No>;

/// An answer that is no success.
#[derive(Debug)]
pub struct No {
    status: u16,
    reason: &'static str,
    message: String,
}

impl No {
    pub fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "notFound", message)
    }

    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(501, "notImplemented", message)
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let Self { status, reason, message } = self;
        let canonical = match status {
            400 | 413 => "INVALID_ARGUMENT",
            404 => "NOT_FOUND",
            409 => "ALREADY_EXISTS",
            412 => "FAILED_PRECONDITION",
            501 => "UNIMPLEMENTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let error = json!({
            "code": status,
            "message": message,
            "errors": [{ "message": message, "domain": "global", "reason": reason }],
            "status": canonical,
        });
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        Self::new(500, "internalError", format!("{error:?}"))
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            tonic::Code::NotFound => Self::not_found(refusal.message),
            tonic::Code::InvalidArgument => Self::invalid(refusal.message),
            _ => Self::new(500, "internalError", refusal.message),
        }
    }
}

/// A body that is a JSON object.
pub fn object(body: &Bytes) -> Result<Value, No> {
    match serde_json::from_slice(body) {
        Ok(body @ Value::Object(_)) => Ok(body),
        Ok(_) => Err(No::new(400, "parseError", "The body is no JSON object")),
        Err(error) => Err(No::new(400, "parseError", format!("Parse Error: {error}"))),
    }
}

/// Works where it may block: the store is a file.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, No> + Send + 'static,
) -> Result<T, No> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(No::new(500, "internalError", error.to_string())),
    }
}

/// 412 where the request names an etag that is not the resource's.
pub fn check_etag(headers: &HeaderMap, live: &Value) -> Result<(), No> {
    let wanted = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    match wanted {
        Some(etag) if etag != "*" && Some(etag) != live["etag"].as_str() => {
            Err(No::new(412, "conditionNotMet", "Precondition Failed"))
        }
        _ => Ok(()),
    }
}

/// Properties that a change cannot set: they stay as they are, or missing.
pub fn keep(body: &mut Value, live: &Value, fixed: &[&str]) {
    for name in fixed {
        match (live.get(name), body.as_object_mut()) {
            (Some(value), _) => body[*name] = value.clone(),
            (None, Some(body)) => drop(body.remove(*name)),
            (None, None) => {}
        }
    }
}

/// The body's properties over the resource's, as PATCH means it: `null` takes one away.
pub fn patched(mut live: Value, body: Value) -> Value {
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

/// Times, and an etag that no other state of the resource has.
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

/// One page of `items` behind `pageToken`, and the token of the next.
pub fn page(
    items: Vec<Value>,
    token: Option<&String>,
    most: Option<&String>,
) -> Result<(Vec<Value>, Option<String>), No> {
    let bad = |what: &str| No::invalid(format!("Invalid {what}"));
    let start = token.map_or(Ok(0), |token| token.parse().map_err(|_| bad("pageToken")))?;
    let most = most.map_or(Ok(usize::MAX), |most| most.parse().map_err(|_| bad("maxResults")))?;
    let all = items.len();
    let shown: Vec<Value> = items.into_iter().skip(start).take(most).collect();
    let end = start.saturating_add(shown.len());
    let next = (end < all && !shown.is_empty()).then(|| end.to_string());
    Ok((shown, next))
}
