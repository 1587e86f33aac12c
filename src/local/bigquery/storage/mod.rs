//! The Storage Write API over gRPC. gcp-bigquery-client carries client stubs only, so the service
//! is put together from tonic's parts around the same messages.

mod calls;
mod connection;
mod introduction;
mod schema;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use prost::Message;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::faults::Faults;
use super::store::Store;
use connection::{Append, Owners};
use schema::Schemas;

/// Above BigQuery's own limit of a request, so that our check answers and not tonic's.
const TONIC_LIMIT: usize = 64 << 20;

/// All connections share this.
struct Shared {
    store: Arc<Store>,
    faults: Arc<Faults>,
    schemas: Schemas,
    owners: Owners,
    /// Turns true when the server ends.
    stopped: watch::Receiver<bool>,
}

/// The service as tonic serves it.
#[derive(Clone)]
pub struct WriteService {
    shared: Arc<Shared>,
}

impl WriteService {
    pub fn new(store: Arc<Store>, faults: Arc<Faults>, stopped: watch::Receiver<bool>) -> Self {
        let (schemas, owners) = (Schemas::default(), Owners::default());
        Self { shared: Arc::new(Shared { store, faults, schemas, owners, stopped }) }
    }
}

impl NamedService for WriteService {
    const NAME: &'static str = "google.cloud.bigquery.storage.v1.BigQueryWrite";
}

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Service<http::Request<Body>> for WriteService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = self.shared.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "AppendRows" => {
                    let mut grpc =
                        Grpc::new(ProstCodec::default()).max_decoding_message_size(TONIC_LIMIT);
                    grpc.streaming(Append(shared), request).await
                }
                "CreateWriteStream" => unary(request, shared, calls::create).await,
                "GetWriteStream" => unary(request, shared, calls::get).await,
                "FinalizeWriteStream" => unary(request, shared, calls::finalize).await,
                "FlushRows" => unary(request, shared, calls::flush).await,
                "BatchCommitWriteStreams" => unary(request, shared, calls::commit).await,
                _ => Status::unimplemented(format!("the embedded BigQuery has no {method}"))
                    .into_http(),
            })
        })
    }
}

/// A call's answer, worked out where it may block: the store is a file.
type Call<A, B> = fn(&Shared, A) -> Result<B, Status>;

struct Unary<A, B> {
    shared: Arc<Shared>,
    call: Call<A, B>,
}

impl<A: Send + 'static, B: Send + 'static> UnaryService<A> for Unary<A, B> {
    type Response = B;
    type Future = Answering<Result<Response<B>, Status>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (shared, call) = (self.shared.clone(), self.call);
        Box::pin(async move {
            let answer = move || call(&shared, request.into_inner());
            blocking(answer).await?.map(Response::new)
        })
    }
}

async fn unary<A, B>(
    request: http::Request<Body>,
    shared: Arc<Shared>,
    call: Call<A, B>,
) -> http::Response<Body>
where
    A: Message + Default + 'static,
    B: Message + 'static,
{
    Grpc::new(ProstCodec::<B, A>::default()).unary(Unary { shared, call }, request).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))
}
