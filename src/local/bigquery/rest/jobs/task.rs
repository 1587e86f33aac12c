//! What a job does.

use serde_json::Value;

use super::configuration::refuse_unknown;
use super::copy::CopyJob;
use super::destination::{Destination, Run};
use super::failure::{JobError, JobFailure};
use super::load::LoadJob;
use super::objects::SourceFile;
use super::query::QueryJob;
use crate::local::bigquery::rest::api::ApiError;

/// A job's configuration, checked.
pub enum Task {
    Copy(CopyJob),
    Load(LoadJob),
    Query(QueryJob),
}

/// What a job that succeeded leaves in its resource.
pub struct Outcome {
    /// The name of the job's type in `statistics`.
    pub name: &'static str,
    pub statistics: Value,
    /// Errors that did not fail the job, for `status.errors`.
    pub warnings: Vec<Value>,
}

impl Task {
    /// Reads the configuration of a job in a project.
    pub fn of(project: &str, configuration: &Value) -> Result<Self, ApiError> {
        let known = ["jobType", "copy", "load", "query", "labels", "jobTimeoutMs"];
        refuse_unknown(configuration, &known, "configuration")?;
        let kinds: Vec<&str> = ["copy", "load", "query"]
            .into_iter()
            .filter(|kind| configuration[kind].is_object())
            .collect();
        match kinds[..] {
            ["copy"] => CopyJob::of(project, &configuration["copy"]).map(Self::Copy),
            ["load"] => LoadJob::of(project, &configuration["load"]).map(Self::Load),
            ["query"] => QueryJob::of(project, &configuration["query"]).map(Self::Query),
            [] => Err(ApiError::new(
                400,
                "required",
                "Job configuration must contain exactly one job-specific configuration object \
                 (e.g., query, load, extract, spreadsheetExtract), but there were 0",
            )),
            _ => Err(ApiError::invalid(format!(
                "Job configuration must contain exactly one job-specific configuration object \
                 (e.g., query, load, extract, spreadsheetExtract), but there were {}",
                kinds.len()
            ))),
        }
    }

    /// The job's type in its resource.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Copy(_) => "COPY",
            Self::Load(_) => "LOAD",
            Self::Query(_) => "QUERY",
        }
    }

    /// The table into which the job writes, if its configuration names one.
    pub fn destination(&self) -> Option<&Destination> {
        match self {
            Self::Copy(job) => Some(&job.destination),
            Self::Load(job) => Some(&job.destination),
            Self::Query(_) => None,
        }
    }

    /// The objects from which the job reads, which are fetched before it runs.
    pub fn uris(&self) -> &[String] {
        match self {
            Self::Load(job) => &job.uris,
            Self::Copy(_) | Self::Query(_) => &[],
        }
    }

    /// Refuses a job whose request lacks the uploaded file that it reads, or has one that it does not.
    pub fn check_upload(&self, is_uploaded: bool) -> Result<(), ApiError> {
        match (self, is_uploaded) {
            (Self::Load(job), true) if !job.uris.is_empty() => {
                Err(ApiError::invalid("A job with an uploaded file cannot have sourceUris."))
            }
            (Self::Load(job), false) if job.uris.is_empty() => Err(ApiError::new(
                400,
                "required",
                "Load configuration must specify at least one source URI",
            )),
            (Self::Copy(_) | Self::Query(_), true) => {
                Err(ApiError::invalid("Only a load job has an uploaded file."))
            }
            (Self::Load(_), _) | (Self::Copy(_) | Self::Query(_), false) => Ok(()),
        }
    }

    /// Does the job, given the files that it reads or why they cannot be read.
    pub fn run(
        &self,
        run: &Run<'_>,
        files: Result<Vec<SourceFile>, JobFailure>,
    ) -> Result<Outcome, JobError> {
        let files = files.map_err(JobError::Failed)?;
        let (name, statistics, warnings) = match self {
            Self::Copy(job) => ("copy", job.run(run)?, Vec::new()),
            Self::Load(job) => {
                let (statistics, warnings) = job.run(run, &files)?;
                ("load", statistics, warnings)
            }
            Self::Query(job) => ("query", job.run(run)?, Vec::new()),
        };
        Ok(Outcome { name, statistics, warnings })
    }
}
