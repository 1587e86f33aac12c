//! The little of BigQuery's REST we need, read as raw JSON: what we do not model is not dropped.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::auth::Identity;
use crate::config::TableId;
use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::sink::SinkError;

/// How long the service may be away at the start before a person is told; the orchestrator starts
/// us again.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Rest {
    http: reqwest::Client,
    base: String,
    identity: Identity,
}

/// An answer that is no success, in Google's form.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {on}: {status} {reason}: {message}")]
pub struct RestError {
    pub operation: &'static str,
    pub on: String,
    /// HTTP status; 0 where none came.
    pub status: u16,
    pub reason: String,
    pub message: String,
}

impl RestError {
    fn is_passing(&self) -> bool {
        matches!(self.status, 0 | 408 | 429 | 500..=599)
            || matches!(
                self.reason.as_str(),
                "rateLimitExceeded" | "backendError" | "internalError"
            )
    }

    pub fn stop(self) -> SinkError {
        let hint = match self.status {
            401 => "check GOOGLE_APPLICATION_CREDENTIALS or the workload identity",
            403 => {
                "grant roles/bigquery.dataEditor on the dataset to this identity \
                 (docs/reference/bigquery.md)"
            }
            404 => {
                "create the dataset in the write environment's location (bq mk --dataset), or \
                 correct project and dataset in the configuration"
            }
            _ => "see the message; docs/reference/bigquery.md lists what is needed",
        };
        SinkError {
            what: format!("{} {}", self.operation, self.on),
            hint: hint.to_owned(),
            source: Some(Box::new(self)),
        }
    }
}

/// One call to make.
struct Call<'a> {
    operation: &'static str,
    on: String,
    method: reqwest::Method,
    path: String,
    body: Option<&'a Value>,
    etag: Option<&'a str>,
}

impl Rest {
    pub fn new(base: String, identity: Identity) -> Self {
        Self { http: reqwest::Client::new(), base, identity }
    }

    /// The table's resource, `None` where there is none.
    pub async fn table(&self, table: &TableId) -> Result<Option<Value>, RestError> {
        let call = Call {
            operation: "read table",
            on: table.to_string(),
            method: reqwest::Method::GET,
            path: format!("{}/{}", tables(table), table.table),
            body: None,
            etag: None,
        };
        found(self.retried(&call).await)
    }

    pub async fn insert_table(&self, table: &TableId, body: &Value) -> Result<Value, RestError> {
        let call = Call {
            operation: "create table",
            on: table.to_string(),
            method: reqwest::Method::POST,
            path: tables(table),
            body: Some(body),
            etag: None,
        };
        self.retried(&call).await
    }

    /// Replaces the resource if it still has this etag; 412 where it does not.
    pub async fn update_table(
        &self,
        table: &TableId,
        body: &Value,
        etag: &str,
    ) -> Result<Value, RestError> {
        let call = Call {
            operation: "alter table",
            on: table.to_string(),
            method: reqwest::Method::PUT,
            path: format!("{}/{}", tables(table), table.table),
            body: Some(body),
            etag: Some(etag),
        };
        self.retried(&call).await
    }

    /// Makes the dataset where there is none.
    pub async fn ensure_dataset(&self, table: &TableId) -> Result<(), RestError> {
        let on = format!("{}.{}", table.project, table.dataset);
        let read = Call {
            operation: "read dataset",
            on: on.clone(),
            method: reqwest::Method::GET,
            path: format!("projects/{}/datasets/{}", table.project, table.dataset),
            body: None,
            etag: None,
        };
        if found(self.retried(&read).await)?.is_some() {
            return Ok(());
        }
        let reference = json!({ "projectId": table.project, "datasetId": table.dataset });
        let body = json!({ "datasetReference": reference });
        let create = Call {
            operation: "create dataset",
            on,
            method: reqwest::Method::POST,
            path: format!("projects/{}/datasets", table.project),
            body: Some(&body),
            etag: None,
        };
        match self.retried(&create).await {
            // Another instance made it meanwhile.
            Err(error) if error.status != 409 => Err(error),
            _ => Ok(()),
        }
    }

    async fn retried(&self, call: &Call<'_>) -> Result<Value, RestError> {
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(15));
        loop {
            match self.once(call).await {
                Err(error) if error.is_passing() && began.elapsed() < PATIENCE => {
                    tracing::warn!(error = %error, "bigquery does not answer as it should, trying again");
                    tokio::time::sleep(backoff.pause()).await;
                }
                done => return done,
            }
        }
    }

    async fn once(&self, call: &Call<'_>) -> Result<Value, RestError> {
        let failed = |status: u16, reason: &str, message: String| RestError {
            operation: call.operation,
            on: call.on.clone(),
            status,
            reason: reason.to_owned(),
            message,
        };
        let token =
            self.identity.token().await.map_err(|error| {
                failed(if error.passing { 0 } else { 401 }, "token", error.message)
            })?;
        let url = format!("{}/bigquery/v2/{}", self.base, call.path);
        let mut request =
            self.http.request(call.method.clone(), url).timeout(Duration::from_secs(30));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(etag) = call.etag {
            request = request.header("If-Match", etag);
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| failed(0, "transport", chain(&error)))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failed(0, "transport", chain(&error)))?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let reason = value["error"]["errors"][0]["reason"].as_str().unwrap_or_default();
        let message = value["error"]["message"].as_str().map_or(text.clone(), str::to_owned);
        Err(failed(status.as_u16(), reason, message))
    }
}

/// `None` where there is no such thing.
fn found(answer: Result<Value, RestError>) -> Result<Option<Value>, RestError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

fn tables(table: &TableId) -> String {
    format!("projects/{}/datasets/{}/tables", table.project, table.dataset)
}
