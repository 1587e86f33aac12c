//! Inserts jobs and ends them. What a job changes and its state DONE are one transaction.

use std::time::Duration;

use serde_json::{Value, json};

use super::destination::Run;
use super::failure::{JobError, JobFailure};
use super::objects::SourceFile;
use super::reference::{JobReference, WantedReference};
use super::task::{Outcome, Task};
use crate::clock::Clock;
use crate::local::bigquery::faults::InjectedFault;
use crate::local::bigquery::rest::api::{ApiError, blocking};
use crate::local::bigquery::rest::resource::stamp;
use crate::local::bigquery::rest::state::RestState;
use crate::local::bigquery::store::{Resources, StoredJob};

/// What messages call an uploaded file.
const UPLOADED: &str = "file-00000000";

/// The files that a job reads, or why they cannot be read.
type Files = Result<Vec<SourceFile>, JobFailure>;

/// Inserts a job into a project, and does it unless the fault `job_delay` is drawn. `upload` is the
/// uploaded file of a load job. Returns the job's resource.
pub async fn insert_job(
    state: &RestState,
    project: &str,
    body: Value,
    upload: Option<Vec<u8>>,
) -> Result<Value, ApiError> {
    let wanted = WantedReference::of(project, &body["jobReference"])?;
    let task = Task::of(project, &body["configuration"])?;
    task.check_upload(upload.is_some())?;
    let delay = state.faults.draw(InjectedFault::JobDelay);
    let (files, kept) = match delay {
        Some(_) => (Ok(Vec::new()), upload),
        None => (files(state, &task, upload).await, None),
    };
    let (inserting, project) = (state.clone(), project.to_owned());
    blocking(move || {
        let job = inserting.store.change(|resources| {
            let reference = located(resources, wanted, &task)?;
            let id = reference.id();
            if resources.job(&id)?.is_some() {
                return Err(ApiError::already_exists(format!("Already Exists: Job {id}")));
            }
            let created = Clock::System.now_micros();
            let resource = running(&reference, &task, &body["configuration"], created);
            let mut job = StoredJob { id, resource, input: kept };
            if delay.is_none() {
                job.resource = done(&inserting, resources, job.resource, &task, files)?;
            }
            resources.insert_job(&project, created, &job)?;
            Ok(job)
        })?;
        // Here, because the request's own task ends with its connection.
        if let Some(delay) = delay {
            tokio::spawn(end_later(inserting, job.id, delay));
        }
        Ok(job.resource)
    })
    .await
}

/// The files that a job reads: the uploaded one, or the objects that it names.
async fn files(state: &RestState, task: &Task, upload: Option<Vec<u8>>) -> Files {
    match upload {
        Some(bytes) => Ok(vec![SourceFile { name: UPLOADED.to_owned(), bytes }]),
        None => state.objects.read(task.uris()).await,
    }
}

/// Ends the jobs that were running when the server stopped.
pub fn resume(state: &RestState) {
    match state.store.unfinished_jobs() {
        Ok(ids) => {
            for id in ids {
                tokio::spawn(end_later(state.clone(), id, Duration::ZERO));
            }
        }
        Err(error) => tracing::error!(?error, "cannot read the jobs that were running"),
    }
}

/// Does a stored job after a delay, unless it was cancelled meanwhile.
async fn end_later(state: RestState, id: String, delay: Duration) {
    tokio::time::sleep(delay).await;
    if let Err(error) = end(state, id).await {
        tracing::error!(?error, "a job of the embedded bigquery cannot end");
    }
}

async fn end(state: RestState, id: String) -> Result<(), ApiError> {
    let Some(job) = state.store.change(|resources| resources.job(&id))? else { return Ok(()) };
    let project = job.resource["jobReference"]["projectId"].as_str().unwrap_or_default();
    let task = Task::of(project, &job.resource["configuration"])?;
    let files = files(&state, &task, job.input).await;
    blocking(move || {
        state.store.change(|resources| {
            let Some(job) = resources.job(&id)? else { return Ok(()) };
            if is_done(&job.resource) {
                return Ok(());
            }
            let resource = match done(&state, resources, job.resource.clone(), &task, files) {
                Ok(resource) => resource,
                // There is no request to refuse any more.
                Err(error) => ended(job.resource, failure_of(error).status()),
            };
            Ok(resources.end_job(&id, &resource)?)
        })
    })
    .await
}

/// Whether a job has ended.
pub fn is_done(job: &Value) -> bool {
    job["status"]["state"] == "DONE"
}

/// The resource of a running job after it was cancelled.
pub fn cancelled(job: Value) -> Value {
    let message = "Job execution was cancelled: User requested cancellation";
    ended(job, JobFailure::new("stopped", message).status())
}

/// The resource of a job that ends now with this status.
fn ended(mut job: Value, status: Value) -> Value {
    job["status"] = status;
    job["statistics"]["endTime"] = millis(Clock::System.now_micros());
    stamp_job(&mut job);
    job
}

fn failure_of(error: ApiError) -> JobFailure {
    let (reason, message) = error.reason_and_message();
    JobFailure::new(reason, message)
}

/// Gives the job its location: the one that the request names, or that of the destination's dataset.
fn located(
    resources: &Resources<'_>,
    wanted: WantedReference,
    task: &Task,
) -> Result<JobReference, ApiError> {
    let dataset = match task.destination() {
        Some(destination) => resources.dataset(&destination.path.of_dataset().id())?,
        None => None,
    };
    let location = dataset.as_ref().and_then(|dataset| dataset["location"].as_str());
    Ok(wanted.in_location(location))
}

/// The resource of a job that has begun.
fn running(reference: &JobReference, task: &Task, configuration: &Value, created: i64) -> Value {
    let mut job = json!({
        "kind": "bigquery#job",
        "id": reference.id(),
        "jobReference": reference.json(),
        "configuration": configuration,
        "statistics": { "creationTime": millis(created), "startTime": millis(created) },
        "status": { "state": "RUNNING" },
    });
    job["configuration"]["jobType"] = json!(task.kind());
    stamp_job(&mut job);
    job
}

/// Does the job. Returns its resource after that; what a failed job changed is taken back.
fn done(
    state: &RestState,
    resources: &Resources<'_>,
    mut resource: Value,
    task: &Task,
    files: Files,
) -> Result<Value, ApiError> {
    let location = resource["jobReference"]["location"].as_str().unwrap_or_default().to_owned();
    let id = resource["id"].as_str().unwrap_or_default().to_owned();
    let new_tables = &state.new_tables;
    let run = Run { resources, new_tables, location: &location, job: &id };
    match resources.attempt(|| task.run(&run, files))? {
        Ok(Outcome { name, statistics, warnings }) => {
            resource["statistics"][name] = statistics;
            let mut status = json!({ "state": "DONE" });
            if !warnings.is_empty() {
                status["errors"] = json!(warnings);
            }
            Ok(ended(resource, status))
        }
        Err(JobError::Failed(failure)) => Ok(ended(resource, failure.status())),
        Err(JobError::Refused(error)) => Err(error),
    }
}

/// Sets the etag. A job's times are in its statistics.
fn stamp_job(job: &mut Value) {
    stamp(job);
    if let Some(job) = job.as_object_mut() {
        job.remove("creationTime");
        job.remove("lastModifiedTime");
    }
}

fn millis(micros: i64) -> Value {
    json!((micros / 1_000).to_string())
}
