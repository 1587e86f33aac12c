//! The gRPC side of the scripted BigQuery service that the writer's tests use.

use std::sync::Arc;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::Rows;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse, WriteStream,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::fake::{Fault, LETTERS, Seen, Shared, State, refused, row_errors};
use crate::local::bigquery::write_service::{self, AppendRequests, AppendResponses, BigQueryWrite};

pub type WriteService = write_service::WriteService<Arc<Shared>>;

impl BigQueryWrite for Arc<Shared> {
    type AppendCodec = ProstCodec<AppendRowsResponse, AppendRowsRequest>;

    const LARGEST_APPEND: usize = 20_000_000;

    async fn append_rows(
        self,
        requests: AppendRequests<Self>,
        responses: AppendResponses,
    ) -> Result<(), Status> {
        self.record_call("AppendRows", requests.metadata());
        let (arrived, waiting) = unbounded_channel();
        tokio::spawn(receive(self.clone(), requests.into_inner(), arrived));
        respond(&self, waiting, &responses).await
    }

    async fn create_write_stream(
        self,
        request: Request<CreateWriteStreamRequest>,
    ) -> Result<WriteStream, Status> {
        self.scripted("CreateWriteStream", request, State::create).await
    }

    async fn flush_rows(
        self,
        request: Request<FlushRowsRequest>,
    ) -> Result<FlushRowsResponse, Status> {
        self.scripted("FlushRows", request, State::flush).await
    }

    async fn finalize_write_stream(
        self,
        request: Request<FinalizeWriteStreamRequest>,
    ) -> Result<FinalizeWriteStreamResponse, Status> {
        self.scripted("FinalizeWriteStream", request, State::finalize).await
    }
}

impl Shared {
    fn record_call(&self, method: &str, metadata: &MetadataMap) {
        let routing = metadata.get("x-goog-request-params");
        let routing = routing.map_or("", |value| value.to_str().expect("ASCII")).to_owned();
        self.state().calls.push((method.to_owned(), routing));
    }

    /// Carries out a unary call as the method's script says.
    async fn scripted<A, B>(
        &self,
        method: &'static str,
        request: Request<A>,
        call: fn(&mut State, A) -> Result<B, Status>,
    ) -> Result<B, Status> {
        self.record_call(method, request.metadata());
        let fault = self.next_fault(method);
        match fault {
            Fault::Refused(code) => return Err(Status::new(code, "scripted")),
            Fault::Slow(pause) => tokio::time::sleep(pause).await,
            Fault::Fine | Fault::Lost => {}
            other => panic!("a unary call cannot have the fault {other:?}"),
        }
        let answer = call(&mut self.state(), request.into_inner())?;
        match fault {
            Fault::Lost => Err(Status::unavailable("scripted")),
            _ => Ok(answer),
        }
    }
}

/// Records every request as it arrives and queues it, without waiting for the responses to those
/// before it. A queued request is carried out even if the client has disconnected since.
async fn receive(
    shared: Arc<Shared>,
    mut requests: Streaming<AppendRowsRequest>,
    arrived: UnboundedSender<AppendRowsRequest>,
) {
    let connection = shared.state().connections;
    shared.state().connections += 1;
    while let Ok(Some(request)) = requests.message().await {
        let has_schema = matches!(
            &request.rows, Some(Rows::ProtoRows(data)) if data.writer_schema.is_some()
        );
        shared.state().seen.push(Seen {
            connection,
            stream: request.write_stream.clone(),
            has_schema,
            offset: request.offset,
        });
        let _ = arrived.send(request);
    }
}

/// Responds to the queued requests in order. An error ends the call, and the requests still queued
/// are dropped.
async fn respond(
    shared: &Arc<Shared>,
    mut waiting: UnboundedReceiver<AppendRowsRequest>,
    responses: &AppendResponses,
) -> Result<(), Status> {
    let mut open = shared.open.subscribe();
    let mut stream: Option<String> = None;
    while let Some(request) = waiting.recv().await {
        let stream = match &stream {
            Some(stream) => stream.clone(),
            None => stream.insert(stream_of_first(&request)?).clone(),
        };
        let _ = open.wait_for(|open| *open).await;
        let script = if stream == LETTERS { "AppendRows of dead letters" } else { "AppendRows" };
        let fault = shared.next_fault(script);
        let disconnected = || Status::unavailable("scripted");
        match fault {
            Fault::Fine | Fault::ThenClosed | Fault::Lost => {}
            Fault::Slow(pause) => tokio::time::sleep(pause).await,
            Fault::Late(pause) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    shared.state().append(&stream, request);
                });
                return Err(disconnected());
            }
            Fault::Refused(code) => return Err(Status::new(code, "scripted")),
            Fault::InBand(status) => {
                let _ = responses.send(Ok(refused(status)));
                continue;
            }
            Fault::RowErrors(indices) => {
                let _ = responses.send(Ok(row_errors(&indices)));
                continue;
            }
            Fault::Silent => {
                responses.closed().await;
                return Ok(());
            }
        }
        let response = shared.state().append(&stream, request);
        if matches!(fault, Fault::Lost) {
            return Err(disconnected());
        }
        let _ = responses.send(Ok(response));
        if matches!(fault, Fault::ThenClosed) {
            return Err(Status::aborted("closed because it was idle"));
        }
    }
    Ok(())
}

/// The stream that a call's first request names; that request also has to carry the writer schema.
fn stream_of_first(request: &AppendRowsRequest) -> Result<String, Status> {
    let Some(Rows::ProtoRows(data)) = &request.rows else { panic!("no rows") };
    if request.write_stream.is_empty() || data.writer_schema.is_none() {
        return Err(Status::invalid_argument("the first request names stream and schema"));
    }
    Ok(request.write_stream.clone())
}
