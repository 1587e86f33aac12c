//! The few calls of BigQuery's REST API that we need. Resources are raw JSON, so that what we do
//! not model survives when we write a resource back.

mod error;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use self::error::RestError;
use self::error::RestErrorCause;
use super::auth::Identity;
use crate::config::TableId;
use crate::error_chain::chain;
use crate::retry::Backoff;

/// How long transient errors of a call are retried: longer than the ten minutes that a quota may take
/// to refill. REST calls are made only while the instance starts; after this time it stops with the
/// error, and the orchestrator restarts it.
const RETRY_FOR: Duration = Duration::from_secs(900);

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The REST client of one endpoint.
pub struct Rest {
    http: reqwest::Client,
    base: String,
    identity: Identity,
    /// How long transient errors of a call are retried.
    patience: Duration,
}

/// One call to make. `operation` and `on` are for errors: `read table`, `project.dataset.table`.
struct RestRequest<'a> {
    operation: &'static str,
    on: String,
    method: reqwest::Method,
    path: String,
    body: Option<&'a Value>,
    /// The call succeeds only if the resource still has this etag.
    etag: Option<&'a str>,
}

impl Rest {
    pub fn new(base: String, identity: Identity, http: reqwest::Client) -> Self {
        Self { http, base, identity, patience: RETRY_FOR }
    }

    /// The same client, for somebody who would rather know now that a call fails.
    pub fn impatient(&self) -> Self {
        let (http, base, identity) = (self.http.clone(), self.base.clone(), self.identity.clone());
        Self { http, base, identity, patience: Duration::ZERO }
    }

    /// Whether the table's dataset is there.
    pub async fn has_dataset(&self, table: &TableId) -> Result<bool, RestError> {
        let read = RestRequest {
            operation: "read dataset",
            on: format!("{}.{}", table.project, table.dataset),
            method: reqwest::Method::GET,
            path: format!("projects/{}/datasets/{}", table.project, table.dataset),
            body: None,
            etag: None,
        };
        Ok(none_if_missing(self.send(&read).await)?.is_some())
    }

    /// Which of these permissions this identity has on the table.
    pub async fn permissions(
        &self,
        table: &TableId,
        asked: &[&str],
    ) -> Result<Vec<String>, RestError> {
        let body = json!({ "permissions": asked });
        let request = RestRequest {
            operation: "ask for permissions on table",
            on: table.to_string(),
            method: reqwest::Method::POST,
            path: format!("{}/{}:testIamPermissions", tables(table), table.table),
            body: Some(&body),
            etag: None,
        };
        let answer = self.send(&request).await?;
        let granted = answer["permissions"].as_array().into_iter().flatten();
        Ok(granted.filter_map(|one| one.as_str().map(str::to_owned)).collect())
    }

    /// Returns the table's resource; `None` if there is no such table.
    pub async fn table(&self, table: &TableId) -> Result<Option<Value>, RestError> {
        let request = RestRequest {
            operation: "read table",
            on: table.to_string(),
            method: reqwest::Method::GET,
            path: format!("{}/{}", tables(table), table.table),
            body: None,
            etag: None,
        };
        none_if_missing(self.send(&request).await)
    }

    /// Creates the table; fails with status 409 if it exists.
    pub async fn insert_table(&self, table: &TableId, body: &Value) -> Result<Value, RestError> {
        let request = RestRequest {
            operation: "create table",
            on: table.to_string(),
            method: reqwest::Method::POST,
            path: tables(table),
            body: Some(body),
            etag: None,
        };
        self.send(&request).await
    }

    /// Replaces the table's resource; fails with status 412 if it no longer has this etag.
    pub async fn update_table(
        &self,
        table: &TableId,
        body: &Value,
        etag: &str,
    ) -> Result<Value, RestError> {
        let request = RestRequest {
            operation: "alter table",
            on: table.to_string(),
            method: reqwest::Method::PUT,
            path: format!("{}/{}", tables(table), table.table),
            body: Some(body),
            etag: Some(etag),
        };
        self.send(&request).await
    }

    /// Deletes the table with its rows. One that is not there is no error.
    pub async fn delete_table(&self, table: &TableId) -> Result<(), RestError> {
        let request = RestRequest {
            operation: "delete table",
            on: table.to_string(),
            method: reqwest::Method::DELETE,
            path: format!("{}/{}", tables(table), table.table),
            body: None,
            etag: None,
        };
        none_if_missing(self.send(&request).await).map(drop)
    }

    /// The names of all tables in the dataset of this one.
    pub async fn tables(&self, of: &TableId) -> Result<Vec<String>, RestError> {
        let mut names = Vec::new();
        let mut page = String::new();
        loop {
            let request = RestRequest {
                operation: "list the tables of",
                on: format!("{}.{}", of.project, of.dataset),
                method: reqwest::Method::GET,
                path: format!("{}?maxResults=1000{page}", tables(of)),
                body: None,
                etag: None,
            };
            let answer = self.send(&request).await?;
            let listed = answer["tables"].as_array().into_iter().flatten();
            let listed = listed.filter_map(|table| table["tableReference"]["tableId"].as_str());
            names.extend(listed.map(str::to_owned));
            match answer["nextPageToken"].as_str() {
                Some(token) => page = format!("&pageToken={token}"),
                None => return Ok(names),
            }
        }
    }

    /// Submits a job; fails with status 409 if one has this id.
    pub async fn insert_job(
        &self,
        project: &str,
        id: &str,
        body: &Value,
    ) -> Result<Value, RestError> {
        let request = RestRequest {
            operation: "submit job",
            on: id.to_owned(),
            method: reqwest::Method::POST,
            path: format!("projects/{project}/jobs"),
            body: Some(body),
            etag: None,
        };
        self.send(&request).await
    }

    /// The job's resource.
    pub async fn job(
        &self,
        project: &str,
        location: Option<&str>,
        id: &str,
    ) -> Result<Value, RestError> {
        let location = location.map_or(String::new(), |at| format!("?location={at}"));
        let request = RestRequest {
            operation: "read job",
            on: id.to_owned(),
            method: reqwest::Method::GET,
            path: format!("projects/{project}/jobs/{id}{location}"),
            body: None,
            etag: None,
        };
        self.send(&request).await
    }

    /// A page of the answer of a query that has run; `None`: the first.
    pub async fn query_results(
        &self,
        project: &str,
        location: Option<&str>,
        id: &str,
        page: Option<&str>,
    ) -> Result<Value, RestError> {
        let location = location.map_or(String::new(), |at| format!("&location={at}"));
        let page = page.map_or(String::new(), |token| format!("&pageToken={token}"));
        let request = RestRequest {
            operation: "read the answer of job",
            on: id.to_owned(),
            method: reqwest::Method::GET,
            path: format!("projects/{project}/queries/{id}?maxResults=1000{location}{page}"),
            body: None,
            etag: None,
        };
        self.send(&request).await
    }

    /// Creates the table's dataset if it does not exist.
    pub async fn ensure_dataset(&self, table: &TableId) -> Result<(), RestError> {
        if self.has_dataset(table).await? {
            return Ok(());
        }
        let reference = json!({ "projectId": table.project, "datasetId": table.dataset });
        let body = json!({ "datasetReference": reference });
        let create = RestRequest {
            operation: "create dataset",
            on: format!("{}.{}", table.project, table.dataset),
            method: reqwest::Method::POST,
            path: format!("projects/{}/datasets", table.project),
            body: Some(&body),
            etag: None,
        };
        match self.send(&create).await {
            Ok(_) => Ok(()),
            // Another instance created it in the meantime.
            Err(error) if error.status() == Some(409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the call, and retries it while its errors are transient.
    async fn send(&self, request: &RestRequest<'_>) -> Result<Value, RestError> {
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(15));
        let mut first = true;
        loop {
            match self.attempt(request).await {
                Err(error) if error.is_transient() && began.elapsed() < self.patience => {
                    let hint = error.hint().filter(|_| first);
                    first = false;
                    tracing::warn!(error = %chain(&error), hint, "retrying a bigquery rest call");
                    tokio::time::sleep(backoff.pause()).await;
                }
                result => return result,
            }
        }
    }

    async fn attempt(&self, request: &RestRequest<'_>) -> Result<Value, RestError> {
        let failed = |cause| RestError::new(request.operation, &request.on, cause);
        let transport = |error| failed(RestErrorCause::Transport(error));
        let no_token = |error| failed(RestErrorCause::NoToken(error));
        let token = self.identity.token().await.map_err(no_token)?;
        let url = format!("{}/bigquery/v2/{}", self.base, request.path);
        let mut http = self.http.request(request.method.clone(), url).timeout(ATTEMPT_TIMEOUT);
        if let Some(token) = token {
            http = http.bearer_auth(token);
        }
        if let Some(etag) = request.etag {
            http = http.header("If-Match", etag);
        }
        if let Some(body) = request.body {
            http = http.json(body);
        }
        let response = http.send().await.map_err(transport)?;
        let status = response.status();
        let text = response.text().await.map_err(transport)?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let error = &value["error"];
        Err(failed(RestErrorCause::Refused {
            status: status.as_u16(),
            reason: error["errors"][0]["reason"].as_str().unwrap_or_default().to_owned(),
            message: error["message"].as_str().map_or(text, str::to_owned),
        }))
    }
}

/// Turns status 404 into `None`.
fn none_if_missing(result: Result<Value, RestError>) -> Result<Option<Value>, RestError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the path of the dataset's tables.
fn tables(table: &TableId) -> String {
    format!("projects/{}/datasets/{}/tables", table.project, table.dataset)
}
