//! One AppendRows connection: its requests are carried out and answered in order.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::{
    AppendResult, Response,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse,
};
use prost::Message;
use tokio::sync::oneshot;
use tonic::{Status, Streaming};

use super::append_schemas::table_schema;
use super::state::WriteState;
use super::target::{AppendRefusal, AppendTarget};
use crate::local::bigquery::faults::InjectedFault;
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::refusal::Refusal;
use crate::local::bigquery::write_service::AppendResponses;

/// BigQuery's limit of one request, in bytes.
const LARGEST_REQUEST: usize = 20_000_000;

/// On loopback, a request that the client has sent arrives within this time.
const IN_TRANSIT: Duration = Duration::from_millis(5);

pub struct AppendConnection {
    state: Arc<WriteState>,
    target: Option<Arc<AppendTarget>>,
    /// The columns that a response has announced, if they changed since the target was set.
    announced: Option<Arc<Vec<FieldSchema>>>,
    /// Resolves once a newer connection appends to the same created stream.
    superseded: Option<oneshot::Receiver<()>>,
}

impl AppendConnection {
    pub fn new(state: Arc<WriteState>) -> Self {
        Self { state, target: None, announced: None, superseded: None }
    }

    /// Serves the connection until the client ends it. An error ends it with that status.
    pub async fn serve(
        &mut self,
        mut requests: Streaming<AppendRowsRequest>,
        responses: &AppendResponses,
    ) -> Result<(), Status> {
        let mut stopped = self.state.stopped.clone();
        loop {
            let request = tokio::select! {
                biased;
                () = resolved(&mut self.superseded) => return Err(Status::aborted(
                    "Closing the connection because a newer one appends to the same stream",
                )),
                _ = stopped.wait_for(|stopped| *stopped) => {
                    return Err(Status::unavailable("The server is shutting down"));
                }
                request = requests.message() => request?,
            };
            let Some(request) = request else { return Ok(()) };
            let faults = self.state.faults.clone();
            if faults.draw(InjectedFault::Close).is_some() {
                return Err(Status::unavailable("injected fault: the connection is closed"));
            }
            if let Some(delay) = faults.draw(InjectedFault::AppendDelay) {
                tokio::time::sleep(delay).await;
            }
            self.state.quota.take(&faults)?;
            faults.inject(InjectedFault::Append)?;
            if let Some(delay) = faults.draw(InjectedFault::AppendLate) {
                self.carry_out_late(request, requests, delay).await;
                return Err(faults.status(InjectedFault::AppendLate));
            }
            let response = self.append(request).await?;
            faults.inject(InjectedFault::AppendLost)?;
            if responses.send(Ok(response)).is_err() {
                return Ok(());
            }
        }
    }

    /// Carries out `first` and the requests in transit behind it after `delay`, although the
    /// client sees a broken connection. The requests were sent before any newer connection was
    /// opened, so they do not make this connection the stream's owner.
    async fn carry_out_late(
        &mut self,
        first: AppendRowsRequest,
        mut requests: Streaming<AppendRowsRequest>,
        delay: Duration,
    ) {
        let mut late = vec![first];
        while let Ok(Ok(Some(request))) = tokio::time::timeout(IN_TRANSIT, requests.message()).await
        {
            late.push(request);
        }
        let (state, mut target) = (self.state.clone(), self.target.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            for request in late {
                let Ok(next) = AppendTarget::of(&state, target.as_ref(), &request) else { return };
                target = Some(next.clone());
                let _ = state.blocking(move |state| write(state, &next, &request)).await;
            }
        });
    }

    async fn append(&mut self, request: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        let size = request.encoded_len();
        if size > LARGEST_REQUEST {
            let message = format!("AppendRows request too large: {size} limit {LARGEST_REQUEST}");
            return Ok(refused(&Refusal::invalid(message)));
        }
        let target = AppendTarget::of(&self.state, self.target.as_ref(), &request)?;
        let before = self.target.as_ref().map(|before| before.stream.as_str());
        if before != Some(target.stream.as_str()) {
            self.announced = None;
            if !target.is_default {
                self.superseded = Some(self.state.owners.take_over(&target.stream));
            }
        }
        self.target = Some(target.clone());
        let writing = target.clone();
        let mut response =
            self.state.blocking(move |state| write(state, &writing, &request)).await?;
        self.announce_schema(&target, &mut response);
        Ok(response)
    }

    /// Adds the table's schema to the response if it changed since the client last learned of it.
    fn announce_schema(&mut self, target: &AppendTarget, response: &mut AppendRowsResponse) {
        let WriteState { store, faults, schemas, .. } = &*self.state;
        let Ok(now) = schemas.columns(store, faults, &target.table, &target.path) else { return };
        let known = self.announced.as_ref().unwrap_or(&target.columns);
        if !Arc::ptr_eq(known, &now) && **known != *now {
            response.updated_schema = Some(table_schema(&now));
            self.announced = Some(now);
        }
    }
}

async fn resolved(receiver: &mut Option<oneshot::Receiver<()>>) {
    match receiver {
        Some(receiver) => drop(receiver.await),
        None => pending().await,
    }
}

/// The response of an append that is refused in band, so that the connection stays open.
fn refused(refusal: &Refusal) -> AppendRowsResponse {
    AppendRowsResponse {
        response: Some(Response::Error(refusal.rpc())),
        write_stream: refusal.entity.clone(),
        ..AppendRowsResponse::default()
    }
}

/// Writes a request's rows. Errors are returned in band, as BigQuery does.
fn write(
    state: &WriteState,
    target: &AppendTarget,
    request: &AppendRowsRequest,
) -> AppendRowsResponse {
    let stream = &target.stream;
    let rows = match target.rows(request) {
        Ok(rows) => rows,
        Err(AppendRefusal::Request(refusal)) => return refused(&refusal),
        Err(AppendRefusal::Rows(row_errors)) => {
            let message = "Errors found while processing rows. Please refer to the row_errors \
                           field for details. The list may not be complete because of the size \
                           limitations.";
            let refusal = Refusal::invalid(message).about(stream);
            return AppendRowsResponse { row_errors, ..refused(&refusal) };
        }
    };
    let AppendTarget { table, path, columns, is_default, .. } = target;
    let written = match (is_default, request.offset) {
        (true, Some(_)) => {
            let message = "Offset can not be specified when appending to the default stream.";
            Err(Refusal::invalid(message))
        }
        (true, None) => state.store.append_default(table, path, columns, &rows).map(|()| None),
        (false, offset) => state.store.append(stream, columns, offset, &rows).map(Some),
    };
    let response = match written {
        Ok(offset) => Response::AppendResult(AppendResult { offset: offset.map(|at| at as i64) }),
        Err(refusal) => Response::Error(refusal.rpc()),
    };
    AppendRowsResponse {
        response: Some(response),
        write_stream: stream.clone(),
        ..AppendRowsResponse::default()
    }
}
