//! A running embedded BigQuery, and a minimal client for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::{
    ProtoData, Rows,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::Response;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse, CreateWriteStreamRequest, FlushRowsRequest, ProtoRows,
    ProtoSchema, StorageError, WriteStream,
};
use gcp_bigquery_client::google::rpc;
use generic_consumer::local::bigquery::{Faults, Options, Running, StartError, rows, start};
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type as Kind};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

/// The path of the table `t`, to which most tests write. Its columns are `id STRING REQUIRED` and
/// `n INTEGER`.
pub const TABLE: &str = "projects/p/datasets/d/tables/t";

pub struct Peer {
    pub running: Running,
    folder: Arc<TempDir>,
}

impl Peer {
    /// Starts it with the table `t`.
    pub async fn start() -> Self {
        Self::with_faults("").await
    }

    /// Starts it with the table `t`, and injects faults after the table exists.
    pub async fn with_faults(faults: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let peer = Self::on(folder, "", None).await.expect("starts");
        peer.make_table(
            "t",
            json!([
                { "name": "id", "type": "STRING", "mode": "REQUIRED" },
                { "name": "n", "type": "INTEGER" },
            ]),
        )
        .await;
        if faults.is_empty() {
            return peer;
        }
        peer.restart_with(faults).await
    }

    /// Stops it and starts it again with Google Cloud Storage at this URL.
    pub async fn with_buckets(self, url: &str) -> Self {
        self.running.shutdown().await;
        let mut options = Self::options(&self.folder, "", None);
        options.variables.insert("STORAGE_EMULATOR_HOST".into(), url.into());
        Self { running: start(options).await.expect("starts"), folder: self.folder }
    }

    /// Stops it and starts it again on the same store; streams expire after `idle` without traffic.
    pub async fn with_stream_expiry(self, idle: Duration) -> Self {
        self.running.shutdown().await;
        Self::on(self.folder, "", Some(idle)).await.expect("starts")
    }

    async fn on(
        folder: Arc<TempDir>,
        faults: &str,
        stream_expiry: Option<Duration>,
    ) -> Result<Self, StartError> {
        Ok(Self { running: start(Self::options(&folder, faults, stream_expiry)).await?, folder })
    }

    fn options(folder: &TempDir, faults: &str, stream_expiry: Option<Duration>) -> Options {
        let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Options {
            rest: loopback,
            grpc: loopback,
            store: folder.path().join("store.sqlite"),
            faults: faults.parse::<Faults>().expect("faults").seeded(1),
            stream_expiry,
            emptied: Vec::new(),
            variables: std::collections::BTreeMap::new(),
        }
    }

    /// Stops it and starts it again on the same store.
    pub async fn restart(self) -> Self {
        self.restart_with("").await
    }

    /// The same with these faults.
    pub async fn restart_with(self, faults: &str) -> Self {
        self.running.shutdown().await;
        Self::on(self.folder, faults, None).await.expect("starts")
    }

    /// Starts a second server on the same store.
    pub async fn second_server(&self) -> Result<Self, StartError> {
        Self::on(self.folder.clone(), "", None).await
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// The visible rows as parsed JSON objects.
    pub fn rows(&self, table: &str) -> Vec<Value> {
        let parsed = |line: String| serde_json::from_str(&line).expect("JSON");
        self.lines(table).into_iter().map(parsed).collect()
    }

    /// The visible rows as JSON text, digit by digit.
    pub fn lines(&self, table: &str) -> Vec<String> {
        rows(&self.store(), table, None).expect("the table's rows").json_lines().collect()
    }

    /// The `id`s of the visible rows of `t`, in their order.
    pub fn ids(&self) -> Vec<String> {
        let id = |row: Value| row["id"].as_str().expect("an id").to_owned();
        self.rows("t").into_iter().map(id).collect()
    }

    // ------------------------------------------------------------------ REST

    pub async fn rest(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.rest_if(method, path, body, None).await
    }

    /// A request with the header `If-Match`.
    pub async fn rest_if(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        etag: Option<&str>,
    ) -> (u16, Value) {
        let url = format!("{}/bigquery/v2/projects/p/{path}", self.running.urls().0);
        let method = method.parse().expect("a method");
        let mut request = reqwest::Client::new().request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(etag) = etag {
            request = request.header("If-Match", etag);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    pub async fn make_table(&self, table: &str, fields: Value) {
        let body =
            json!({ "tableReference": { "tableId": table }, "schema": { "fields": fields } });
        self.make_table_of(body).await;
    }

    pub async fn make_table_of(&self, body: Value) {
        let dataset = json!({ "datasetReference": { "datasetId": "d" } });
        self.rest("POST", "datasets", Some(dataset)).await;
        let (status, answer) = self.rest("POST", "datasets/d/tables", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    }

    // ------------------------------------------------------------------ Storage Write

    pub async fn client(&self) -> BigQueryWriteClient<Channel> {
        let client = BigQueryWriteClient::connect(self.running.urls().1).await.expect("connects");
        client.max_encoding_message_size(64 << 20)
    }

    pub async fn create(&self, kind: Type) -> String {
        self.try_create(TABLE, kind).await.expect("a stream").name
    }

    pub async fn try_create(&self, parent: &str, kind: Type) -> Result<WriteStream, Status> {
        let stream = WriteStream { r#type: kind as i32, ..WriteStream::default() };
        let parent = parent.to_owned();
        let request = CreateWriteStreamRequest { parent, write_stream: Some(stream) };
        self.client().await.create_write_stream(request).await.map(tonic::Response::into_inner)
    }

    pub async fn flush(&self, stream: &str, offset: i64) -> Result<i64, Status> {
        let write_stream = stream.to_owned();
        let request = FlushRowsRequest { write_stream, offset: Some(offset) };
        let answer = self.client().await.flush_rows(request).await?;
        Ok(answer.into_inner().offset)
    }

    pub async fn finalize(&self, stream: &str) -> Result<i64, Status> {
        use gcp_bigquery_client::google::cloud::bigquery::storage::v1::FinalizeWriteStreamRequest;
        let request = FinalizeWriteStreamRequest { name: stream.to_owned() };
        let answer = self.client().await.finalize_write_stream(request).await?;
        Ok(answer.into_inner().row_count)
    }

    pub async fn connect(&self) -> Connection {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let outgoing = UnboundedReceiverStream::new(outgoing);
        let answers = self.client().await.append_rows(outgoing).await.expect("a connection");
        Connection { requests, answers: answers.into_inner() }
    }

    /// A writer on a new connection. Its first request names stream and schema.
    pub async fn writer(&self, stream: &str) -> Writer {
        let connection = self.connect().await;
        Writer { connection, stream: stream.to_owned(), started: false }
    }
}

/// A client's AppendRows connection.
pub struct Connection {
    requests: mpsc::UnboundedSender<AppendRowsRequest>,
    answers: Streaming<AppendRowsResponse>,
}

impl Connection {
    pub fn send(&self, request: AppendRowsRequest) {
        self.requests.send(request).expect("the connection is open");
    }

    pub async fn answer(&mut self) -> Result<AppendRowsResponse, Status> {
        match self.answers.message().await {
            Ok(answer) => Ok(answer.expect("an answer before the end")),
            Err(status) => Err(status),
        }
    }

    pub async fn ask(&mut self, request: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        self.send(request);
        self.answer().await
    }
}

/// Appends rows of the table `t`.
pub struct Writer {
    pub connection: Connection,
    stream: String,
    started: bool,
}

impl Writer {
    pub fn send(&mut self, offset: Option<i64>, ids: &[&str]) {
        let mut request = request(&ids.iter().map(|id| row(id, None)).collect::<Vec<_>>());
        request.offset = offset;
        if !std::mem::replace(&mut self.started, true) {
            add_target(&mut request, &self.stream, descriptor());
        }
        self.connection.send(request);
    }

    pub async fn append(&mut self, offset: Option<i64>, ids: &[&str]) -> Appended {
        self.send(offset, ids);
        self.connection.answer().await.map_or_else(Appended::Broken, Appended::of)
    }
}

/// The response to an append.
#[derive(Debug)]
pub enum Appended {
    /// Written; the offset of the first row, or `None` on the default stream.
    Rows(Option<i64>),
    /// Refused in band; the connection stays open.
    Refused(rpc::Status),
    /// The connection ended.
    Broken(Status),
}

impl Appended {
    pub fn of(answer: AppendRowsResponse) -> Self {
        match answer.response.expect("a result or an error") {
            Response::AppendResult(result) => Self::Rows(result.offset),
            Response::Error(status) => Self::Refused(status),
        }
    }

    pub fn rows(self) -> Option<i64> {
        match self {
            Self::Rows(offset) => offset,
            other => panic!("refused: {other:?}"),
        }
    }

    /// Code, message and `StorageError` code of an error in band.
    pub fn refused(self) -> (Code, String, Option<StorageErrorCode>) {
        match self {
            Self::Refused(status) => {
                let detail = detail(&status).map(|error| error.code());
                (Code::from_i32(status.code), status.message, detail)
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The same of an error in band or of the status that ended the connection.
    pub fn refused_at_all(self) -> (Code, String, Option<StorageErrorCode>) {
        match self {
            Self::Broken(status) => {
                (status.code(), status.message().to_owned(), detail_of(&status))
            }
            other => other.refused(),
        }
    }

    pub fn broken(self) -> Status {
        match self {
            Self::Broken(status) => status,
            other => panic!("not broken: {other:?}"),
        }
    }
}

/// The `StorageError` in the details of a status.
pub fn detail(status: &rpc::Status) -> Option<StorageError> {
    let any = status.details.first()?;
    assert_eq!(any.type_url, "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError");
    Some(StorageError::decode(any.value.as_slice()).expect("a StorageError"))
}

/// The code of the `StorageError` in the details of a call's status.
pub fn detail_of(status: &Status) -> Option<StorageErrorCode> {
    let details = rpc::Status::decode(status.details()).expect("google.rpc.Status");
    assert_eq!(details.code, status.code() as i32);
    detail(&details).map(|error| error.code())
}

pub fn field(name: &str, number: i32, kind: Kind) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}

pub fn message(fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some("Row".to_owned()), field: fields, ..Default::default() }
}

/// The descriptor of a row of `t`.
pub fn descriptor() -> DescriptorProto {
    message(vec![field("id", 1, Kind::String), field("n", 2, Kind::Int64)])
}

/// A row of `t`.
pub fn row(id: &str, n: Option<u64>) -> Vec<u8> {
    let mut bytes = text(1, id);
    if let Some(n) = n {
        prost::encoding::encode_key(2, prost::encoding::WireType::Varint, &mut bytes);
        prost::encoding::encode_varint(n, &mut bytes);
    }
    bytes
}

/// A message with one string field.
pub fn text(number: u32, value: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::string::encode(number, &value.to_owned(), &mut bytes);
    bytes
}

pub fn request(rows: &[Vec<u8>]) -> AppendRowsRequest {
    let rows = ProtoRows { serialized_rows: rows.to_vec() };
    let data = ProtoData { writer_schema: None, rows: Some(rows) };
    AppendRowsRequest { rows: Some(Rows::ProtoRows(data)), ..AppendRowsRequest::default() }
}

/// Adds stream and schema to a request, as a connection's first request needs them.
pub fn add_target(request: &mut AppendRowsRequest, stream: &str, descriptor: DescriptorProto) {
    stream.clone_into(&mut request.write_stream);
    let Some(Rows::ProtoRows(data)) = &mut request.rows else { panic!("no rows") };
    data.writer_schema = Some(ProtoSchema { proto_descriptor: Some(descriptor) });
}

/// A connection's first request.
pub fn first_request(
    stream: &str,
    descriptor: DescriptorProto,
    rows: &[Vec<u8>],
) -> AppendRowsRequest {
    let mut request = request(rows);
    add_target(&mut request, stream, descriptor);
    request
}

pub fn default_stream() -> String {
    format!("{TABLE}/streams/_default")
}
