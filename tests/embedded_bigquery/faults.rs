//! Injected faults: a call fails without effect, after its effect, or before an effect that follows
//! later.

use std::time::{Duration, Instant};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use serde_json::json;
use tonic::{Code, Status};

use crate::peer::{Appended, Peer, TABLE, default_stream};

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
async fn a_repeated_flush_can_be_refused_as_beam_expects() {
    let peer = Peer::with_faults("flush_again=1").await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["a", "b"]).await.rows();
    peer.flush(&stream, 0).await.expect("the first time");
    let again = peer.flush(&stream, 0).await.expect_err("again");
    assert_eq!(again.code(), Code::AlreadyExists);
    assert_eq!(peer.ids(), ["a"]);
}

#[tokio::test]
async fn appends_are_refused_while_the_quota_refills_and_then_continue_on_the_same_stream() {
    let refill = Duration::from_millis(1_500);
    let peer = Peer::with_faults("quota=1:1500").await;
    let stream = peer.create(Type::Buffered).await;
    let began = Instant::now();
    let mut refused = 0;
    loop {
        let mut writer = peer.writer(&stream).await;
        match writer.append(Some(0), &["a"]).await {
            Appended::Broken(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                refused += 1;
                assert!(began.elapsed() < Duration::from_secs(30), "the quota never refills");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            accepted => {
                assert!(began.elapsed() >= refill && refused > 1, "refused {refused} times");
                assert_eq!(accepted.rows(), Some(0));
                break;
            }
        }
    }
    peer.flush(&stream, 0).await.expect("flushed");
    assert_eq!(peer.ids(), ["a"]);
}

/// Creates and appends, and returns the codes of what is refused.
async fn refusals_of(peer: &Peer) -> Vec<Code> {
    let created = peer.try_create(TABLE, Type::Buffered).await.map(drop);
    let appended = match peer.writer(&default_stream()).await.append(None, &["a"]).await {
        Appended::Broken(status) => Err(status),
        appended => {
            appended.rows();
            Ok(())
        }
    };
    [created, appended].into_iter().filter_map(Result::err).map(|status| status.code()).collect()
}

#[tokio::test]
async fn a_recreated_table_is_not_found_for_a_while() {
    let peer = Peer::with_faults("table_delay=1:1500").await;
    assert_eq!(refusals_of(&peer).await, [], "the table is older than this server");
    let (status, table) = peer.rest("GET", "datasets/d/tables/t", None).await;
    assert_eq!(status, 200);
    let mut writer = peer.writer(&default_stream()).await;
    writer.append(None, &["b"]).await.rows();
    assert_eq!(peer.rest("DELETE", "datasets/d/tables/t", None).await.0, 200);
    let began = Instant::now();
    assert_eq!(peer.rest("POST", "datasets/d/tables", Some(table)).await.0, 200);
    assert_eq!(peer.rest("GET", "datasets/d/tables/t", None).await.0, 200, "REST finds it");
    let on_an_open_connection = writer.append(None, &["c"]).await.broken();
    assert_eq!(on_an_open_connection.code(), Code::NotFound);
    assert_eq!(refusals_of(&peer).await, [Code::NotFound; 2]);
    while !refusals_of(&peer).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "the table is never found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1_500));
}
