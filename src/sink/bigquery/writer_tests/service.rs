//! The fake's gRPC side. gcp-bigquery-client carries client stubs only, so the service is put
//! together from tonic's parts around the same messages.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::Rows;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse,
};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::fake::{Fault, LETTERS, Seen, Shared, State, refused, row_errors};

const REQUEST_BYTES: usize = 20_000_000;

#[derive(Clone)]
pub struct WriteService {
    shared: Arc<Shared>,
}

impl WriteService {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
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
        let method = request.uri().path().rsplit('/').next().expect("a path").to_owned();
        let routing = request.headers().get("x-goog-request-params");
        let routing = routing.map_or("", |value| value.to_str().expect("ASCII")).to_owned();
        shared.state().calls.push((method.clone(), routing));
        Box::pin(async move {
            Ok(match method.as_str() {
                "AppendRows" => {
                    Grpc::new(ProstCodec::default())
                        .max_decoding_message_size(REQUEST_BYTES)
                        .streaming(Append(shared), request)
                        .await
                }
                "CreateWriteStream" => {
                    unary("CreateWriteStream", shared, State::create, request).await
                }
                "FlushRows" => unary("FlushRows", shared, State::flush, request).await,
                "FinalizeWriteStream" => {
                    unary("FinalizeWriteStream", shared, State::finalize, request).await
                }
                other => panic!("nobody calls {other}"),
            })
        })
    }
}

struct Unary<A, B> {
    method: &'static str,
    shared: Arc<Shared>,
    call: fn(&mut State, A) -> Result<B, Status>,
}

impl<A: Send + 'static, B: Send + 'static> UnaryService<A> for Unary<A, B> {
    type Response = B;
    type Future = Answering<Result<Response<B>, Status>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (shared, call) = (self.shared.clone(), self.call);
        let fault = shared.next_fault(self.method);
        Box::pin(async move {
            match fault {
                Fault::Refused(code) => return Err(Status::new(code, "scripted")),
                Fault::Slow(pause) => tokio::time::sleep(pause).await,
                Fault::Fine | Fault::Lost => {}
                other => panic!("{other:?} is no fault of a unary call"),
            }
            let answer = call(&mut shared.state(), request.into_inner())?;
            match fault {
                Fault::Lost => Err(Status::unavailable("scripted")),
                _ => Ok(Response::new(answer)),
            }
        })
    }
}

async fn unary<A, B>(
    method: &'static str,
    shared: Arc<Shared>,
    call: fn(&mut State, A) -> Result<B, Status>,
    request: http::Request<Body>,
) -> http::Response<Body>
where
    A: Message + Default + 'static,
    B: Message + 'static,
{
    let service = Unary { method, shared, call };
    Grpc::new(ProstCodec::<B, A>::default()).unary(service, request).await
}

struct Append(Arc<Shared>);

impl StreamingService<AppendRowsRequest> for Append {
    type Response = AppendRowsResponse;
    type ResponseStream = UnboundedReceiverStream<Result<AppendRowsResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<AppendRowsRequest>>) -> Self::Future {
        let (answers, outgoing) = mpsc::unbounded_channel();
        let (arrived, waiting) = mpsc::unbounded_channel();
        tokio::spawn(read(self.0.clone(), request.into_inner(), arrived));
        let shared = self.0.clone();
        tokio::spawn(async move {
            if let Err(status) = serve(&shared, waiting, &answers).await {
                let _ = answers.send(Err(status));
            }
        });
        ready(Ok(Response::new(UnboundedReceiverStream::new(outgoing))))
    }
}

/// Reads ahead of the answers. What was read is carried out even if the client has gone since.
async fn read(
    shared: Arc<Shared>,
    mut requests: Streaming<AppendRowsRequest>,
    arrived: mpsc::UnboundedSender<AppendRowsRequest>,
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

/// Answers in order. An error ends the connection, and what waits behind it is gone.
async fn serve(
    shared: &Arc<Shared>,
    mut waiting: mpsc::UnboundedReceiver<AppendRowsRequest>,
    answers: &mpsc::UnboundedSender<Result<AppendRowsResponse, Status>>,
) -> Result<(), Status> {
    let mut open = shared.open.subscribe();
    let mut stream: Option<String> = None;
    while let Some(request) = waiting.recv().await {
        let stream = match &stream {
            Some(stream) => stream.clone(),
            None => stream.insert(introduced(&request)?).clone(),
        };
        let _ = open.wait_for(|open| *open).await;
        let fault = if stream == LETTERS { Fault::Fine } else { shared.next_fault("AppendRows") };
        let gone = || Status::unavailable("scripted");
        match fault {
            Fault::Fine | Fault::ThenClosed | Fault::Lost => {}
            Fault::Slow(pause) => tokio::time::sleep(pause).await,
            Fault::Late(pause) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    shared.state().append(&stream, request);
                });
                return Err(gone());
            }
            Fault::Refused(code) => return Err(Status::new(code, "scripted")),
            Fault::InBand(status) => {
                let _ = answers.send(Ok(refused(status)));
                continue;
            }
            Fault::RowErrors(indices) => {
                let _ = answers.send(Ok(row_errors(&indices)));
                continue;
            }
            Fault::Silent => {
                answers.closed().await;
                return Ok(());
            }
        }
        let answer = shared.state().append(&stream, request);
        if matches!(fault, Fault::Lost) {
            return Err(gone());
        }
        let _ = answers.send(Ok(answer));
        if matches!(fault, Fault::ThenClosed) {
            return Err(Status::aborted("closed because it was idle"));
        }
    }
    Ok(())
}

/// A connection's first request says which stream and how to read the rows.
fn introduced(request: &AppendRowsRequest) -> Result<String, Status> {
    let Some(Rows::ProtoRows(data)) = &request.rows else { panic!("no rows") };
    if request.write_stream.is_empty() || data.writer_schema.is_none() {
        return Err(Status::invalid_argument("the first request names stream and schema"));
    }
    Ok(request.write_stream.clone())
}
