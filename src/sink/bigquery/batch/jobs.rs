//! Jobs. The caller chooses a job's id, so that a job whose answer was lost is not run twice, and one
//! whose submitter was killed is found.

use std::time::Duration;

use serde_json::{Value, json};

use crate::retry::Backoff;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::rest::RestError;
use crate::stop::Stop;

/// How often a job that failed for a passing reason is run under another id.
const ATTEMPTS: u32 = 5;

/// A job to run.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// What it does, for messages: `copy the rows into p.d.t$20261121`.
    pub what: String,
    pub project: &'a str,
    /// The location of the dataset.
    pub location: Option<&'a str>,
    /// Up to 1,000 letters, digits, `-` and `_`. Only a job that does the same may have the same id.
    pub id: String,
    /// `configuration` of the job's resource.
    pub configuration: Value,
}

/// A query that changes nothing.
#[derive(Debug, Clone)]
pub struct Select<'a> {
    /// What it does, for messages.
    pub what: String,
    pub project: &'a str,
    /// The location of the dataset.
    pub location: Option<&'a str>,
    pub sql: &'a str,
    /// It fails where more would be billed.
    pub most_bytes_billed: Option<u64>,
}

/// What such a query has answered.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The first rows, each as its cells in order.
    pub rows: Vec<Vec<Value>>,
    pub bytes_billed: u64,
}

/// The answer of such a query, page by page.
pub struct Pages {
    bigquery: BigQuery,
    project: String,
    location: Option<String>,
    /// Of the job.
    id: String,
    bytes_billed: u64,
    next: Next,
}

/// The page that is read next.
enum Next {
    First,
    Page(String),
    None,
}

/// The configuration of a query job.
pub fn query(sql: &str) -> Value {
    json!({ "query": { "query": sql, "useLegacySql": false } })
}

/// A job that has succeeded.
#[derive(Debug, Clone)]
pub struct JobDone {
    pub id: String,
    /// `statistics` of the job's resource.
    pub statistics: Value,
}

/// A job that has not succeeded.
#[derive(Debug)]
pub enum JobError {
    /// BigQuery ran it and it failed.
    Failed {
        what: String,
        reason: String,
        message: String,
    },
    Rest(RestError),
}

impl JobDone {
    /// A number of the statistics by its JSON pointer; 0 where it is not there.
    pub fn number(&self, pointer: &str) -> u64 {
        let value = self.statistics.pointer(pointer);
        let text = value.and_then(Value::as_str).and_then(|text| text.parse().ok());
        text.or_else(|| value.and_then(Value::as_u64)).unwrap_or(0)
    }
}

impl JobError {
    pub fn stop(self, hint: &str) -> Stop {
        match self {
            Self::Failed { what, reason, message } => {
                let hint = match () {
                    () if message.contains("streaming buffer") => {
                        "rows that were streamed within the last 90 minutes cannot be changed: run \
                         it again later, or in mode truncate with a partition of one day, which \
                         replaces the partition"
                    }
                    () => hint,
                };
                Stop::new(what, hint, format!("{reason}: {message}"))
            }
            Self::Rest(error) => error.stop(),
        }
    }
}

impl BigQuery {
    /// Waits until the job of this id, if there is one, has ended. Whoever submitted it is gone.
    pub async fn wait_for_job(
        &self,
        project: &str,
        location: Option<&str>,
        id: &str,
    ) -> Result<(), Stop> {
        for attempt in 1..=ATTEMPTS {
            let id = attempt_id(id, attempt);
            let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
            loop {
                match self.rest().job(project, location, &id).await {
                    Ok(job) if job["status"]["state"].as_str() == Some("DONE") => break,
                    Ok(_) => tracing::info!(id, "waiting for the job of an interrupted run"),
                    Err(error) if error.status() == Some(404) => return Ok(()),
                    Err(error) => return Err(error.stop()),
                }
                tokio::time::sleep(backoff.pause()).await;
            }
        }
        Ok(())
    }

    /// Runs a job to its end.
    pub async fn run_job(&self, job: &Job<'_>) -> Result<JobDone, JobError> {
        let mut attempt = 1;
        loop {
            let id = attempt_id(&job.id, attempt);
            match self.run_job_once(job, &id).await {
                Err(JobError::Failed { reason, message, .. })
                    if passes(&reason) && attempt < ATTEMPTS =>
                {
                    tracing::warn!(id, reason, message, "{}: run again", job.what);
                    tokio::time::sleep(Duration::from_secs(u64::from(attempt))).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn run_job_once(&self, job: &Job<'_>, id: &str) -> Result<JobDone, JobError> {
        let reference = json!({ "projectId": job.project, "jobId": id });
        let mut body = json!({ "jobReference": reference, "configuration": job.configuration });
        if let Some(location) = job.location {
            body["jobReference"]["location"] = json!(location);
        }
        let rest = self.rest();
        let mut resource = match rest.insert_job(job.project, id, &body).await {
            Ok(resource) => resource,
            // The answer to an earlier call was lost.
            Err(error) if error.status() == Some(409) => {
                let found = rest.job(job.project, job.location, id).await;
                found.map_err(JobError::Rest)?
            }
            Err(error) => return Err(JobError::Rest(error)),
        };
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        while resource["status"]["state"].as_str() != Some("DONE") {
            tokio::time::sleep(backoff.pause()).await;
            resource = rest.job(job.project, job.location, id).await.map_err(JobError::Rest)?;
        }
        let error = &resource["status"]["errorResult"];
        if error.is_null() {
            let statistics = resource["statistics"].take();
            return Ok(JobDone { id: id.to_owned(), statistics });
        }
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        Err(JobError::Failed {
            what: job.what.clone(),
            reason: text("reason"),
            message: text("message"),
        })
    }

    /// Runs a query that changes nothing, and returns its rows: so many that they fit into memory.
    pub async fn select(&self, it: Select<'_>) -> Result<Selected, JobError> {
        let mut pages = self.pages(it).await?;
        let rows = pages.all().await.map_err(JobError::Rest)?;
        Ok(Selected { rows, bytes_billed: pages.bytes_billed })
    }

    /// Runs a query that changes nothing, all of whose rows are wanted.
    pub async fn pages(&self, it: Select<'_>) -> Result<Pages, JobError> {
        let mut configuration = query(it.sql);
        if let Some(most) = it.most_bytes_billed {
            configuration["query"]["maximumBytesBilled"] = json!(most.to_string());
        }
        let job = Job {
            what: it.what,
            project: it.project,
            location: it.location,
            id: format!("generic_consumer_read_{:016x}", rand::random::<u64>()),
            configuration,
        };
        let done = self.run_job(&job).await?;
        Ok(self.pages_of(&job, &done))
    }

    /// The rows of the answer of a query that has run, each as its cells in order.
    pub async fn answer(&self, job: &Job<'_>, done: &JobDone) -> Result<Vec<Vec<Value>>, Stop> {
        self.pages_of(job, done).all().await.map_err(RestError::stop)
    }

    fn pages_of(&self, job: &Job<'_>, done: &JobDone) -> Pages {
        Pages {
            bigquery: self.clone(),
            project: job.project.to_owned(),
            location: job.location.map(str::to_owned),
            bytes_billed: done.number("/query/totalBytesBilled"),
            id: done.id.clone(),
            next: Next::First,
        }
    }
}

/// The rows of an answer, each as its cells in order.
fn cells(answer: &Value) -> Vec<Vec<Value>> {
    let cells = |row: &Value| {
        let cells = row["f"].as_array().into_iter().flatten();
        cells.map(|cell| cell["v"].clone()).collect()
    };
    answer["rows"].as_array().into_iter().flatten().map(cells).collect()
}

impl Pages {
    pub fn bytes_billed(&self) -> u64 {
        self.bytes_billed
    }

    /// The next rows, as many as BigQuery puts into an answer; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Vec<Value>>>, Stop> {
        self.page().await.map_err(RestError::stop)
    }

    /// All rows that are left.
    async fn all(&mut self) -> Result<Vec<Vec<Value>>, RestError> {
        let mut all = Vec::new();
        while let Some(rows) = self.page().await? {
            all.extend(rows);
        }
        Ok(all)
    }

    async fn page(&mut self) -> Result<Option<Vec<Vec<Value>>>, RestError> {
        let page = match &self.next {
            Next::First => None,
            Next::Page(token) => Some(token.as_str()),
            Next::None => return Ok(None),
        };
        let (project, location) = (&self.project, self.location.as_deref());
        let answer = self.bigquery.rest().query_results(project, location, &self.id, page).await?;
        self.next = match answer["pageToken"].as_str() {
            Some(token) => Next::Page(token.to_owned()),
            None => Next::None,
        };
        Ok(Some(cells(&answer)))
    }
}

/// The id of the nth attempt.
fn attempt_id(id: &str, attempt: u32) -> String {
    if attempt == 1 { id.to_owned() } else { format!("{id}_{attempt}") }
}

/// Whether another job of the same configuration may succeed.
fn passes(reason: &str) -> bool {
    matches!(
        reason,
        "backendError"
            | "internalError"
            | "rateLimitExceeded"
            | "jobRateLimitExceeded"
            | "tableUnavailable"
    )
}
