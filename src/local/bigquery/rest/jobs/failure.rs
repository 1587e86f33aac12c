//! Why a job fails.

use serde_json::{Value, json};

use crate::local::bigquery::rest::api::ApiError;
use crate::local::bigquery::store::StoreError;

/// The errors of a job that failed, as `status.errorResult` and `status.errors` have them.
#[derive(Debug)]
pub struct JobFailure {
    result: Value,
    details: Vec<Value>,
}

impl JobFailure {
    pub fn new(reason: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { result: json!({ "reason": reason, "message": message }), details: Vec::new() }
    }

    /// Adds errors that say more than the first.
    pub fn with_details(mut self, details: Vec<Value>) -> Self {
        self.details = details;
        self
    }

    /// The status of the job that failed.
    pub fn status(self) -> Value {
        let mut errors = vec![self.result.clone()];
        errors.extend(self.details);
        json!({ "state": "DONE", "errorResult": self.result, "errors": errors })
    }
}

/// Why a job does not succeed.
#[derive(Debug)]
pub enum JobError {
    /// The job ends, and its status says why.
    Failed(JobFailure),
    /// The request is refused, and there is no job.
    Refused(ApiError),
}

impl JobError {
    pub fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self::Failed(JobFailure::new(reason, message))
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::failed("invalid", message)
    }
}

/// An error of the request that is found while the job runs becomes the job's.
impl From<ApiError> for JobError {
    fn from(error: ApiError) -> Self {
        match error.of_request() {
            Ok((reason, message)) => Self::failed(reason, message),
            Err(error) => Self::Refused(error),
        }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
