//! AppendRows connections: what the first request needs, which streams can share a connection, and
//! when a connection ends.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use serde_json::json;
use tonic::Code;

use crate::peer::{
    Appended, Peer, TABLE, default_stream, descriptor, detail_of, first_request, request, row,
};

#[tokio::test]
async fn the_first_request_has_to_name_stream_and_schema() {
    let peer = Peer::start().await;
    let refused =
        peer.connect().await.ask(request(&[row("a", None)])).await.expect_err("no stream");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("write_stream"), "{refused}");
    let mut without_schema = request(&[row("a", None)]);
    without_schema.write_stream = default_stream();
    let refused = peer.connect().await.ask(without_schema).await.expect_err("no schema");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("writer_schema"), "{refused}");
    // Later requests may leave both out.
    let mut connection = peer.connect().await;
    let first = first_request(&default_stream(), descriptor(), &[row("a", None)]);
    connection.ask(first).await.expect("written");
    connection.ask(request(&[row("b", None)])).await.expect("written");
    assert_eq!(peer.ids(), ["a", "b"]);
}

#[tokio::test]
async fn missing_streams_and_tables_are_not_found() {
    let peer = Peer::start().await;
    for (stream, code, detail) in [
        (
            format!("{TABLE}/streams/nowhere"),
            Code::NotFound,
            Some(StorageErrorCode::StreamNotFound),
        ),
        (
            "projects/p/datasets/d/tables/none/streams/_default".to_owned(),
            Code::NotFound,
            Some(StorageErrorCode::TableNotFound),
        ),
        ("t/_default".to_owned(), Code::InvalidArgument, None),
    ] {
        let first = first_request(&stream, descriptor(), &[row("a", None)]);
        let refused = peer.connect().await.ask(first).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{stream}");
        assert_eq!(detail_of(&refused), detail);
    }
    let refused = peer.try_create("projects/p/datasets/d/tables/none", Type::Buffered).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(detail_of(&refused), Some(StorageErrorCode::TableNotFound));
    let refused = peer.try_create(TABLE, Type::Unspecified).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn default_streams_of_several_tables_share_a_connection() {
    let peer = Peer::start().await;
    peer.make_table(
        "u",
        json!([{ "name": "id", "type": "STRING" }, { "name": "n", "type": "INTEGER" }]),
    )
    .await;
    let other = "projects/p/datasets/d/tables/u/streams/_default";
    let mut connection = peer.connect().await;
    for (stream, id) in [(default_stream().as_str(), "a"), (other, "b"), (&default_stream(), "c")] {
        let answer = connection.ask(first_request(stream, descriptor(), &[row(id, None)])).await;
        assert_eq!(answer.expect("written").write_stream, stream);
    }
    assert_eq!(peer.ids(), ["a", "c"]);
    assert_eq!(peer.rows("u")[0]["id"], "b");
}

#[tokio::test]
async fn created_streams_do_not_share_a_connection() {
    let peer = Peer::start().await;
    let (one, two) = (peer.create(Type::Committed).await, peer.create(Type::Committed).await);
    for (first, second) in [(&one, &two), (&one, &default_stream()), (&default_stream(), &one)] {
        let mut connection = peer.connect().await;
        connection
            .ask(first_request(first, descriptor(), &[row("a", None)]))
            .await
            .expect("written");
        let next = first_request(second, descriptor(), &[row("b", None)]);
        let refused = connection.ask(next).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert!(!peer.ids().contains(&"b".to_owned()));
}

#[tokio::test]
async fn a_newer_connection_closes_the_older_one_of_the_same_stream() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    let mut older = peer.writer(&stream).await;
    older.append(Some(0), &["a"]).await.rows();
    let mut newer = peer.writer(&stream).await;
    newer.append(Some(1), &["b"]).await.rows();
    let ended = older.connection.answer().await.expect_err("ended");
    assert_eq!(ended.code(), Code::Aborted);
    newer.append(Some(2), &["c"]).await.rows();
    // The default stream accepts any number of connections.
    let (mut one, mut two) =
        (peer.writer(&default_stream()).await, peer.writer(&default_stream()).await);
    for id in ["x", "y"] {
        one.append(None, &[id]).await.rows();
        two.append(None, &[id]).await.rows();
    }
}

#[tokio::test]
async fn a_request_above_20_mb_is_refused_and_the_connection_stays_open() {
    let peer = Peer::start().await;
    let mut connection = peer.connect().await;
    let stream = peer.create(Type::Committed).await;
    let largest = "x".repeat(19_900_000);
    let fits = first_request(&stream, descriptor(), &[row(&largest, None)]);
    assert_eq!(Appended::of(connection.ask(fits).await.expect("an answer")).rows(), Some(0));
    for bytes in [20_000_001, 40_000_000] {
        let too_large = request(&[row(&"x".repeat(bytes), None)]);
        let (code, message, _) =
            Appended::of(connection.ask(too_large).await.expect("an answer")).refused();
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains("AppendRows request too large"), "{message}");
    }
    let next = Appended::of(connection.ask(request(&[row("a", None)])).await.expect("an answer"));
    assert_eq!(next.rows(), Some(1));
}

#[tokio::test]
async fn deleting_a_table_deletes_its_streams() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Committed).await;
    let (mut created, mut default) =
        (peer.writer(&stream).await, peer.writer(&default_stream()).await);
    created.append(Some(0), &["a"]).await.rows();
    default.append(None, &["b"]).await.rows();
    assert_eq!(peer.rest("DELETE", "datasets/d/tables/t", None).await.0, 200);
    let (code, _, detail) = created.append(Some(1), &["x"]).await.refused();
    assert_eq!((code, detail), (Code::NotFound, Some(StorageErrorCode::StreamNotFound)));
    let (code, _, detail) = default.append(None, &["x"]).await.refused();
    assert_eq!((code, detail), (Code::NotFound, Some(StorageErrorCode::TableNotFound)));
}
