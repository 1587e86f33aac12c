//! An append is written exactly at its offset, or it is refused.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use tonic::Code;

use crate::peer::{Appended, Peer, default_stream};

#[tokio::test]
async fn appends_at_the_end_or_without_an_offset_are_written() {
    let peer = Peer::start().await;
    for kind in [Type::Committed, Type::Buffered, Type::Pending] {
        let mut writer = peer.writer(&peer.create(kind).await).await;
        assert_eq!(writer.append(Some(0), &["a", "b"]).await.rows(), Some(0));
        assert_eq!(writer.append(None, &["c"]).await.rows(), Some(2));
        assert_eq!(writer.append(Some(3), &["d"]).await.rows(), Some(3));
    }
}

#[tokio::test]
async fn an_append_below_the_end_returns_already_exists_and_writes_nothing() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Committed).await;
    let mut writer = peer.writer(&stream).await;
    writer.append(Some(0), &["a", "b"]).await.rows();
    for offset in [0, 1] {
        let (code, message, detail) = writer.append(Some(offset), &["x"]).await.refused();
        assert_eq!(code, Code::AlreadyExists);
        assert_eq!(detail, Some(StorageErrorCode::OffsetAlreadyExists));
        let expected = format!("The offset is within stream, expected offset 2, received {offset}");
        assert!(message.contains(&expected) && message.ends_with(&stream), "{message}");
    }
    assert_eq!(peer.ids(), ["a", "b"]);
    assert_eq!(writer.append(Some(2), &["c"]).await.rows(), Some(2), "the connection stays open");
}

#[tokio::test]
async fn an_append_beyond_the_end_returns_out_of_range_and_writes_nothing() {
    let peer = Peer::start().await;
    let mut writer = peer.writer(&peer.create(Type::Committed).await).await;
    let (code, message, detail) = writer.append(Some(10), &["x"]).await.refused();
    assert_eq!(code, Code::OutOfRange);
    assert_eq!(detail, Some(StorageErrorCode::OffsetOutOfRange));
    assert!(message.contains("expected offset 0, received 10"), "{message}");
    assert_eq!(peer.ids(), Vec::<String>::new());
    assert_eq!(writer.append(Some(0), &["a"]).await.rows(), Some(0));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_all_requests_beyond_a_gap_are_refused() {
    let peer = Peer::start().await;
    let mut writer = peer.writer(&peer.create(Type::Committed).await).await;
    for (offset, id) in [(0, "a"), (1, "b"), (7, "x"), (8, "y"), (2, "c")] {
        writer.send(Some(offset), &[id]);
    }
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(Appended::of(writer.connection.answer().await.expect("an answer")));
    }
    let shown: Vec<Result<i64, Code>> = answers
        .into_iter()
        .map(|answer| match answer {
            Appended::Rows(offset) => Ok(offset.expect("an offset")),
            refused => Err(refused.refused().0),
        })
        .collect();
    let gap = Err(Code::OutOfRange);
    assert_eq!(shown, [Ok(0), Ok(1), gap, gap, Ok(2)]);
    assert_eq!(peer.ids(), ["a", "b", "c"]);
}

#[tokio::test]
async fn the_default_stream_has_no_offsets() {
    let peer = Peer::start().await;
    let mut writer = peer.writer(&default_stream()).await;
    assert_eq!(writer.append(None, &["a"]).await.rows(), None);
    let (code, message, _) = writer.append(Some(0), &["x"]).await.refused();
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("Offset can not be specified"), "{message}");
    assert_eq!(peer.ids(), ["a"]);
}
