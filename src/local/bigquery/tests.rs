//! The rules of the real service, each by the stubs a real client uses.

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::{
    ProtoData, Rows,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::Response;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FlushRowsRequest, ProtoRows, ProtoSchema, WriteStream,
};
use prost_types::field_descriptor_proto::{Label, Type as Field};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::*;

const TABLE: &str = "projects/p/datasets/d/tables/t";

/// A running server with a table `t` of `id INTEGER` and `name STRING`, and a client.
struct Bench {
    running: Running,
    client: BigQueryWriteClient<Channel>,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

async fn bench(faults: &str) -> Bench {
    let folder = tempfile::tempdir().expect("folder");
    let bench = over(folder, faults).await;
    let (status, _) =
        bench.post("projects/p/datasets", json!({"datasetReference": {"datasetId": "d"}})).await;
    assert_eq!(status, 200);
    let table = json!({
        "tableReference": {"tableId": "t"},
        "schema": {"fields": [{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING"}]},
    });
    assert_eq!(bench.post("projects/p/datasets/d/tables", table).await.0, 200);
    bench
}

async fn over(folder: tempfile::TempDir, faults: &str) -> Bench {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        rest: loopback,
        grpc: loopback,
        store: folder.path().join("store.sqlite"),
        faults: faults.parse().expect("faults"),
        fresh: false,
    };
    let running = start(options).await.expect("starts");
    let client = BigQueryWriteClient::connect(running.urls().1).await.expect("connects");
    Bench { running, client, http: reqwest::Client::new(), folder }
}

impl Bench {
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, body, None).await
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Value,
        etag: Option<&str>,
    ) -> (u16, Value) {
        let url = format!("{}/bigquery/v2/{path}", self.running.urls().0);
        let mut request = self.http.request(method, url).json(&body);
        if let Some(etag) = etag {
            request = request.header("If-Match", etag);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn create(&self, kind: Type) -> String {
        let stream = WriteStream { r#type: kind as i32, ..WriteStream::default() };
        let request =
            CreateWriteStreamRequest { parent: TABLE.to_owned(), write_stream: Some(stream) };
        self.client.clone().create_write_stream(request).await.expect("creates").into_inner().name
    }

    async fn flush(&self, stream: &str, offset: i64) -> Result<i64, Status> {
        let request = FlushRowsRequest { write_stream: stream.to_owned(), offset: Some(offset) };
        self.client.clone().flush_rows(request).await.map(|answer| answer.into_inner().offset)
    }

    async fn connect(&self, stream: &str) -> Appending {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let mut client = self.client.clone().max_encoding_message_size(64 << 20);
        let answers = tokio::spawn(async move {
            client
                .append_rows(UnboundedReceiverStream::new(outgoing))
                .await
                .map(tonic::Response::into_inner)
        });
        Appending {
            requests,
            answers: Answers::Coming(answers),
            stream: stream.to_owned(),
            introduced: false,
        }
    }

    fn ids(&self) -> Vec<i64> {
        let rows = rows(&self.folder.path().join("store.sqlite"), "t", None).expect("rows");
        rows.iter().map(|row| row["id"].as_i64().expect("an id")).collect()
    }
}

enum Answers {
    Coming(tokio::task::JoinHandle<Result<Streaming<AppendRowsResponse>, Status>>),
    Here(Box<Streaming<AppendRowsResponse>>),
}

struct Appending {
    requests: mpsc::UnboundedSender<AppendRowsRequest>,
    answers: Answers,
    stream: String,
    introduced: bool,
}

fn descriptor(fields: &[(&str, Field)]) -> DescriptorProto {
    let fields = fields.iter().enumerate().map(|(index, (name, kind))| FieldDescriptorProto {
        name: Some((*name).to_owned()),
        number: Some(index as i32 + 1),
        label: Some(Label::Optional as i32),
        r#type: Some(*kind as i32),
        ..FieldDescriptorProto::default()
    });
    DescriptorProto {
        name: Some("Row".to_owned()),
        field: fields.collect(),
        ..DescriptorProto::default()
    }
}

fn row(id: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::int64::encode(1, &id, &mut bytes);
    bytes
}

impl Appending {
    fn request(&mut self, rows: Vec<Vec<u8>>, offset: Option<i64>) -> AppendRowsRequest {
        let fields = [("id", Field::Int64), ("name", Field::String)];
        let schema = ProtoSchema { proto_descriptor: Some(descriptor(&fields)) };
        let first = !std::mem::replace(&mut self.introduced, true);
        let data = ProtoData {
            writer_schema: first.then_some(schema),
            rows: Some(ProtoRows { serialized_rows: rows }),
        };
        AppendRowsRequest {
            write_stream: if first { self.stream.clone() } else { String::new() },
            offset,
            rows: Some(Rows::ProtoRows(data)),
            ..AppendRowsRequest::default()
        }
    }

    async fn append(
        &mut self,
        rows: Vec<Vec<u8>>,
        offset: Option<i64>,
    ) -> Result<AppendRowsResponse, Status> {
        let request = self.request(rows, offset);
        self.exchange(request).await
    }

    async fn exchange(&mut self, request: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        let _ = self.requests.send(request);
        if let Answers::Coming(coming) = &mut self.answers {
            self.answers = Answers::Here(Box::new(coming.await.expect("joined")?));
        }
        let Answers::Here(answers) = &mut self.answers else { unreachable!("just opened") };
        answers.message().await?.ok_or_else(|| Status::unavailable("closed"))
    }
}

/// The in-band error's code and message.
fn refused(answer: &AppendRowsResponse) -> (Code, String) {
    match &answer.response {
        Some(Response::Error(status)) => (Code::from_i32(status.code), status.message.clone()),
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn offsets_are_exact() {
    let bench = bench("").await;
    let stream = bench.create(Type::Buffered).await;
    let mut appending = bench.connect(&stream).await;
    appending.append(vec![row(1), row(2)], Some(0)).await.expect("appends");
    let (code, message) = refused(&appending.append(vec![row(1)], Some(1)).await.expect("answers"));
    assert_eq!(code, Code::AlreadyExists);
    assert!(message.contains("expected offset 2, received 1"), "{message}");
    let (code, message) = refused(&appending.append(vec![row(1)], Some(5)).await.expect("answers"));
    assert_eq!(code, Code::OutOfRange);
    assert!(message.contains("expected offset 2, received 5"), "{message}");
    appending.append(vec![row(3)], Some(2)).await.expect("the stream goes on");
}

#[tokio::test]
async fn buffered_rows_are_visible_once_flushed_and_a_repeat_changes_nothing() {
    let bench = bench("").await;
    let stream = bench.create(Type::Buffered).await;
    let mut appending = bench.connect(&stream).await;
    appending.append(vec![row(1), row(2), row(3)], Some(0)).await.expect("appends");
    assert!(bench.ids().is_empty());
    assert_eq!(bench.flush(&stream, 1).await.expect("flushes"), 1);
    assert_eq!(bench.ids(), [1, 2]);
    bench.flush(&stream, 1).await.expect("again");
    bench.flush(&stream, 0).await.expect("further back");
    assert_eq!(bench.ids(), [1, 2]);
    assert_eq!(bench.flush(&stream, 3).await.expect_err("beyond").code(), Code::OutOfRange);
    assert_eq!(
        bench.flush(&format!("{TABLE}/streams/none"), 0).await.expect_err("none").code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn default_rows_are_visible_at_once_and_take_no_offset() {
    let bench = bench("").await;
    let mut appending = bench.connect(&format!("{TABLE}/streams/_default")).await;
    appending.append(vec![row(1)], None).await.expect("appends");
    assert_eq!(bench.ids(), [1]);
    assert_eq!(
        refused(&appending.append(vec![row(2)], Some(1)).await.expect("answers")).0,
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_finalized_stream_takes_no_rows() {
    let bench = bench("").await;
    let stream = bench.create(Type::Buffered).await;
    let mut appending = bench.connect(&stream).await;
    appending.append(vec![row(1)], Some(0)).await.expect("appends");
    let request = FinalizeWriteStreamRequest { name: stream.clone() };
    let count = bench.client.clone().finalize_write_stream(request).await.expect("finalizes");
    assert_eq!(count.into_inner().row_count, 1);
    let (code, message) = refused(&appending.append(vec![row(2)], Some(1)).await.expect("answers"));
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("finalized"), "{message}");
}

#[tokio::test]
async fn one_bad_row_keeps_its_whole_request_out() {
    let bench = bench("").await;
    let mut appending = bench.connect(&format!("{TABLE}/_default")).await;
    let mut not_utf8 = Vec::new();
    prost::encoding::bytes::encode(2, &vec![0xff, 0xfe], &mut not_utf8);
    let answer = appending.append(vec![row(1), not_utf8, row(2)], None).await.expect("answers");
    assert_eq!(answer.row_errors.len(), 1);
    assert_eq!(answer.row_errors[0].index, 1);
    assert_eq!(refused(&answer).0, Code::InvalidArgument);
    assert!(bench.ids().is_empty());
}

#[tokio::test]
async fn a_field_that_the_table_lacks_is_a_mismatch() {
    let bench = bench("").await;
    let mut appending = bench.connect(&format!("{TABLE}/_default")).await;
    let mut request = appending.request(vec![row(1)], None);
    if let Some(Rows::ProtoRows(data)) = &mut request.rows {
        let fields = [("id", Field::Int64), ("nowhere", Field::String)];
        data.writer_schema = Some(ProtoSchema { proto_descriptor: Some(descriptor(&fields)) });
    }
    let status = appending.exchange(request).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("nowhere"), "{}", status.message());
    assert!(!status.details().is_empty(), "a StorageError stands in the details");
}

#[tokio::test]
async fn a_request_beyond_20_mb_is_refused() {
    let bench = bench("").await;
    let mut appending = bench.connect(&format!("{TABLE}/_default")).await;
    let mut large = Vec::new();
    prost::encoding::string::encode(2, &"x".repeat(20_000_000), &mut large);
    let status = appending.append(vec![large], None).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("too large"), "{}", status.message());
}

#[tokio::test]
async fn the_newest_connection_owns_a_created_stream() {
    let bench = bench("").await;
    let stream = bench.create(Type::Buffered).await;
    let mut first = bench.connect(&stream).await;
    first.append(vec![row(1)], Some(0)).await.expect("appends");
    let mut second = bench.connect(&stream).await;
    second.append(vec![row(2)], Some(1)).await.expect("appends");
    assert_eq!(first.append(vec![row(3)], Some(2)).await.expect_err("older").code(), Code::Aborted);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let bench = bench("").await;
    let stream = bench.create(Type::Buffered).await;
    let mut appending = bench.connect(&stream).await;
    appending.append(vec![row(1), row(2)], Some(0)).await.expect("appends");
    let folder = bench.folder;
    drop(bench.running);
    let again = over(folder, "").await;
    again.flush(&stream, 1).await.expect("flushes");
    assert_eq!(again.ids(), [1, 2]);
}

#[tokio::test]
async fn a_late_append_lands_after_its_connection_broke() {
    let bench = bench("append_late=1:50").await;
    let stream = bench.create(Type::Buffered).await;
    let mut appending = bench.connect(&stream).await;
    appending.append(vec![row(1)], Some(0)).await.expect_err("the client hears of a fault");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while bench.flush(&stream, 0).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the late append never landed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.ids(), [1]);
}

#[tokio::test]
async fn tables_evolve_additively_under_their_etag() {
    let bench = bench("").await;
    let path = "projects/p/datasets/d/tables/t";
    let (_, live) = bench.send(reqwest::Method::GET, path, Value::Null, None).await;
    let etag = live["etag"].as_str().expect("an etag").to_owned();
    let mut wider = live.clone();
    wider["labels"] = json!({"kept": "yes"});
    wider["schema"]["fields"]
        .as_array_mut()
        .expect("fields")
        .push(json!({"name": "n", "type": "FLOAT64"}));
    let (status, after) = bench.send(reqwest::Method::PUT, path, wider.clone(), Some(&etag)).await;
    assert_eq!((status, after["labels"]["kept"].as_str()), (200, Some("yes")));
    assert_eq!(bench.send(reqwest::Method::PUT, path, wider.clone(), Some(&etag)).await.0, 412);
    for change in [
        json!({"schema": {"fields": [{"name": "id", "type": "INTEGER"}]}}),
        json!({"schema": {"fields": [{"name": "id", "type": "STRING"}, {"name": "name", "type": "STRING"}, {"name": "n", "type": "FLOAT"}]}}),
    ] {
        assert_eq!(bench.send(reqwest::Method::PATCH, path, change, None).await.0, 400);
    }
}

#[tokio::test]
async fn names_and_types_that_bigquery_refuses_are_refused() {
    let bench = bench("").await;
    for (index, fields) in [
        json!([{"name": "_PARTITIONTIME", "type": "STRING"}]),
        json!([{"name": "_change_type", "type": "STRING"}]),
        json!([{"name": "a b", "type": "STRING"}]),
        json!([{"name": "x".repeat(301), "type": "STRING"}]),
        json!([{"name": "a", "type": "STRING"}, {"name": "A", "type": "STRING"}]),
        json!([{"name": "a", "type": "TEXT"}]),
        json!([{"name": "a", "type": "RECORD"}]),
    ]
    .into_iter()
    .enumerate()
    {
        let table = json!({"tableReference": {"tableId": format!("bad{index}")}, "schema": {"fields": fields}});
        let (status, answer) = bench.post("projects/p/datasets/d/tables", table).await;
        assert_eq!(status, 400, "{fields}: {answer}");
    }
}
