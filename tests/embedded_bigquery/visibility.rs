//! When rows become visible: by stream type, flush, finalize and batch commit.

use std::time::{Duration, Instant};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    BatchCommitWriteStreamsRequest, BatchCommitWriteStreamsResponse, FlushRowsRequest,
};
use tonic::{Code, Status};

use crate::peer::{Peer, TABLE, default_stream, detail_of};

async fn commit(
    peer: &Peer,
    streams: &[&String],
) -> Result<BatchCommitWriteStreamsResponse, Status> {
    let write_streams = streams.iter().map(|stream| (*stream).clone()).collect();
    let request = BatchCommitWriteStreamsRequest { parent: TABLE.to_owned(), write_streams };
    let answer = peer.client().await.batch_commit_write_streams(request).await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn rows_of_committed_and_default_streams_are_visible_at_once() {
    let peer = Peer::start().await;
    peer.writer(&peer.create(Type::Committed).await).await.append(Some(0), &["a"]).await.rows();
    assert_eq!(peer.ids(), ["a"]);
    peer.writer(&default_stream()).await.append(None, &["b"]).await.rows();
    assert_eq!(peer.ids(), ["a", "b"]);
    // The short form of the default stream's name.
    peer.writer(&format!("{TABLE}/_default")).await.append(None, &["c"]).await.rows();
    assert_eq!(peer.ids(), ["a", "b", "c"]);
}

#[tokio::test]
async fn rows_of_buffered_streams_are_visible_up_to_the_flushed_offset() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    let mut writer = peer.writer(&stream).await;
    writer.append(Some(0), &["a", "b", "c"]).await.rows();
    assert_eq!(peer.ids(), Vec::<String>::new());
    assert_eq!(peer.flush(&stream, 1).await.expect("flushed"), 1);
    assert_eq!(peer.ids(), ["a", "b"]);
    writer.append(Some(3), &["d"]).await.rows();
    assert_eq!(peer.flush(&stream, 3).await.expect("flushed"), 3);
    assert_eq!(peer.ids(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn flushing_an_offset_again_or_a_lower_one_succeeds_and_changes_nothing() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["a", "b", "c"]).await.rows();
    for offset in [1, 1, 0, 1] {
        peer.flush(&stream, offset).await.expect("flushed");
        assert_eq!(peer.ids(), ["a", "b"]);
    }
}

#[tokio::test]
async fn a_flush_beyond_the_end_is_out_of_range() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    let refused = peer.flush(&stream, 0).await.expect_err("the stream is empty");
    assert_eq!(refused.code(), Code::OutOfRange);
    peer.writer(&stream).await.append(Some(0), &["a", "b"]).await.rows();
    for offset in [2, 100, -1] {
        let refused = peer.flush(&stream, offset).await.expect_err("refused");
        assert_eq!(refused.code(), Code::OutOfRange, "{offset}");
        assert!(refused.message().contains("beyond the end of the stream"), "{refused}");
        assert_eq!(detail_of(&refused), Some(StorageErrorCode::OffsetOutOfRange));
    }
    assert_eq!(peer.ids(), Vec::<String>::new());
}

#[tokio::test]
async fn only_buffered_streams_can_be_flushed() {
    let peer = Peer::start().await;
    let mut streams = vec![default_stream()];
    for kind in [Type::Committed, Type::Pending] {
        streams.push(peer.create(kind).await);
    }
    for stream in streams {
        let refused = peer.flush(&stream, 0).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(detail_of(&refused), Some(StorageErrorCode::InvalidStreamType));
    }
    let nowhere = format!("{TABLE}/streams/nowhere");
    let refused = peer.flush(&nowhere, 0).await.expect_err("refused");
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(detail_of(&refused), Some(StorageErrorCode::StreamNotFound));
    let write_stream = peer.create(Type::Buffered).await;
    let request = FlushRowsRequest { write_stream, offset: None };
    let refused = peer.client().await.flush_rows(request).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_finalized_stream_accepts_neither_rows_nor_flushes() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    let mut writer = peer.writer(&stream).await;
    writer.append(Some(0), &["a", "b"]).await.rows();
    peer.flush(&stream, 0).await.expect("flushed");
    assert_eq!(peer.finalize(&stream).await.expect("finalized"), 2);
    assert_eq!(peer.finalize(&stream).await.expect("again"), 2);
    let (code, message, detail) = writer.append(Some(2), &["c"]).await.refused();
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(detail, Some(StorageErrorCode::StreamFinalized));
    assert!(message.contains("Stream has been finalized"), "{message}");
    // Flushed before, to be flushed, and beyond the end.
    for offset in [0, 1, 2] {
        let refused = peer.flush(&stream, offset).await.expect_err("finalized");
        assert_eq!(refused.code(), Code::InvalidArgument, "{offset}");
        assert!(refused.message().contains("Stream has been finalized"), "{refused}");
        assert_eq!(detail_of(&refused), Some(StorageErrorCode::StreamFinalized));
    }
    assert_eq!(peer.ids(), ["a"]);
    let refused = peer.finalize(&default_stream()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_stream_without_traffic_expires_and_one_with_traffic_does_not() {
    let idle = Duration::from_secs(3);
    let peer = Peer::start().await;
    let mut streams = Vec::new();
    for kind in [Type::Buffered, Type::Committed, Type::Pending] {
        streams.push(peer.create(kind).await);
    }
    let peer = peer.with_stream_expiry(idle).await;
    let flushed = peer.create(Type::Buffered).await;
    let appended = peer.create(Type::Buffered).await;
    let mut writer = peer.writer(&appended).await;
    writer.append(Some(0), &["a"]).await.rows();
    peer.writer(&flushed).await.append(Some(0), &["b"]).await.rows();
    let began = Instant::now();
    let mut next = 1;
    while began.elapsed() < idle * 2 {
        writer.append(Some(next), &["c"]).await.rows();
        peer.flush(&flushed, 0).await.expect("a repeated flush is traffic");
        next += 1;
        tokio::time::sleep(idle / 10).await;
    }
    for stream in &streams {
        let (code, _, detail) =
            peer.writer(stream).await.append(None, &["d"]).await.refused_at_all();
        assert_eq!((code, detail), (Code::NotFound, Some(StorageErrorCode::StreamNotFound)));
        let refused = peer.finalize(stream).await.expect_err("expired");
        assert_eq!(refused.code(), Code::NotFound);
    }
    assert_eq!(peer.ids(), ["b"]);
    peer.flush(&appended, next - 1).await.expect("flushed");
    // Without traffic an open connection does not keep its stream.
    tokio::time::sleep(idle).await;
    let (code, ..) = writer.append(Some(next), &["e"]).await.refused_at_all();
    assert_eq!(code, Code::NotFound);
    assert_eq!(peer.flush(&appended, 0).await.expect_err("expired").code(), Code::NotFound);
    assert_eq!(peer.ids().len(), next as usize + 1);
}

#[tokio::test]
async fn rows_of_pending_streams_are_visible_once_the_streams_are_finalized_and_committed() {
    let peer = Peer::start().await;
    let (one, two) = (peer.create(Type::Pending).await, peer.create(Type::Pending).await);
    peer.writer(&one).await.append(Some(0), &["a"]).await.rows();
    peer.writer(&two).await.append(Some(0), &["b"]).await.rows();
    peer.finalize(&one).await.expect("finalized");
    let answer = commit(&peer, &[&one, &two]).await.expect("an answer");
    assert_eq!(answer.commit_time, None);
    let errors: Vec<_> =
        answer.stream_errors.iter().map(|error| (error.code(), &error.entity)).collect();
    assert_eq!(errors, [(StorageErrorCode::InvalidStreamState, &two)]);
    assert_eq!(peer.ids(), Vec::<String>::new(), "all or none");
    peer.finalize(&two).await.expect("finalized");
    let answer = commit(&peer, &[&one, &two]).await.expect("an answer");
    assert!(answer.commit_time.is_some() && answer.stream_errors.is_empty());
    assert_eq!(peer.ids(), ["a", "b"]);
    let answer = commit(&peer, &[&one]).await.expect("an answer");
    assert_eq!(answer.stream_errors[0].code(), StorageErrorCode::StreamAlreadyCommitted);
}

#[tokio::test]
async fn only_pending_streams_can_be_committed() {
    let peer = Peer::start().await;
    for (stream, expected) in [
        (peer.create(Type::Buffered).await, StorageErrorCode::InvalidStreamType),
        (peer.create(Type::Committed).await, StorageErrorCode::InvalidStreamType),
        (format!("{TABLE}/streams/nowhere"), StorageErrorCode::StreamNotFound),
    ] {
        let answer = commit(&peer, &[&stream]).await.expect("an answer");
        assert_eq!(answer.stream_errors[0].code(), expected);
    }
    let refused = commit(&peer, &[]).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
