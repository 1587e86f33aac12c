//! Injected faults: a call fails without effect, after its effect, or before an effect that follows
//! later.

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use serde_json::json;
use tonic::{Code, Status};

use crate::peer::{Peer, TABLE, default_stream};

/// The codes that BigQuery documents as transient.
fn is_transient(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Aborted
            | Code::Internal
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::ResourceExhausted
    )
}

#[tokio::test]
async fn a_failed_append_breaks_the_connection_and_writes_nothing() {
    for fault in ["append=1", "close=1"] {
        let peer = Peer::with_faults(fault).await;
        let status = peer.writer(&default_stream()).await.append(None, &["a"]).await.broken();
        assert!(is_transient(&status), "{status}");
        assert_eq!(peer.ids(), Vec::<String>::new(), "{fault}");
    }
}

#[tokio::test]
async fn rows_are_written_although_the_response_is_lost() {
    let peer = Peer::with_faults("append_lost=1").await;
    let stream = peer.create(Type::Committed).await;
    let status = peer.writer(&stream).await.append(Some(0), &["a"]).await.broken();
    assert!(is_transient(&status), "{status}");
    assert_eq!(peer.ids(), ["a"]);
}

#[tokio::test]
async fn a_late_append_and_those_pipelined_behind_it_are_written_after_the_connection_broke() {
    let peer = Peer::with_faults("append_late=1:300ms").await;
    let stream = peer.create(Type::Committed).await;
    let mut writer = peer.writer(&stream).await;
    writer.send(Some(0), &["a"]);
    writer.send(Some(1), &["b"]);
    let status = writer.connection.answer().await.expect_err("broken");
    assert!(is_transient(&status), "{status}");
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
    assert!(is_transient(&peer.flush(&stream, 0).await.expect_err("fails")));
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
async fn repeated_flushes_and_flushes_after_finalize_can_be_refused_as_beam_expects() {
    let peer = Peer::with_faults("flush_again=1,flush_finalized=1").await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["a", "b"]).await.rows();
    peer.flush(&stream, 0).await.expect("the first time");
    let again = peer.flush(&stream, 0).await.expect_err("again");
    assert_eq!(again.code(), Code::AlreadyExists);
    peer.finalize(&stream).await.expect("finalized");
    for offset in [0, 1] {
        let refused = peer.flush(&stream, offset).await.expect_err("finalized");
        assert_eq!(refused.code(), Code::InvalidArgument, "{offset}");
        assert!(refused.message().contains("Stream has been finalized"), "{refused}");
    }
    assert_eq!(peer.ids(), ["a"]);
}
