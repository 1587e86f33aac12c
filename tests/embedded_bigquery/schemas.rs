//! Writer schemas that do not fit the table, and tables that change while they are written to.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::table_field_schema::{
    Mode, Type as FieldType,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    GetWriteStreamRequest, WriteStream, WriteStreamView,
};
use prost_types::DescriptorProto;
use prost_types::field_descriptor_proto::Type as Kind;
use serde_json::{Value, json};
use tonic::Code;

use crate::peer::{
    Appended, Peer, default_stream, descriptor, detail_of, field, first_request, message, request,
    row, text,
};

/// The descriptor of `t` with one more field.
fn wider() -> DescriptorProto {
    let mut wider = descriptor();
    wider.field.push(field("more", 3, Kind::String));
    wider
}

async fn add_column(peer: &Peer, added: Value) -> u16 {
    let (_, table) = peer.rest("GET", "datasets/d/tables/t", None).await;
    let mut fields = table["schema"]["fields"].as_array().expect("fields").clone();
    fields.push(added);
    let body = json!({ "schema": { "fields": fields } });
    peer.rest("PATCH", "datasets/d/tables/t", Some(body)).await.0
}

#[tokio::test]
async fn a_field_that_the_table_does_not_have_is_refused() {
    let peer = Peer::start().await;
    for stream in [default_stream(), peer.create(Type::Buffered).await] {
        let first = first_request(&stream, wider(), &[row("a", None)]);
        let refused = peer.connect().await.ask(first).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(detail_of(&refused), Some(StorageErrorCode::SchemaMismatchExtraFields));
        assert!(refused.message().contains("extra fields: 'more'"), "{refused}");
    }
}

#[tokio::test]
async fn the_error_for_a_field_of_another_type_names_the_field() {
    let peer = Peer::start().await;
    let wrong = message(vec![field("id", 1, Kind::String), field("n", 2, Kind::String)]);
    let first = first_request(&default_stream(), wrong, &[row("a", None)]);
    let refused = peer.connect().await.ask(first).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let expected = "The proto field mismatched with BigQuery field at Row.n, the proto field type \
                string, BigQuery field type INTEGER";
    assert!(refused.message().contains(expected), "{refused}");
}

#[tokio::test]
async fn an_added_column_is_announced_once_and_can_then_be_written() {
    let peer = Peer::start().await;
    let mut writer = peer.writer(&default_stream()).await;
    writer.append(None, &["a"]).await.rows();
    assert_eq!(add_column(&peer, json!({ "name": "more", "type": "STRING" })).await, 200);
    let mut announced = Vec::new();
    for id in ["b", "c"] {
        writer.send(None, &[id]);
        let answer = writer.connection.answer().await.expect("an answer");
        announced.push(answer.updated_schema);
    }
    let schema = announced[0].take().expect("announced");
    let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "n", "more"]);
    assert_eq!(announced[1], None);
    // On the same connection and on a new one.
    let wide = [row("d", None), text(3, "yes")].concat();
    let again = first_request(&default_stream(), wider(), std::slice::from_ref(&wide));
    writer.connection.ask(again.clone()).await.expect("written");
    peer.connect().await.ask(again).await.expect("written");
    writer.connection.ask(request(&[wide])).await.expect("written");
    let more: Vec<Value> = peer.rows("t").iter().map(|row| row["more"].clone()).collect();
    assert_eq!(
        more,
        [json!(null), json!(null), json!(null), json!("yes"), json!("yes"), json!("yes")]
    );
}

#[tokio::test]
async fn appends_can_see_a_changed_table_with_a_delay() {
    let peer = Peer::with_faults("schema_delay=1:500ms").await;
    let mut writer = peer.writer(&default_stream()).await;
    writer.append(None, &["a"]).await.rows();
    add_column(&peer, json!({ "name": "more", "type": "STRING" })).await;
    let wide = first_request(&default_stream(), wider(), &[row("b", None)]);
    let refused = peer.connect().await.ask(wide.clone()).await.expect_err("too early");
    assert_eq!(detail_of(&refused), Some(StorageErrorCode::SchemaMismatchExtraFields));
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    Appended::of(peer.connect().await.ask(wide).await.expect("by now")).rows();
}

#[tokio::test]
async fn the_full_view_of_a_stream_contains_the_schema_of_its_table() {
    let peer = Peer::start().await;
    peer.make_table(
        "u",
        json!([{ "name": "r", "type": "RECORD", "mode": "REPEATED", "fields": [
            { "name": "at", "type": "TIMESTAMP", "mode": "REQUIRED" },
        ]}]),
    )
    .await;
    let created =
        peer.try_create("projects/p/datasets/d/tables/u", Type::Buffered).await.expect("a stream");
    assert_eq!(created.r#type(), Type::Buffered);
    assert!(created.create_time.is_some());
    let client = peer.client().await;
    let got = |name: String, view: WriteStreamView| {
        let mut client = client.clone();
        async move {
            let request = GetWriteStreamRequest { name, view: view as i32 };
            client.get_write_stream(request).await.map(tonic::Response::into_inner)
        }
    };
    let full = got(created.name.clone(), WriteStreamView::Full).await.expect("the stream");
    assert_eq!(full, WriteStream { table_schema: created.table_schema.clone(), ..created.clone() });
    let schema = full.table_schema.expect("a schema");
    let record = &schema.fields[0];
    assert_eq!((record.r#type(), record.mode()), (FieldType::Struct, Mode::Repeated));
    let inner = &record.fields[0];
    assert_eq!((inner.r#type(), inner.mode()), (FieldType::Timestamp, Mode::Required));
    let basic = got(created.name, WriteStreamView::Basic).await.expect("the stream");
    assert_eq!(basic.table_schema, None);
    let default = got(default_stream(), WriteStreamView::Full).await.expect("the stream");
    assert_eq!(default.r#type(), Type::Committed);
    let missing = got(format!("{}x", default_stream()), WriteStreamView::Basic).await;
    assert_eq!(missing.expect_err("none").code(), Code::NotFound);
}

/// The connection knows the columns of a table that is gone. BigQuery never answers with an error of
/// its own storage.
#[tokio::test]
async fn a_connection_meets_its_table_dropped_and_created_again_with_other_columns() {
    let peer = Peer::start().await;
    let mut open = [
        peer.writer(&default_stream()).await,
        peer.writer(&default_stream()).await,
        peer.writer(&peer.create(Type::Buffered).await).await,
    ];
    for writer in &mut open {
        writer.append(None, &["a"]).await.rows();
    }
    let [to_none, to_default, to_stream] = &mut open;
    assert_eq!(peer.rest("DELETE", "datasets/d/tables/t", None).await.0, 200);
    let (code, _, detail) = to_none.append(None, &["b"]).await.refused_at_all();
    assert_eq!((code, detail), (Code::NotFound, Some(StorageErrorCode::TableNotFound)));

    peer.make_table("t", json!([{ "name": "n", "type": "INTEGER" }])).await;
    let (code, message, detail) = to_default.append(None, &["b"]).await.refused_at_all();
    let expected = (Code::InvalidArgument, Some(StorageErrorCode::SchemaMismatchExtraFields));
    assert_eq!((code, detail), expected, "{message}");
    assert!(message.contains("extra fields: 'id'"), "{message}");
    let (code, message, detail) = to_stream.append(None, &["b"]).await.refused_at_all();
    assert_eq!(
        (code, detail),
        (Code::NotFound, Some(StorageErrorCode::StreamNotFound)),
        "{message}"
    );
    assert_eq!(peer.rows("t"), [Value::Null; 0]);
}
