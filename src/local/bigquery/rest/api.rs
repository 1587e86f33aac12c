//! Results and errors in the form of Google's REST APIs.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::local::bigquery::refusal::Refusal;
use crate::local::bigquery::store::StoreError;

pub type ApiResult = Result<Json<Value>, ApiError>;

/// An error response.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    status: u16,
    reason: &'static str,
    message: String,
}

impl ApiError {
    pub fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    /// The reason and the message, if this is an error of the request and not of the server.
    pub fn of_request(self) -> Result<(&'static str, String), Self> {
        if (400..500).contains(&self.status) { Ok((self.reason, self.message)) } else { Err(self) }
    }

    pub fn reason_and_message(self) -> (&'static str, String) {
        (self.reason, self.message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "notFound", message)
    }

    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new(409, "duplicate", message)
    }

    pub fn is_duplicate(&self) -> bool {
        self.reason == "duplicate"
    }

    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(501, "notImplemented", message)
    }
}

impl IntoResponse for ApiError {
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

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::new(500, "internalError", format!("{error:?}"))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            tonic::Code::NotFound => Self::not_found(refusal.message),
            tonic::Code::InvalidArgument => Self::invalid(refusal.message),
            _ => Self::new(500, "internalError", refusal.message),
        }
    }
}

/// Runs work on a thread that may block, because the store is a file.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::new(500, "internalError", error.to_string())),
    }
}
