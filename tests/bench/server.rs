//! BigQuery as far as a consumer needs it, and nothing but counting: the benchmark's sink, whose own
//! work is to be as small as can be.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::{Buf, Bytes};
use clap::Args;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1 as storage;
use generic_consumer::clock::Clock;
use prost::encoding::{WireType, decode_key, decode_varint};
use serde_json::{Value, json};
use storage::append_rows_response::{AppendResult, Response as Answer};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::{ProstCodec, ProstEncoder};

use crate::Done;

#[derive(Args)]
pub struct ServeArgs {
    #[arg(long)]
    rest: SocketAddr,
    #[arg(long)]
    grpc: SocketAddr,
    /// The same service with TLS
    #[arg(long, requires_all = ["cert", "key"])]
    tls: Option<SocketAddr>,
    #[arg(long)]
    cert: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
}

/// What a write stream has.
#[derive(Debug, Default, Clone)]
struct Stream {
    rows: u64,
    /// Rows that may be seen: all of a default stream's, of another's those flushed.
    visible: u64,
}

#[derive(Debug, Default)]
struct Counts {
    tables: BTreeMap<String, Value>,
    streams: BTreeMap<String, Stream>,
    requests: u64,
    bytes: u64,
    /// Rows of `insertAll`.
    inserted: u64,
    /// Milliseconds since the epoch.
    first_append_ms: Option<i64>,
    last_append_ms: Option<i64>,
    latency: Duration,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Counts>>);

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub async fn serve(args: &ServeArgs) -> Done {
    let shared = Shared::default();
    let rest = tokio::net::TcpListener::bind(args.rest).await?;
    let rest = axum::serve(rest, router(shared.clone()));
    let plain = Server::builder().add_service(WriteService(shared.clone())).serve(args.grpc);
    let tls = async {
        let (Some(address), Some(cert), Some(key)) = (args.tls, &args.cert, &args.key) else {
            return std::future::pending::<Done>().await;
        };
        let identity = Identity::from_pem(std::fs::read(cert)?, std::fs::read(key)?);
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?;
        Ok({ server }.add_service(WriteService(shared.clone())).serve(address).await?)
    };
    tokio::select! {
        ended = async { rest.await } => Ok(ended?),
        ended = plain => Ok(ended?),
        ended = tls => ended,
    }
}

fn router(shared: Shared) -> Router {
    let tables = "/bigquery/v2/projects/{project}/datasets/{dataset}/tables";
    let table = format!("{tables}/{{table}}");
    Router::new()
        .route("/bigquery/v2/projects/{project}/datasets/{dataset}", get(|| async { "{}" }))
        .route(tables, post(insert_table))
        .route(&table, get(table_of).put(replace_table))
        .route(&format!("{table}/insertAll"), post(insert_all))
        .route("/token", post(token).get(token))
        .route("/counts", get(counts))
        .route("/reset", get(reset))
        .route("/latency/{ms}", get(latency))
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn insert_table(State(shared): State<Shared>, Json(mut table): Json<Value>) -> Json<Value> {
    let name = table["tableReference"]["tableId"].as_str().unwrap_or_default().to_owned();
    table["etag"] = json!("1");
    shared.counts().tables.insert(name, table.clone());
    Json(table)
}

async fn table_of(
    State(shared): State<Shared>,
    Path((_, _, table)): Path<(String, String, String)>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let missing = json!({ "error": { "code": 404, "message": "Not found", "errors": [{ "reason": "notFound" }] } });
    let found = shared.counts().tables.get(&table).cloned();
    found.map(Json).ok_or((StatusCode::NOT_FOUND, Json(missing)))
}

async fn replace_table(
    State(shared): State<Shared>,
    Path((_, _, name)): Path<(String, String, String)>,
    Json(table): Json<Value>,
) -> Json<Value> {
    shared.counts().tables.insert(name, table.clone());
    Json(table)
}

async fn insert_all(State(shared): State<Shared>, Json(body): Json<Value>) -> Json<Value> {
    let latency = shared.counts().latency;
    tokio::time::sleep(latency).await;
    let rows = body["rows"].as_array().map_or(0, Vec::len);
    let mut counts = shared.counts();
    counts.inserted += rows as u64;
    counts.requests += 1;
    Json(json!({ "kind": "bigquery#tableDataInsertAllResponse" }))
}

async fn token() -> Json<Value> {
    Json(json!({
        "access_token": "benchmark",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 3600,
    }))
}

/// Rows by table, appended and visible; requests and bytes of all.
async fn counts(State(shared): State<Shared>) -> Json<Value> {
    let counts = shared.counts();
    let mut tables: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (name, stream) in &counts.streams {
        let table = name.split("/tables/").nth(1).and_then(|rest| rest.split('/').next());
        let sums = tables.entry(table.unwrap_or_default()).or_default();
        *sums = (sums.0 + stream.rows, sums.1 + stream.visible, sums.2 + 1);
    }
    let tables: BTreeMap<&str, Value> = tables
        .into_iter()
        .map(|(name, (rows, visible, streams))| {
            (name, json!({ "rows": rows, "visible": visible, "streams": streams }))
        })
        .collect();
    Json(json!({
        "tables": tables,
        "requests": counts.requests,
        "bytes": counts.bytes,
        "inserted": counts.inserted,
        "first_append_ms": counts.first_append_ms,
        "last_append_ms": counts.last_append_ms,
    }))
}

/// Forgets rows, keeps tables.
async fn reset(State(shared): State<Shared>) {
    let mut counts = shared.counts();
    let (tables, latency) = (std::mem::take(&mut counts.tables), counts.latency);
    *counts = Counts { tables, latency, ..Counts::default() };
}

/// How long every answer takes from here on.
async fn latency(State(shared): State<Shared>, Path(ms): Path<u64>) {
    shared.counts().latency = Duration::from_millis(ms);
}

#[derive(Clone)]
struct WriteService(Shared);

impl NamedService for WriteService {
    const NAME: &'static str = "google.cloud.bigquery.storage.v1.BigQueryWrite";
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Service<http::Request<Body>> for WriteService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "AppendRows" => {
                    // Python's own client counts in messages of up to 20 MB too.
                    let grpc = Grpc::new(CountCodec).max_decoding_message_size(32 << 20);
                    { grpc }.streaming(Append(shared), request).await
                }
                "CreateWriteStream" => unary(Unary(shared, create), request).await,
                "FlushRows" => unary(Unary(shared, flush), request).await,
                "GetWriteStream" => unary(Unary(shared, stream), request).await,
                _ => unary(Unary(shared, finalize), request).await,
            })
        })
    }
}

async fn unary<A, B>(call: Unary<A, B>, request: http::Request<Body>) -> http::Response<Body>
where
    A: prost::Message + Default + 'static,
    B: prost::Message + 'static,
{
    Grpc::new(ProstCodec::<B, A>::default()).unary(call, request).await
}

struct Unary<A, B>(Shared, fn(&mut Counts, A) -> B);

impl<A: Send + 'static, B: Send + 'static> UnaryService<A> for Unary<A, B> {
    type Response = B;
    type Future = Boxed<Result<Response<B>, Status>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (shared, call) = (self.0.clone(), self.1);
        Box::pin(async move {
            // A stall is the appends' alone: streams are still made.
            let latency = shared.counts().latency.min(Duration::from_secs(1));
            tokio::time::sleep(latency).await;
            Ok(Response::new(call(&mut shared.counts(), request.into_inner())))
        })
    }
}

fn create(counts: &mut Counts, request: storage::CreateWriteStreamRequest) -> storage::WriteStream {
    let name = format!("{}/streams/s{}", request.parent, counts.streams.len());
    counts.streams.insert(name.clone(), Stream::default());
    storage::WriteStream { name, ..request.write_stream.unwrap_or_default() }
}

fn stream(_: &mut Counts, request: storage::GetWriteStreamRequest) -> storage::WriteStream {
    storage::WriteStream { name: request.name, ..storage::WriteStream::default() }
}

fn flush(counts: &mut Counts, request: storage::FlushRowsRequest) -> storage::FlushRowsResponse {
    let offset = request.offset.unwrap_or_default();
    if let Some(stream) = counts.streams.get_mut(&request.write_stream) {
        stream.visible = stream.visible.max((offset as u64 + 1).min(stream.rows));
    }
    storage::FlushRowsResponse { offset }
}

fn finalize(
    counts: &mut Counts,
    request: storage::FinalizeWriteStreamRequest,
) -> storage::FinalizeWriteStreamResponse {
    let rows = counts.streams.get(&request.name).map_or(0, |stream| stream.rows);
    storage::FinalizeWriteStreamResponse { row_count: rows as i64 }
}

/// What is left of an `AppendRowsRequest` once it is counted.
#[derive(Debug, Default)]
struct Counted {
    stream: Option<String>,
    offset: Option<u64>,
    rows: u64,
    bytes: u64,
}

struct CountCodec;

struct CountDecoder;

impl Codec for CountCodec {
    type Encode = storage::AppendRowsResponse;
    type Decode = Counted;
    type Encoder = ProstEncoder<storage::AppendRowsResponse>;
    type Decoder = CountDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> CountDecoder {
        CountDecoder
    }
}

impl Decoder for CountDecoder {
    type Item = Counted;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Counted>, Status> {
        let request = from.copy_to_bytes(from.remaining());
        let mut counted = Counted { bytes: request.len() as u64, ..Counted::default() };
        let bad = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
        // AppendRowsRequest: 1 write_stream, 2 offset, 4 proto_rows.
        each_field(request, &mut |field, value| match field {
            1 => {
                counted.stream = Some(String::from_utf8_lossy(&value).into_owned());
                Ok(())
            }
            // Int64Value; an empty one is 0.
            2 => {
                let mut value = value;
                value.advance(value.len().min(1));
                let offset = if value.is_empty() { 0 } else { decode_varint(&mut value)? };
                counted.offset = Some(offset);
                Ok(())
            }
            // ProtoData: 1 writer_schema, 2 rows. ProtoRows: 1 serialized_rows.
            4 => each_field(value, &mut |field, value| match field {
                2 => each_field(value, &mut |_, _| {
                    counted.rows += 1;
                    Ok(())
                }),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
        .map_err(bad)?;
        Ok(Some(counted))
    }
}

/// The fields of a message that have a length.
fn each_field(
    mut message: Bytes,
    field: &mut dyn FnMut(u32, Bytes) -> Result<(), prost::DecodeError>,
) -> Result<(), prost::DecodeError> {
    while message.has_remaining() {
        let (tag, kind) = decode_key(&mut message)?;
        match kind {
            WireType::LengthDelimited => {
                let length = decode_varint(&mut message)? as usize;
                field(tag, message.split_to(length.min(message.len())))?;
            }
            _ => drop(decode_varint(&mut message)?),
        }
    }
    Ok(())
}

struct Append(Shared);

impl StreamingService<Counted> for Append {
    type Response = storage::AppendRowsResponse;
    type ResponseStream = UnboundedReceiverStream<Result<storage::AppendRowsResponse, Status>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Counted>>) -> Self::Future {
        let (answers, outgoing) = mpsc::unbounded_channel();
        let (due, mut waiting) = mpsc::unbounded_channel::<(Instant, _)>();
        let shared = self.0.clone();
        tokio::spawn(async move {
            let mut requests = request.into_inner();
            let mut stream = String::new();
            while let Ok(Some(counted)) = requests.message().await {
                if let Some(name) = &counted.stream {
                    stream.clone_from(name);
                }
                let at = Instant::now() + shared.counts().latency;
                let _ = due.send((at, shared.counts().appended(&stream, &counted)));
            }
        });
        // The service's round trip takes its time, and the next request need not wait for it.
        tokio::spawn(async move {
            while let Some((at, answer)) = waiting.recv().await {
                tokio::time::sleep_until(at).await;
                let _ = answers.send(answer);
            }
        });
        std::future::ready(Ok(Response::new(UnboundedReceiverStream::new(outgoing))))
    }
}

impl Counts {
    fn appended(
        &mut self,
        name: &str,
        counted: &Counted,
    ) -> Result<storage::AppendRowsResponse, Status> {
        let stream = self.streams.entry(name.to_owned()).or_default();
        if counted.offset.is_some_and(|offset| offset != stream.rows) {
            return Err(Status::out_of_range(format!("the stream is at row {}", stream.rows)));
        }
        let offset = stream.rows;
        stream.rows += counted.rows;
        if counted.offset.is_none() {
            stream.visible = stream.rows;
        }
        self.requests += 1;
        self.bytes += counted.bytes;
        let now = Clock::System.now_micros() / 1_000;
        self.first_append_ms.get_or_insert(now);
        self.last_append_ms = Some(now);
        Ok(storage::AppendRowsResponse {
            response: Some(Answer::AppendResult(AppendResult { offset: Some(offset as i64) })),
            ..storage::AppendRowsResponse::default()
        })
    }
}
