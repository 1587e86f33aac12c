//! The benchmark's BigQuery server. It implements what a consumer calls, but only counts rows and
//! bytes, so that it takes as little CPU as possible.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::{Buf, Bytes};
use clap::Args;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1 as storage;
use generic_consumer::clock::Clock;
use generic_consumer::local::bigquery::write_service::{
    AppendRequests, AppendResponses, BigQueryWrite, WriteService,
};
use prost::encoding::{WireType, decode_key, decode_varint};
use serde_json::{Value, json};
use storage::append_rows_response::{AppendResult, Response as Answer};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Status};
use tonic_prost::ProstEncoder;

use crate::Done;

#[derive(Args)]
pub struct ServeArgs {
    #[arg(long)]
    rest: SocketAddr,
    #[arg(long)]
    grpc: SocketAddr,
    /// Address of the same gRPC service with TLS
    #[arg(long, requires_all = ["cert", "key"])]
    tls: Option<SocketAddr>,
    #[arg(long)]
    cert: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
}

/// The row counts of one write stream.
#[derive(Debug, Default, Clone)]
struct StreamCounts {
    rows: u64,
    /// Visible rows: all rows of a default stream, the flushed rows of a created one.
    visible: u64,
}

#[derive(Debug, Default)]
struct Counts {
    tables: BTreeMap<String, Value>,
    streams: BTreeMap<String, StreamCounts>,
    /// Append and `insertAll` requests.
    requests: u64,
    /// Bytes of append requests.
    bytes: u64,
    /// Rows written by `insertAll`.
    inserted: u64,
    /// Milliseconds since the epoch.
    first_append_ms: Option<i64>,
    last_append_ms: Option<i64>,
    latency: Duration,
}

#[derive(Clone, Default)]
struct CountingServer(Arc<Mutex<Counts>>);

impl CountingServer {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub async fn serve(args: &ServeArgs) -> Done {
    let counting = CountingServer::default();
    let rest = tokio::net::TcpListener::bind(args.rest).await?;
    let rest = axum::serve(rest, router(counting.clone()));
    let plain = Server::builder().add_service(WriteService::new(counting.clone())).serve(args.grpc);
    let tls = async {
        let (Some(address), Some(cert), Some(key)) = (args.tls, &args.cert, &args.key) else {
            return std::future::pending::<Done>().await;
        };
        let identity = Identity::from_pem(std::fs::read(cert)?, std::fs::read(key)?);
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?;
        Ok({ server }.add_service(WriteService::new(counting.clone())).serve(address).await?)
    };
    tokio::select! {
        ended = async { rest.await } => Ok(ended?),
        ended = plain => Ok(ended?),
        ended = tls => ended,
    }
}

fn router(counting: CountingServer) -> Router {
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
        .with_state(counting)
}

async fn insert_table(
    State(counting): State<CountingServer>,
    Json(mut table): Json<Value>,
) -> Json<Value> {
    let name = table["tableReference"]["tableId"].as_str().unwrap_or_default().to_owned();
    table["etag"] = json!("1");
    counting.counts().tables.insert(name, table.clone());
    Json(table)
}

async fn table_of(
    State(counting): State<CountingServer>,
    Path((_, _, table)): Path<(String, String, String)>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let missing = json!({ "error": { "code": 404, "message": "Not found", "errors": [{ "reason": "notFound" }] } });
    let found = counting.counts().tables.get(&table).cloned();
    found.map(Json).ok_or((StatusCode::NOT_FOUND, Json(missing)))
}

async fn replace_table(
    State(counting): State<CountingServer>,
    Path((_, _, name)): Path<(String, String, String)>,
    Json(table): Json<Value>,
) -> Json<Value> {
    counting.counts().tables.insert(name, table.clone());
    Json(table)
}

async fn insert_all(
    State(counting): State<CountingServer>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let latency = counting.counts().latency;
    tokio::time::sleep(latency).await;
    let rows = body["rows"].as_array().map_or(0, Vec::len);
    let mut counts = counting.counts();
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

/// Returns the appended and the visible rows of each table, and the requests and bytes in total.
async fn counts(State(counting): State<CountingServer>) -> Json<Value> {
    let counts = counting.counts();
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

/// Resets the counts; tables and the latency stay.
async fn reset(State(counting): State<CountingServer>) {
    let mut counts = counting.counts();
    let (tables, latency) = (std::mem::take(&mut counts.tables), counts.latency);
    *counts = Counts { tables, latency, ..Counts::default() };
}

/// Sets how long every response takes from now on.
async fn latency(State(counting): State<CountingServer>, Path(ms): Path<u64>) {
    counting.counts().latency = Duration::from_millis(ms);
}

impl BigQueryWrite for CountingServer {
    type AppendCodec = CountCodec;

    // Google's Python client sends messages of up to 20 MB too.
    const LARGEST_APPEND: usize = 32 << 20;

    async fn append_rows(
        self,
        requests: AppendRequests<Self>,
        responses: AppendResponses,
    ) -> Result<(), Status> {
        let (due, mut waiting) = mpsc::unbounded_channel::<(Instant, _)>();
        // The latency is that of a round trip: it delays a response, not the requests after it.
        tokio::spawn(async move {
            while let Some((at, response)) = waiting.recv().await {
                tokio::time::sleep_until(at).await;
                let _ = responses.send(response);
            }
        });
        let mut requests = requests.into_inner();
        let mut stream = String::new();
        while let Ok(Some(append)) = requests.message().await {
            if let Some(name) = &append.stream {
                stream.clone_from(name);
            }
            let at = Instant::now() + self.counts().latency;
            let _ = due.send((at, self.counts().appended(&stream, &append)));
        }
        Ok(())
    }

    async fn create_write_stream(
        self,
        request: Request<storage::CreateWriteStreamRequest>,
    ) -> Result<storage::WriteStream, Status> {
        self.unary(request, create).await
    }

    async fn flush_rows(
        self,
        request: Request<storage::FlushRowsRequest>,
    ) -> Result<storage::FlushRowsResponse, Status> {
        self.unary(request, flush).await
    }

    async fn finalize_write_stream(
        self,
        request: Request<storage::FinalizeWriteStreamRequest>,
    ) -> Result<storage::FinalizeWriteStreamResponse, Status> {
        self.unary(request, finalize).await
    }

    async fn get_write_stream(
        self,
        request: Request<storage::GetWriteStreamRequest>,
    ) -> Result<storage::WriteStream, Status> {
        self.unary(request, get_stream).await
    }
}

impl CountingServer {
    async fn unary<A, B>(
        &self,
        request: Request<A>,
        call: fn(&mut Counts, A) -> B,
    ) -> Result<B, Status> {
        // A latency long enough to stall appends does not stop streams from being created.
        let latency = self.counts().latency.min(Duration::from_secs(1));
        tokio::time::sleep(latency).await;
        Ok(call(&mut self.counts(), request.into_inner()))
    }
}

fn create(counts: &mut Counts, request: storage::CreateWriteStreamRequest) -> storage::WriteStream {
    let name = format!("{}/streams/s{}", request.parent, counts.streams.len());
    counts.streams.insert(name.clone(), StreamCounts::default());
    storage::WriteStream { name, ..request.write_stream.unwrap_or_default() }
}

fn get_stream(_: &mut Counts, request: storage::GetWriteStreamRequest) -> storage::WriteStream {
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

/// An `AppendRowsRequest` of which only the counts are kept.
#[derive(Debug, Default)]
struct CountedAppend {
    stream: Option<String>,
    offset: Option<u64>,
    rows: u64,
    bytes: u64,
}

#[derive(Default)]
struct CountCodec;

struct CountDecoder;

impl Codec for CountCodec {
    type Encode = storage::AppendRowsResponse;
    type Decode = CountedAppend;
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
    type Item = CountedAppend;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<CountedAppend>, Status> {
        let request = from.copy_to_bytes(from.remaining());
        let mut counted = CountedAppend { bytes: request.len() as u64, ..CountedAppend::default() };
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

/// Calls `field` with the number and the content of each length-delimited field of a message.
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

impl Counts {
    fn appended(
        &mut self,
        name: &str,
        append: &CountedAppend,
    ) -> Result<storage::AppendRowsResponse, Status> {
        let stream = self.streams.entry(name.to_owned()).or_default();
        if append.offset.is_some_and(|offset| offset != stream.rows) {
            return Err(Status::out_of_range(format!("the stream is at row {}", stream.rows)));
        }
        let offset = stream.rows;
        stream.rows += append.rows;
        if append.offset.is_none() {
            stream.visible = stream.rows;
        }
        self.requests += 1;
        self.bytes += append.bytes;
        let now = Clock::System.now_micros() / 1_000;
        self.first_append_ms.get_or_insert(now);
        self.last_append_ms = Some(now);
        Ok(storage::AppendRowsResponse {
            response: Some(Answer::AppendResult(AppendResult { offset: Some(offset as i64) })),
            ..storage::AppendRowsResponse::default()
        })
    }
}
