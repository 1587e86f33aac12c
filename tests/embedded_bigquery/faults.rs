//! Faults strike where they say: before the effect, after it, or with the effect to come.

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use serde_json::json;
use tonic::Code;

use crate::peer::{Peer, TABLE, default_stream};

const PASSING: &[Code] = &[
    Code::Unavailable,
    Code::Aborted,
    Code::Internal,
    Code::DeadlineExceeded,
    Code::Cancelled,
    Code::Unknown,
    Code::ResourceExhausted,
];

#[tokio::test]
async fn a_failed_append_breaks_the_connection_and_writes_nothing() {
    for fault in ["append=1", "close=1"] {
        let peer = Peer::with_faults(fault).await;
        let status = peer.writer(&default_stream()).await.append(None, &["a"]).await.broken();
        assert!(PASSING.contains(&status.code()), "{status}");
        assert_eq!(peer.ids(), Vec::<String>::new(), "{fault}");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_the_rows_written() {
    let peer = Peer::with_faults("append_lost=1").await;
    let stream = peer.create(Type::Committed).await;
    let status = peer.writer(&stream).await.append(Some(0), &["a"]).await.broken();
    assert!(PASSING.contains(&status.code()), "{status}");
    assert_eq!(peer.ids(), ["a"]);
}

#[tokio::test]
async fn a_late_append_and_what_is_pipelined_behind_it_arrive_after_the_connection_broke() {
    let peer = Peer::with_faults("append_late=1:300ms").await;
    let stream = peer.create(Type::Committed).await;
    let mut writer = peer.writer(&stream).await;
    writer.send(Some(0), &["a"]);
    writer.send(Some(1), &["b"]);
    let status = writer.connection.answer().await.expect_err("broken");
    assert!(PASSING.contains(&status.code()), "{status}");
    assert_eq!(peer.ids(), Vec::<String>::new(), "not yet");
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(peer.ids(), ["a", "b"]);
}

#[tokio::test]
async fn a_delayed_append_is_answered_later() {
    let peer = Peer::with_faults("append_delay=1:300ms").await;
    let began = std::time::Instant::now();
    peer.writer(&default_stream()).await.append(None, &["a"]).await.rows();
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn flush_create_finalize_and_rest_fail_before_or_after_their_effect() {
    let peer = Peer::with_faults("create=1").await;
    peer.try_create(TABLE, Type::Buffered).await.expect_err("fails");

    let peer = Peer::with_faults("flush=1,finalize_lost=1").await;
    let stream = peer.create(Type::Buffered).await;
    let mut writer = peer.writer(&stream).await;
    writer.append(Some(0), &["a"]).await.rows();
    assert!(PASSING.contains(&peer.flush(&stream, 0).await.expect_err("fails").code()));
    assert_eq!(peer.ids(), Vec::<String>::new());
    peer.finalize(&stream).await.expect_err("lost");
    writer.append(Some(1), &["b"]).await.refused();

    let peer = Peer::with_faults("flush_lost=1").await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["a"]).await.rows();
    peer.flush(&stream, 0).await.expect_err("lost");
    assert_eq!(peer.ids(), ["a"]);

    let dataset = || Some(json!({ "datasetReference": { "datasetId": "more" } }));
    let peer = Peer::with_faults("rest=1").await;
    let (status, error) = peer.rest("POST", "datasets", dataset()).await;
    assert_eq!((status, &error["error"]["errors"][0]["reason"]), (503, &json!("backendError")));
    let peer = Peer::with_faults("rest_lost=1").await;
    assert_eq!(peer.rest("POST", "datasets", dataset()).await.0, 503);
    let peer = peer.restart().await;
    assert_eq!(peer.rest("GET", "datasets/more", None).await.0, 200);
}

#[tokio::test]
async fn flushing_again_or_after_finalize_can_be_refused_as_beam_expects() {
    let peer = Peer::with_faults("flush_again=1,flush_finalized=1").await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["a", "b"]).await.rows();
    peer.flush(&stream, 0).await.expect("the first time");
    let again = peer.flush(&stream, 0).await.expect_err("again");
    assert_eq!(again.code(), Code::AlreadyExists);
    peer.finalize(&stream).await.expect("finalized");
    let late = peer.flush(&stream, 1).await.expect_err("finalized");
    assert_eq!(late.code(), Code::InvalidArgument);
    assert_eq!(peer.ids(), ["a"]);
}
