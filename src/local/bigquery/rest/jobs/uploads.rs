//! Load jobs whose file is uploaded with the request (`uploadType=multipart`), or in the requests after
//! it (`uploadType=resumable`).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::insertion::insert_job;
use super::multipart::{boundary, parts};
use super::sessions::UploadState;
use super::task::Task;
use crate::local::bigquery::rest::api::ApiError;
use crate::local::bigquery::rest::resource::object;
use crate::local::bigquery::rest::state::RestState;

/// The parameters of an upload's requests.
#[derive(serde::Deserialize)]
pub struct UploadQuery {
    #[serde(rename = "uploadType")]
    kind: Option<String>,
    upload_id: Option<String>,
}

/// Inserts a job with its file, or begins a resumable upload of the file.
pub async fn begin(
    State(state): State<RestState>,
    Path(project): Path<String>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    match query.kind.as_deref() {
        Some("multipart") => {
            let kind = text(&headers, &header::CONTENT_TYPE).unwrap_or_default();
            let parts = boundary(kind).and_then(|boundary| parts(&body, boundary));
            let Some([job, file]) = parts.as_deref() else {
                let message = "The body must be multipart/related with two parts: job and file.";
                return Err(ApiError::new(400, "badContent", message));
            };
            let (job, file) = (object(&Bytes::copy_from_slice(job))?, file.to_vec());
            let inserted = insert_job(&state, &project, job, Some(file)).await?;
            Ok(Json(inserted).into_response())
        }
        Some("resumable") => {
            let job = object(&body)?;
            Task::of(&project, &job["configuration"])?.check_upload(true)?;
            let host = text(&headers, &header::HOST).unwrap_or("localhost");
            let path = format!("upload/bigquery/v2/projects/{project}/jobs");
            let id = state.uploads.begin(project, job);
            let url = format!("http://{host}/{path}?uploadType=resumable&upload_id={id}");
            let header =
                [(header::LOCATION, url), (HeaderName::from_static("x-guploader-uploadid"), id)];
            Ok((StatusCode::OK, header).into_response())
        }
        kind => Err(ApiError::unimplemented(format!(
            "The embedded BigQuery does not support the uploadType {}.",
            kind.unwrap_or("(none)")
        ))),
    }
}

/// Takes the next bytes of a resumable upload. The job is inserted when the file is complete.
pub async fn proceed(
    State(state): State<RestState>,
    Path(project): Path<String>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let id = query.upload_id.unwrap_or_default();
    let upload = state.uploads.get(&id);
    let upload = upload.ok_or_else(|| ApiError::not_found(format!("Not found: Upload {id}")))?;
    let range = match text(&headers, &header::CONTENT_RANGE) {
        Some(range) => ContentRange::of(range).ok_or_else(|| {
            ApiError::invalid(format!("Failed to parse Content-Range header: {range}"))
        })?,
        None => ContentRange { start: Some(0), total: Some(body.len()) },
    };
    let proceeds = async move {
        // Held while the job is inserted, so that a repeated request inserts no second one.
        let mut upload = upload.lock().await;
        if upload.project != project {
            return Err(ApiError::not_found(format!("Not found: Upload {id}")));
        }
        let (job, bytes) = match &mut upload.state {
            UploadState::Done(job) => return Ok(Json(job.clone()).into_response()),
            UploadState::Open { job, bytes } => (job, bytes),
        };
        if let Some(start) = range.start {
            if start > bytes.len() {
                let message =
                    format!("Invalid request. {} bytes were received before.", bytes.len());
                return Err(ApiError::invalid(message));
            }
            // A client that lost an answer sends bytes again.
            bytes.truncate(start);
            bytes.extend_from_slice(&body);
        }
        if range.total != Some(bytes.len()) {
            return Ok(incomplete(bytes.len()));
        }
        let inserted = insert_job(&state, &project, job.clone(), Some(bytes.clone())).await?;
        upload.state = UploadState::Done(inserted.clone());
        Ok(Json(inserted).into_response())
    };
    // A task of its own goes on if the client closes the connection: the next request gets its answer.
    match tokio::spawn(proceeds).await {
        Ok(answer) => answer,
        Err(error) => Err(ApiError::new(500, "internalError", error.to_string())),
    }
}

/// The answer to a request after which bytes are still missing.
fn incomplete(received: usize) -> Response {
    let status = StatusCode::PERMANENT_REDIRECT;
    match received.checked_sub(1) {
        Some(last) => (status, [(header::RANGE, format!("bytes=0-{last}"))]).into_response(),
        None => status.into_response(),
    }
}

/// `bytes 0-99/200`, `bytes 0-99/*`, or, to ask how many bytes have arrived, `bytes */200`.
struct ContentRange {
    /// The offset of the request's first byte.
    start: Option<usize>,
    /// The length of the file, if the client knows it.
    total: Option<usize>,
}

impl ContentRange {
    fn of(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        let start = match range {
            "*" => None,
            range => Some(range.split_once('-')?.0.parse().ok()?),
        };
        Some(Self { start, total })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
