//! The gRPC service `google.cloud.bigquery.storage.v1.BigQueryWrite`, as a trait that a server
//! implements.
//!
//! gcp-bigquery-client contains client stubs only, so the server side is built from tonic's parts
//! around the same messages. Three servers implement the trait: the embedded BigQuery, the
//! scripted service in the writer's tests and the benchmark's counting server.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsResponse, BatchCommitWriteStreamsRequest, BatchCommitWriteStreamsResponse,
    CreateWriteStreamRequest, FinalizeWriteStreamRequest, FinalizeWriteStreamResponse,
    FlushRowsRequest, FlushRowsResponse, GetWriteStreamRequest, WriteStream,
};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::codec::Codec;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// The requests of one AppendRows call, as the server's codec decodes them.
pub type AppendRequests<S> =
    Request<Streaming<<<S as BigQueryWrite>::AppendCodec as Codec>::Decode>>;

/// Sends the responses of one AppendRows call; an `Err` ends the call with that status.
pub type AppendResponses = mpsc::UnboundedSender<Result<AppendRowsResponse, Status>>;

/// A server's side of each call. A call that a server does not implement returns UNIMPLEMENTED.
///
/// A clone of the server handles each call, so that the call's future borrows nothing.
pub trait BigQueryWrite: Clone + Send + Sync + 'static {
    /// Decodes append requests: [`ProstCodec`], or a codec that reads only a part of each message.
    type AppendCodec: Codec<Encode = AppendRowsResponse> + Default + Send;

    /// Largest append request that is decoded, in bytes; tonic refuses a larger one.
    const LARGEST_APPEND: usize;

    /// Serves one AppendRows call, on a task of its own. An error ends the call with that status.
    fn append_rows(
        self,
        requests: AppendRequests<Self>,
        responses: AppendResponses,
    ) -> impl Future<Output = Result<(), Status>> + Send;

    fn create_write_stream(
        self,
        request: Request<CreateWriteStreamRequest>,
    ) -> impl Future<Output = Result<WriteStream, Status>> + Send;

    fn flush_rows(
        self,
        request: Request<FlushRowsRequest>,
    ) -> impl Future<Output = Result<FlushRowsResponse, Status>> + Send;

    fn finalize_write_stream(
        self,
        request: Request<FinalizeWriteStreamRequest>,
    ) -> impl Future<Output = Result<FinalizeWriteStreamResponse, Status>> + Send;

    fn get_write_stream(
        self,
        _request: Request<GetWriteStreamRequest>,
    ) -> impl Future<Output = Result<WriteStream, Status>> + Send {
        unimplemented("GetWriteStream")
    }

    fn batch_commit_write_streams(
        self,
        _request: Request<BatchCommitWriteStreamsRequest>,
    ) -> impl Future<Output = Result<BatchCommitWriteStreamsResponse, Status>> + Send {
        unimplemented("BatchCommitWriteStreams")
    }
}

fn unimplemented<T>(method: &str) -> Ready<Result<T, Status>> {
    ready(Err(Status::unimplemented(format!("this server does not implement {method}"))))
}

/// A [`BigQueryWrite`] server, as tonic's router takes it.
#[derive(Debug, Clone)]
pub struct WriteService<S> {
    server: S,
}

impl<S: BigQueryWrite> WriteService<S> {
    pub fn new(server: S) -> Self {
        Self { server }
    }
}

impl<S> NamedService for WriteService<S> {
    const NAME: &'static str = "google.cloud.bigquery.storage.v1.BigQueryWrite";
}

impl<S: BigQueryWrite> Service<http::Request<Body>> for WriteService<S> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let server = self.server.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "AppendRows" => append_rows(server, request).await,
                "CreateWriteStream" => unary(server, S::create_write_stream, request).await,
                "GetWriteStream" => unary(server, S::get_write_stream, request).await,
                "FlushRows" => unary(server, S::flush_rows, request).await,
                "FinalizeWriteStream" => unary(server, S::finalize_write_stream, request).await,
                "BatchCommitWriteStreams" => {
                    unary(server, S::batch_commit_write_streams, request).await
                }
                other => Status::unimplemented(format!("BigQueryWrite has no method {other}"))
                    .into_http(),
            })
        })
    }
}

async fn append_rows<S: BigQueryWrite>(
    server: S,
    request: http::Request<Body>,
) -> http::Response<Body> {
    let call = service_fn(move |requests| {
        let (responses, outgoing) = mpsc::unbounded_channel();
        let served = server.clone().append_rows(requests, responses.clone());
        tokio::spawn(async move {
            if let Err(status) = served.await {
                let _ = responses.send(Err(status));
            }
        });
        ready(Ok(Response::new(UnboundedReceiverStream::new(outgoing))))
    });
    let grpc = Grpc::new(S::AppendCodec::default()).max_decoding_message_size(S::LARGEST_APPEND);
    { grpc }.streaming(call, request).await
}

async fn unary<S, A, B, F>(
    server: S,
    method: fn(S, Request<A>) -> F,
    request: http::Request<Body>,
) -> http::Response<Body>
where
    S: BigQueryWrite,
    A: Message + Default + 'static,
    B: Message + 'static,
    F: Future<Output = Result<B, Status>> + Send,
{
    let call = service_fn(move |request| {
        let answer = method(server.clone(), request);
        async move { answer.await.map(Response::new) }
    });
    Grpc::new(ProstCodec::<B, A>::default()).unary(call, request).await
}
