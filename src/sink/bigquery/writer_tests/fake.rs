//! A BigQuery Write service on loopback: it keeps streams by the documented rules, fails as its
//! script says, and remembers what it was asked.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Json;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::Rows;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::{
    AppendResult, Response,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse, RowError, StorageError,
    WriteStream,
};
use gcp_bigquery_client::google::rpc;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Status};

use super::service::WriteService;

pub const TABLE: &str = "projects/p/datasets/d/tables/t";
pub const DEFAULT: &str = "projects/p/datasets/d/tables/t/streams/_default";
pub const LETTERS: &str = "projects/p/datasets/d/tables/t_dead_letters/streams/_default";

/// What becomes of a call. The script of a method is used up call by call; then all is fine.
#[derive(Debug, Clone)]
pub enum Fault {
    Fine,
    /// Carried out, answered after a while.
    Slow(Duration),
    /// Carried out and answered; then the service closes the connection.
    ThenClosed,
    /// Carried out, but the call ends without the answer.
    Lost,
    /// The call ends without the answer, and is carried out a while later.
    Late(Duration),
    /// Not carried out; the call ends with this code.
    Refused(Code),
    /// Not carried out; an error in band.
    InBand(rpc::Status),
    /// Not carried out; rows with these indices are refused.
    RowErrors(Vec<i64>),
    /// Not carried out and never answered.
    Silent,
}

/// An error in band that says nothing but its code.
pub fn in_band(code: Code) -> Fault {
    Fault::InBand(rpc::Status { code: code as i32, ..rpc::Status::default() })
}

/// An error in band with a `StorageError` among its details.
pub fn storage(code: StorageErrorCode) -> Fault {
    Fault::InBand(storage_status(code))
}

fn storage_status(code: StorageErrorCode) -> rpc::Status {
    let error = StorageError { code: code as i32, ..StorageError::default() };
    let plain = match code {
        StorageErrorCode::OffsetAlreadyExists => Code::AlreadyExists,
        StorageErrorCode::OffsetOutOfRange => Code::OutOfRange,
        StorageErrorCode::StreamNotFound => Code::NotFound,
        _ => Code::InvalidArgument,
    };
    rpc::Status {
        code: plain as i32,
        message: format!("{code:?}"),
        details: vec![prost_types::Any {
            type_url: "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError".into(),
            value: error.encode_to_vec(),
        }],
    }
}

/// An AppendRows request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Number of its connection, from 0.
    pub connection: usize,
    /// Stream named in the request; empty in all but a connection's first.
    pub stream: String,
    pub has_schema: bool,
    pub offset: Option<i64>,
}

#[derive(Debug, Clone, Default)]
pub struct Stream {
    pub rows: Vec<Vec<u8>>,
    /// Rows made visible.
    pub flushed: usize,
    pub finalized: bool,
}

#[derive(Default)]
pub struct State {
    scripts: HashMap<&'static str, VecDeque<Fault>>,
    pub streams: BTreeMap<String, Stream>,
    pub seen: Vec<Seen>,
    /// Method and `x-goog-request-params` of every call.
    pub calls: Vec<(String, String)>,
    pub connections: usize,
}

/// What all connections share.
pub struct Shared {
    state: Mutex<State>,
    /// False: appends are read, and wait.
    pub open: watch::Sender<bool>,
}

/// The running service; it ends with the handle.
pub struct Fake {
    pub rest: String,
    pub grpc: String,
    shared: Arc<Shared>,
    servers: Vec<JoinHandle<()>>,
}

impl Fake {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), open: watch::Sender::new(true) });
        let (rest, rest_listener) = listen().await;
        let (grpc, grpc_listener) = listen().await;
        let service = WriteService::new(shared.clone());
        let servers = vec![
            tokio::spawn(async move {
                let router = axum::Router::new().fallback(async || Json(letter_table()));
                axum::serve(rest_listener, router).await.expect("serves");
            }),
            tokio::spawn(async move {
                tonic::transport::Server::builder()
                    .add_service(service)
                    .serve_with_incoming(TcpListenerStream::new(grpc_listener))
                    .await
                    .expect("serves");
            }),
        ];
        Self { rest, grpc, shared, servers }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Adds to the script of a method.
    pub fn script(&self, method: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().scripts.entry(method).or_default().extend(faults);
    }

    /// From here on appends wait, so that a test may have several on their way.
    pub fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    pub fn release(&self) {
        self.shared.open.send_replace(true);
    }

    /// Waits until so many appends have arrived, dead letters included.
    pub async fn has_seen(&self, appends: usize) {
        while self.state().seen.len() < appends {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A stream's rows as text.
    pub fn rows(&self, stream: &str) -> Vec<String> {
        let state = self.state();
        let rows = state.streams.get(stream).map(|stream| stream.rows.clone()).unwrap_or_default();
        rows.into_iter().map(|row| String::from_utf8(row).expect("text")).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic elsewhere")
    }

    pub fn next_fault(&self, method: &'static str) -> Fault {
        let mut state = self.state();
        state.scripts.get_mut(method).and_then(VecDeque::pop_front).unwrap_or(Fault::Fine)
    }
}

impl State {
    pub fn create(&mut self, request: CreateWriteStreamRequest) -> Result<WriteStream, Status> {
        let kind = request.write_stream.unwrap_or_default().r#type();
        if request.parent != TABLE || kind != Type::Buffered {
            return Err(Status::invalid_argument("a BUFFERED stream of the table is asked for"));
        }
        let name =
            stream(self.streams.keys().filter(|name| !name.ends_with("/_default")).count() + 1);
        self.streams.insert(name.clone(), Stream::default());
        Ok(WriteStream { name, ..WriteStream::default() })
    }

    pub fn flush(&mut self, request: FlushRowsRequest) -> Result<FlushRowsResponse, Status> {
        let stream = self.created(&request.write_stream)?;
        if stream.finalized {
            let text = "Stream has been finalized and cannot be appended.";
            return Err(Status::invalid_argument(text));
        }
        let offset = request.offset.expect("an offset");
        if offset >= stream.rows.len() as i64 {
            return Err(Status::out_of_range("no such row"));
        }
        stream.flushed = stream.flushed.max(offset as usize + 1);
        Ok(FlushRowsResponse { offset })
    }

    pub fn finalize(
        &mut self,
        request: FinalizeWriteStreamRequest,
    ) -> Result<FinalizeWriteStreamResponse, Status> {
        let stream = self.created(&request.name)?;
        stream.finalized = true;
        Ok(FinalizeWriteStreamResponse { row_count: stream.rows.len() as i64 })
    }

    fn created(&mut self, name: &str) -> Result<&mut Stream, Status> {
        self.streams.get_mut(name).ok_or_else(|| Status::not_found("no such stream"))
    }

    /// Nothing of a request is written if one row begins with `bad`.
    pub fn append(&mut self, name: &str, request: AppendRowsRequest) -> AppendRowsResponse {
        let offset = request.offset;
        let rows = rows(request);
        let bad: Vec<i64> =
            (0..).zip(&rows).filter(|(_, row)| row.starts_with(b"bad")).map(|(at, _)| at).collect();
        if !bad.is_empty() {
            return row_errors(&bad);
        }
        let default = name.ends_with("/_default");
        let stream = match self.streams.get_mut(name) {
            Some(stream) => stream,
            None if default => self.streams.entry(name.to_owned()).or_default(),
            None => return refused(storage_status(StorageErrorCode::StreamNotFound)),
        };
        if stream.finalized {
            return refused(storage_status(StorageErrorCode::StreamFinalized));
        }
        let end = stream.rows.len() as i64;
        match offset {
            Some(_) if default => {
                return refused(storage_status(StorageErrorCode::InvalidStreamType));
            }
            Some(at) if at < end => {
                return refused(storage_status(StorageErrorCode::OffsetAlreadyExists));
            }
            Some(at) if at > end => {
                return refused(storage_status(StorageErrorCode::OffsetOutOfRange));
            }
            Some(_) | None => stream.rows.extend(rows),
        }
        let result = AppendResult { offset };
        AppendRowsResponse {
            response: Some(Response::AppendResult(result)),
            ..AppendRowsResponse::default()
        }
    }
}

pub fn refused(status: rpc::Status) -> AppendRowsResponse {
    AppendRowsResponse { response: Some(Response::Error(status)), ..AppendRowsResponse::default() }
}

/// As the service words it: an error in band and the rows beside it.
pub fn row_errors(indices: &[i64]) -> AppendRowsResponse {
    let row_errors = indices.iter().map(|index| RowError {
        index: *index,
        code: 1,
        message: format!("row {index} is bad"),
    });
    let row_errors = row_errors.collect();
    let error = rpc::Status { code: Code::InvalidArgument as i32, ..rpc::Status::default() };
    AppendRowsResponse { row_errors, ..refused(error) }
}

fn rows(request: AppendRowsRequest) -> Vec<Vec<u8>> {
    let Some(Rows::ProtoRows(data)) = request.rows else { panic!("no rows") };
    data.rows.expect("rows").serialized_rows
}

/// Name of the n-th stream created, from 1; nine sorts before ten.
pub fn stream(number: usize) -> String {
    format!("{TABLE}/streams/s{number:02}")
}

/// The columns of a dead letter that tests read.
#[derive(Clone, PartialEq, Message)]
pub struct Letter {
    #[prost(int64, tag = "1")]
    pub partition: i64,
    #[prost(int64, tag = "2")]
    pub offset: i64,
    #[prost(int64, optional, tag = "3")]
    pub previous: Option<i64>,
    #[prost(int64, optional, tag = "4")]
    pub timestamp: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub key: Option<Vec<u8>>,
    #[prost(string, optional, tag = "6")]
    pub headers: Option<String>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub value: Option<Vec<u8>>,
    #[prost(int64, tag = "8")]
    pub value_bytes: i64,
    #[prost(string, tag = "9")]
    pub reason: String,
    #[prost(string, tag = "10")]
    pub detail: String,
}

fn letter_table() -> serde_json::Value {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind, "mode": "NULLABLE" });
    json!({ "schema": { "fields": [
        column("_kafka_partition", "INTEGER"),
        column("_kafka_offset", "INTEGER"),
        column("_kafka_previous", "INTEGER"),
        column("_kafka_timestamp", "TIMESTAMP"),
        column("_kafka_key", "BYTES"),
        column("_kafka_headers", "JSON"),
        column("value", "BYTES"),
        column("value_bytes", "INTEGER"),
        column("reason", "STRING"),
        column("detail", "STRING"),
    ] } })
}

async fn listen() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    (format!("http://{}", listener.local_addr().expect("address")), listener)
}
