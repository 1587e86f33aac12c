//! Bad rows: the response names them by index, and nothing of their request is written.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::row_error::RowErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{AppendRowsResponse, RowError};
use prost_types::field_descriptor_proto::{Label, Type as Kind};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use serde_json::json;
use tonic::Code;

use crate::peer::{
    Appended, Peer, default_stream, descriptor, field, first_request, message, request, row, text,
};

fn row_errors(answer: AppendRowsResponse) -> Vec<RowError> {
    let errors = answer.row_errors.clone();
    let (code, message, detail) = Appended::of(answer).refused();
    assert_eq!((code, detail), (Code::InvalidArgument, None));
    assert!(message.starts_with("Errors found while processing rows."), "{message}");
    errors
}

#[tokio::test]
async fn one_bad_row_prevents_all_rows_of_its_request_from_being_written() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Committed).await;
    let mut connection = peer.connect().await;
    let rows = [row("a", None), Vec::new(), row("b", Some(1)), vec![0x0a, 1, 0xff]];
    let mut bad = first_request(&stream, descriptor(), &rows);
    bad.offset = Some(0);
    let errors = row_errors(connection.ask(bad).await.expect("an answer"));
    assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [1, 3]);
    assert!(errors.iter().all(|error| error.code() == RowErrorCode::FieldsError));
    assert_eq!(errors[0].message, "Field value of id cannot be empty.");
    assert_eq!(errors[1].message, "Field id: Invalid UTF-8");
    assert_eq!(peer.ids(), Vec::<String>::new());
    // The offset is still free for the good rows.
    let mut good = request(&[row("a", None), row("b", Some(1))]);
    good.offset = Some(0);
    assert_eq!(Appended::of(connection.ask(good).await.expect("an answer")).rows(), Some(0));
    assert_eq!(peer.ids(), ["a", "b"]);
}

#[tokio::test]
async fn a_request_without_rows_is_refused() {
    let peer = Peer::start().await;
    let first = first_request(&default_stream(), descriptor(), &[]);
    let answer = peer.connect().await.ask(first).await.expect("an answer");
    let (code, message, _) = Appended::of(answer).refused();
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("Rows must be specified"), "{message}");
}

/// Creates a table with one column of this type, and appends strings to it.
async fn append_texts(peer: &Peer, kind: &str, texts: &[&str]) -> AppendRowsResponse {
    peer.make_table("one", json!([{ "name": "v", "type": kind }])).await;
    let stream = "projects/p/datasets/d/tables/one/streams/_default";
    let descriptor = message(vec![field("v", 1, Kind::String)]);
    let rows: Vec<Vec<u8>> = texts.iter().map(|value| text(1, value)).collect();
    peer.connect().await.ask(first_request(stream, descriptor, &rows)).await.expect("an answer")
}

#[tokio::test]
async fn values_are_checked_against_the_type_of_their_column() {
    for (kind, good, bad) in [
        ("JSON", r#"{"a":[1]}"#, "{a:1}"),
        ("NUMERIC", "99999999999999999999999999999.999999999", "1e29"),
        ("BIGNUMERIC", "-1.5", "1.5.5"),
        ("DATETIME", "2026-11-21 10:00:00.5", "2026-11-21T10:00:00Z"),
        ("TIME", "23:59:59", "24:00:00"),
        ("DATE", "2026-11-21", "2026-11-31"),
    ] {
        let peer = Peer::start().await;
        let errors = row_errors(append_texts(&peer, kind, &[good, bad]).await);
        assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [1], "{kind}");
        assert!(errors[0].message.starts_with("Field v: "), "{}", errors[0].message);
        let peer = Peer::start().await;
        Appended::of(append_texts(&peer, kind, &[good]).await).rows();
        assert_eq!(peer.rows("one").len(), 1, "{kind}");
    }
}

fn at(column: &str) -> DescriptorProto {
    message(vec![field(column, 1, Kind::Int64)])
}

fn varint(value: i64) -> Vec<u8> {
    let mut bytes = vec![0x08];
    prost::encoding::encode_varint(value as u64, &mut bytes);
    bytes
}

#[tokio::test]
async fn rows_are_accepted_for_partitions_of_the_last_five_years_and_the_next_year() {
    const DAY: i64 = 86_400_000_000;
    let peer = Peer::start().await;
    let table = json!({
        "tableReference": { "tableId": "daily" },
        "schema": { "fields": [{ "name": "at", "type": "TIMESTAMP" }] },
        "timePartitioning": { "type": "DAY", "field": "at" },
    });
    peer.make_table_of(table).await;
    let stream = "projects/p/datasets/d/tables/daily/streams/_default";
    let now = generic_consumer::clock::Clock::System.now_micros();
    let days = [-1_824, 0, 365, -1_827, 368];
    let rows: Vec<Vec<u8>> = days.iter().map(|days| varint(now + days * DAY)).collect();
    let mut connection = peer.connect().await;
    let answer = connection.ask(first_request(stream, at("at"), &rows)).await.expect("an answer");
    let errors = row_errors(answer);
    assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [3, 4]);
    assert!(errors[0].message.contains("outside the allowed bounds"), "{}", errors[0].message);
    let answer = connection.ask(request(&rows[..3])).await.expect("an answer");
    Appended::of(answer).rows();
    // A row without a value belongs to the partition of NULL.
    Appended::of(connection.ask(request(&[Vec::new()])).await.expect("an answer")).rows();
    assert_eq!(peer.rows("daily").len(), 4);
}

#[tokio::test]
async fn timestamps_beyond_year_9999_are_row_errors() {
    let peer = Peer::start().await;
    peer.make_table("free", json!([{ "name": "at", "type": "TIMESTAMP" }])).await;
    let stream = "projects/p/datasets/d/tables/free/streams/_default";
    let rows = [varint(253_402_300_799_999_999), varint(253_402_300_800_000_000)];
    let answer = peer.connect().await.ask(first_request(stream, at("at"), &rows)).await;
    let errors = row_errors(answer.expect("an answer"));
    assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_column_may_have_the_name_of_a_column_of_the_store() {
    let peer = Peer::start().await;
    peer.make_table("own", json!([{ "name": "__stream", "type": "STRING" }])).await;
    let stream = "projects/p/datasets/d/tables/own/streams/_default";
    let descriptor = message(vec![field("__stream", 1, Kind::String)]);
    let answer =
        peer.connect().await.ask(first_request(stream, descriptor, &[text(1, "mine")])).await;
    Appended::of(answer.expect("an answer")).rows();
    assert_eq!(peer.rows("own")[0]["__stream"], "mine");
}

/// Neither the store nor a printout parses numbers: 64 bits do not hold every number, and parsing a
/// float can change its last digit.
#[tokio::test]
async fn json_and_floats_keep_every_digit() {
    let peer = Peer::start().await;
    let schema = json!([
        { "name": "payload", "type": "JSON" },
        { "name": "lines", "type": "RECORD", "mode": "REPEATED", "fields": [
            { "name": "price", "type": "FLOAT" },
            { "name": "raw", "type": "JSON" },
        ]},
        { "name": "ratios", "type": "FLOAT", "mode": "REPEATED" },
    ]);
    peer.make_table("digits", schema).await;
    let stream = "projects/p/datasets/d/tables/digits/streams/_default";
    let mut line = message(vec![field("price", 1, Kind::Double), field("raw", 2, Kind::String)]);
    line.name = Some("Line".to_owned());
    let lines = FieldDescriptorProto {
        type_name: Some("Line".to_owned()),
        ..repeated("lines", 2, Kind::Message)
    };
    let ratios = repeated("ratios", 3, Kind::Double);
    let mut descriptor = message(vec![field("payload", 1, Kind::String), lines, ratios]);
    descriptor.nested_type.push(line);

    // serde_json reads these floats back one bit off.
    let floats = [0.8999999999999999_f64, 2.638344616030823e-256, 1.0715660391663065e-203];
    let payload = r#"{"id": 12345678901234567890123, "price": 1.10, "e": 1E2}"#;
    let mut row = text(1, payload);
    let mut line = double(1, floats[0]);
    line.extend(text(2, "1.10"));
    prost::encoding::bytes::encode(2, &line, &mut row);
    floats.iter().for_each(|float| row.extend(double(3, *float)));
    let answer = peer.connect().await.ask(first_request(stream, descriptor, &[row])).await;
    Appended::of(answer.expect("an answer")).rows();

    let [a, b, c] = floats;
    let expected = format!(
        r#"{{"payload":{},"lines":[{{"price":{a:?},"raw":1.10}}],"ratios":[{a:?},{b:?},{c:?}]}}"#,
        payload.replace(' ', "")
    );
    assert_eq!(peer.lines("digits"), [expected]);
    let store = rusqlite::Connection::open(peer.store()).expect("the store");
    let stored: String =
        store.query_row("SELECT payload FROM digits", [], |row| row.get(0)).expect("a row");
    assert_eq!(stored, payload);
    let (_, listed) = peer.rest("GET", "datasets/d/tables/digits/data", None).await;
    let cells = &listed["rows"][0]["f"];
    assert_eq!(cells[0]["v"], payload);
    assert_eq!(cells[1]["v"][0]["v"]["f"][0]["v"], format!("{a:?}"));
    assert_eq!(cells[2]["v"][1]["v"], format!("{b:?}"));
}

fn repeated(name: &str, number: i32, kind: Kind) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated as i32), ..field(name, number, kind) }
}

fn double(number: u32, value: f64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::double::encode(number, &value, &mut bytes);
    bytes
}
