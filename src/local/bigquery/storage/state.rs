//! What all calls of the Storage Write server share.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::Status;

use super::append_quota::AppendQuota;
use super::append_schemas::AppendSchemas;
use super::stream_owners::StreamOwners;
use crate::local::bigquery::faults::Faults;
use crate::local::bigquery::new_tables::NewTables;
use crate::local::bigquery::store::Store;

pub struct WriteState {
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    pub new_tables: Arc<NewTables>,
    pub schemas: AppendSchemas,
    pub quota: AppendQuota,
    pub owners: StreamOwners,
    /// Becomes true when the server shuts down.
    pub stopped: watch::Receiver<bool>,
}

impl WriteState {
    /// Runs work on a thread that may block, because the store is a file.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let state = self.clone();
        tokio::task::spawn_blocking(move || work(&state))
            .await
            .map_err(|error| Status::internal(error.to_string()))
    }
}
