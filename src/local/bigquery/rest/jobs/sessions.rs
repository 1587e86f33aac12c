//! Resumable uploads: files that arrive in several requests. They are kept in memory, so a client
//! begins again after a restart.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use rand::Rng;
use serde_json::Value;
use tokio::sync::Mutex;

/// The uploads that have begun, by their ids.
#[derive(Default)]
pub struct Uploads(std::sync::Mutex<HashMap<String, Arc<Mutex<Upload>>>>);

/// A resumable upload.
pub struct Upload {
    pub project: String,
    pub state: UploadState,
}

pub enum UploadState {
    /// The job's resource, and the bytes that have arrived.
    Open { job: Value, bytes: Vec<u8> },
    /// The resource of the job that was inserted. A client that lost this answer asks again.
    Done(Value),
}

impl Uploads {
    /// Begins an upload and returns its id.
    pub fn begin(&self, project: String, job: Value) -> String {
        let id = format!("{:032x}", rand::rng().random::<u128>());
        let state = UploadState::Open { job, bytes: Vec::new() };
        let upload = Arc::new(Mutex::new(Upload { project, state }));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), upload);
        id
    }

    pub fn get(&self, id: &str) -> Option<Arc<Mutex<Upload>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
