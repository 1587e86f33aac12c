//! The identity of a job: project, location and id.

use rand::Rng;
use serde_json::{Value, json};

use crate::local::bigquery::rest::api::ApiError;

/// The location of a job whose request and tables name none.
const DEFAULT_LOCATION: &str = "US";

/// The locations in which a job is found if a request names none.
const DEFAULT_LOCATIONS: [&str; 2] = [DEFAULT_LOCATION, "EU"];

/// What a new job's request says about its identity.
#[derive(Debug, Clone)]
pub struct WantedReference {
    pub project: String,
    pub location: Option<String>,
    /// The id that the client chose, or a random one.
    pub job: String,
}

impl WantedReference {
    /// Reads `jobReference` of a job that is inserted into a project.
    pub fn of(project: &str, reference: &Value) -> Result<Self, ApiError> {
        let text = |name: &str| reference[name].as_str().filter(|text| !text.is_empty());
        if let Some(other) = text("projectId").filter(|other| *other != project) {
            return Err(ApiError::invalid(format!(
                "Value in jobReference.projectId ({other}) is not the project of the request \
                 ({project})."
            )));
        }
        let random = || format!("job_{:032x}", rand::rng().random::<u128>());
        let job = text("jobId").map_or_else(random, str::to_owned);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if job.len() > 1024 || !job.bytes().all(fits) {
            return Err(ApiError::invalid(format!(
                "Invalid job ID \"{job}\". Job IDs must be alphanumeric (plus underscores and \
                 dashes) and must be at most 1024 characters long."
            )));
        }
        let location = text("location").map(shown_location);
        Ok(Self { project: project.to_owned(), location, job })
    }

    /// The location of the job, given that of its destination's dataset.
    pub fn in_location(self, dataset: Option<&str>) -> JobReference {
        let Self { project, location, job } = self;
        let default = || shown_location(dataset.unwrap_or(DEFAULT_LOCATION));
        JobReference { location: location.unwrap_or_else(default), project, job }
    }
}

/// The identity of a job.
#[derive(Debug, Clone)]
pub struct JobReference {
    pub project: String,
    pub location: String,
    pub job: String,
}

impl JobReference {
    /// The job's id in the store, in resources and in messages.
    pub fn id(&self) -> String {
        format!("{}:{}.{}", self.project, self.location, self.job)
    }

    pub fn json(&self) -> Value {
        json!({ "projectId": self.project, "jobId": self.job, "location": self.location })
    }
}

/// The ids under which a job may be stored, given the location that a request names.
pub fn possible_ids(project: &str, job: &str, location: Option<&str>) -> Vec<String> {
    let id = |location: &str| format!("{project}:{location}.{job}");
    match location.filter(|location| !location.is_empty()) {
        Some(location) => vec![id(&shown_location(location))],
        None => DEFAULT_LOCATIONS.map(id).to_vec(),
    }
}

/// A location as BigQuery writes it: multi-regions in capital letters, regions in small ones.
pub fn shown_location(location: &str) -> String {
    let upper = location.to_ascii_uppercase();
    if DEFAULT_LOCATIONS.contains(&upper.as_str()) { upper } else { location.to_ascii_lowercase() }
}
