//! `row_errors`: the bad rows become dead letters, the others are written without them.

use tonic::Code;

use super::fake::{DEFAULT, stream};
use super::*;
use crate::sink::bigquery::appender::REQUEST_BYTES;

/// Partition, offset and value of the dead letters.
fn letters(rig: &Rig) -> Vec<(i64, i64, Option<String>)> {
    let text = |value: Vec<u8>| String::from_utf8(value).expect("text");
    let letters = rig.letters().into_iter();
    letters.map(|letter| (letter.partition, letter.offset, letter.value.map(text))).collect()
}

/// Three batches, on their way together, with bad rows in the second.
async fn three_batches(rig: &Rig) {
    rig.fake.hold();
    rig.append(1, 10, &["a"]);
    rig.append(2, 11, &["b", "bad", "c", "bad"]);
    rig.append(3, 15, &["d"]);
    rig.fake.has_seen(3).await;
    rig.fake.release();
}

/// The three batches by number; a dead letter may let a later batch pass.
async fn three_settle(rig: &mut Rig) -> [Settled; 3] {
    let mut all = [rig.settled().await, rig.settled().await, rig.settled().await];
    all.sort_by_key(|settled| settled.batch);
    all
}

#[tokio::test]
async fn exactly_once_takes_the_rest_to_a_fresh_stream() {
    let mut rig = Rig::buffered().await;
    three_batches(&rig).await;
    let [first, second, third] = three_settle(&mut rig).await;
    assert_eq!((first.place, first.letters), (place(1, 1), vec![]));
    assert_eq!((second.place, second.rows), (place(2, 2), 2));
    assert_eq!(second.letters, [Reason::RowError; 2]);
    assert_eq!((third.place, third.letters), (place(2, 3), vec![]));
    assert_eq!(rig.fake.rows(&stream(1)), ["a"]);
    assert_eq!(rig.fake.rows(&stream(2)), ["b", "c", "d"]);
    let value = |offset| Some(format!("record {offset}"));
    assert_eq!(letters(&rig), [(3, 12, value(12)), (3, 14, value(14))]);
    // The fake says `row 1 is bad`; a number may be a value of the payload.
    let reasons = rig.letters().into_iter().map(|letter| (letter.reason, letter.detail));
    let row_error = ("row_error".to_owned(), "row … is bad".to_owned());
    assert_eq!(reasons.collect::<Vec<_>>(), [row_error.clone(), row_error]);
}

#[tokio::test]
async fn at_least_once_sends_the_rest_behind_the_others() {
    let mut rig = Rig::new(Mode::Default).await;
    three_batches(&rig).await;
    let [first, second, third] = three_settle(&mut rig).await;
    assert_eq!([first.place, second.place, third.place], [None, None, None]);
    assert_eq!((second.rows, second.letters), (2, vec![Reason::RowError; 2]));
    assert_eq!(rig.fake.rows(DEFAULT), ["a", "d", "b", "c"]);
    assert_eq!(letters(&rig).iter().map(|letter| letter.1).collect::<Vec<_>>(), [12, 14]);
    assert_eq!(rig.retries(), 0, "the connection goes on");
}

#[tokio::test]
async fn a_batch_of_bad_rows_settles_without_a_place() {
    let mut rig = Rig::buffered().await;
    rig.append(1, 0, &["bad", "bad"]);
    let settled = rig.settled().await;
    assert_eq!((settled.place, settled.rows), (None, 0));
    assert_eq!(settled.letters, [Reason::RowError; 2]);
    rig.append(2, 2, &["a"]);
    assert_eq!(rig.settled().await.place, place(2, 1));
}

#[tokio::test]
async fn a_batch_cut_into_requests_moves_whole() {
    // Two rows fill a request each; the bad one comes with the second.
    let large = |fill: u8| vec![fill; REQUEST_BYTES - 100];
    let (first, second) = (large(b'1'), large(b'2'));
    let mut rig = Rig::buffered().await;
    rig.append_bytes(1, 0, [&first[..], &second, b"bad"].into_iter());
    let settled = rig.settled().await;
    assert_eq!((settled.place, settled.rows), (place(2, 2), 2));
    assert_eq!(settled.letters, [Reason::RowError]);
    let state = rig.fake.state();
    assert!(state.streams[&stream(1)].rows == [first.clone()], "acknowledged, to be left unseen");
    assert!(state.streams[&stream(2)].rows == [first, second]);
}

#[tokio::test]
async fn a_dead_letter_that_waits_for_bigquery_is_progress() {
    let mut rig = Rig::buffered().await;
    let faults = [Fault::Refused(Code::Unavailable), Fault::Refused(Code::ResourceExhausted)];
    rig.fake.script("AppendRows of dead letters", faults);
    rig.reject(1, 7);
    assert_eq!(rig.settled().await.letters, [Reason::InvalidJson]);
    assert_eq!(rig.waits, 2);
    assert_eq!(letters(&rig), [(3, 7, None)]);
}

#[tokio::test]
async fn a_record_that_is_gone_leaves_its_position() {
    let mut rig = Rig::buffered().await;
    rig.append(1, 404, &["bad"]);
    assert_eq!(rig.settled().await.letters, [Reason::RowError]);
    assert_eq!(letters(&rig), [(3, 404, None)]);
}

#[tokio::test]
async fn an_index_that_names_no_row_takes_none_away() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", [Fault::RowErrors(vec![-1, 7, 1])]);
    rig.append(1, 0, &["a", "b", "c"]);
    let settled = rig.settled().await;
    assert_eq!((settled.rows, settled.letters), (2, vec![Reason::RowError]));
    assert_eq!(rig.fake.rows(&stream(2)), ["a", "c"]);
    assert_eq!(letters(&rig).iter().map(|letter| letter.1).collect::<Vec<_>>(), [1]);

    rig.fake.script("AppendRows", [Fault::RowErrors(vec![-1, 7])]);
    rig.append(2, 3, &["d"]);
    assert!(rig.failed().await.hint.contains("does not name"));
}

#[tokio::test]
async fn the_letter_of_a_refused_row_names_the_row_before_it() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", [Fault::RowErrors(vec![1])]);
    // The fields `id` and `_kafka_previous`.
    let row = |id: &str, previous: i64| {
        let mut row = Vec::new();
        prost::encoding::string::encode(1, &id.to_owned(), &mut row);
        prost::encoding::int64::encode(2, &previous, &mut row);
        row
    };
    let rows = [row("a", 6), row("b", 10), row("c", 11)];
    rig.append_bytes(1, 10, rows.iter().map(Vec::as_slice));
    assert_eq!(rig.settled().await.letters, [Reason::RowError]);
    let letters = rig.letters().into_iter();
    let letters: Vec<_> = letters.map(|letter| (letter.offset, letter.previous)).collect();
    assert_eq!(letters, [(11, Some(10))]);
}

#[tokio::test]
async fn a_letter_leaves_out_a_key_and_headers_that_are_too_large_for_a_request() {
    let large = vec![b'k'; 21 << 20];
    let headers: Vec<(String, Option<Vec<u8>>)> = vec![("h".to_owned(), Some(large.clone()))];
    let mut rig = Rig::buffered().await;
    rig.reject_event(
        1,
        &Event {
            at: Position::new(P.0, 7),
            // No TIMESTAMP column holds it.
            timestamp_ms: Some(i64::MAX),
            key: Some(&large),
            value: Some(&large),
            headers: &headers,
        },
    );
    assert_eq!(rig.settled().await.letters, [Reason::InvalidJson]);
    let letter = rig.letters().remove(0);
    assert_eq!(
        (letter.offset, letter.key, letter.headers, letter.timestamp),
        (7, None, None, None)
    );
    assert_eq!(letter.value.map(|value| value.len()), Some(1 << 20));
    assert_eq!(letter.value_bytes, 21 << 20);
}

#[tokio::test]
async fn a_letter_that_bigquery_refuses_keeps_its_position() {
    let mut rig = Rig::buffered().await;
    let event = |offset| Event {
        at: Position::new(P.0, offset),
        timestamp_ms: Some(1),
        key: Some(b"key"),
        value: Some(b"value"),
        headers: &NoHeaders,
    };
    let script = "AppendRows of dead letters";
    rig.fake.script(script, [Fault::RowErrors(vec![0])]);
    rig.reject_event(1, &event(7));
    assert_eq!(rig.settled().await.letters, [Reason::InvalidJson]);
    rig.reject_event(2, &event(8));
    assert_eq!(rig.settled().await.letters, [Reason::InvalidJson]);
    let letters = rig.letters().into_iter();
    let letters: Vec<_> = letters
        .map(|letter| (letter.offset, letter.key, letter.value, letter.value_bytes, letter.reason))
        .collect();
    let (key, value) = (b"key".to_vec(), b"value".to_vec());
    let reason = || "invalid_json".to_owned();
    assert_eq!(letters, [(7, None, None, 5, reason()), (8, Some(key), Some(value), 5, reason())]);

    rig.fake.script(script, [Fault::RowErrors(vec![0]), Fault::RowErrors(vec![0])]);
    rig.reject_event(3, &event(9));
    assert!(rig.failed().await.hint.contains("refuses a dead letter"));
}

#[tokio::test]
async fn more_refused_rows_than_are_allowed_stop_it_before_their_letters() {
    for mode in [Mode::Buffered, Mode::Default] {
        let mut rig = Rig::new(mode).await;
        rig.limit = DeadLimit::new("50%".parse().expect("a share"), 4, 0);
        rig.append(1, 10, &["a", "bad", "b", "bad"]);
        let settled = rig.settled().await;
        assert_eq!((settled.rows, settled.letters), (2, vec![Reason::RowError; 2]));
        let written = letters(&rig);
        rig.append(2, 14, &["bad", "bad", "c", "bad"]);
        let stop = rig.failed().await;
        assert!(stop.what.starts_with("3 of 4 records"), "{}", stop.what);
        let why = stop.source.expect("a reason").to_string();
        assert!(
            why.starts_with("the sink refuses 3 rows; the first is 3@14: row … is bad"),
            "{why}"
        );
        assert_eq!(letters(&rig), written, "{mode:?}");
    }
}
