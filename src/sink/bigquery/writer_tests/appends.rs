//! Appends that fail: repeated, moved to a fresh stream, or given up with a hint.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use tonic::Code;

use super::fake::{DEFAULT, in_band, storage, stream};
use super::*;
use crate::sink::Promise;

/// Four batches of one row, all on their way before the first is answered.
async fn pipeline_of_four(rig: &Rig) {
    rig.fake.hold();
    for (id, row) in (1..).zip(["a", "b", "c", "d"]) {
        rig.append(id, id as i64 - 1, &[row]);
    }
    rig.fake.has_seen(4).await;
    rig.fake.release();
}

/// The four batches settle in order, at these places.
async fn four_settle(rig: &mut Rig, places: [Option<StreamPlace>; 4]) {
    for (id, place) in (1..).zip(places) {
        let settled = rig.settled().await;
        assert_eq!((settled.batch, settled.rows, settled.place), (BatchId(id), 1, place));
    }
}

fn places_on(number: usize) -> [Option<StreamPlace>; 4] {
    [1, 2, 3, 4].map(|rows| place(number, rows))
}

/// Offsets of the appends that came over a connection.
fn offsets(rig: &Rig, connection: usize) -> Vec<i64> {
    let seen = rig.fake.state().seen.clone();
    let seen = seen.into_iter().filter(|seen| seen.connection == connection);
    seen.map(|seen| seen.offset.expect("an offset")).collect()
}

#[tokio::test]
async fn behind_an_error_in_band_all_is_sent_again_at_the_same_offsets() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", [Fault::Fine, in_band(Code::Internal)]);
    pipeline_of_four(&rig).await;
    four_settle(&mut rig, places_on(1)).await;
    assert_eq!(rig.fake.rows(&stream(1)), ["a", "b", "c", "d"]);
    assert_eq!(offsets(&rig, 1), [1, 2, 3], "the acknowledged one is not repeated");
}

#[tokio::test]
async fn a_lost_answer_is_made_good_by_already_exists() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", [Fault::Fine, Fault::Lost]);
    pipeline_of_four(&rig).await;
    four_settle(&mut rig, places_on(1)).await;
    assert_eq!(rig.fake.rows(&stream(1)), ["a", "b", "c", "d"]);
    assert_eq!(offsets(&rig, 1), [1, 2, 3], "the lost one is asked for again");
    assert_eq!(rig.retries(), 1, "ALREADY_EXISTS is an answer, not one more failure");
}

#[tokio::test]
async fn already_exists_is_no_success_for_what_was_never_sent() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", [Fault::Fine, storage(StorageErrorCode::OffsetAlreadyExists)]);
    pipeline_of_four(&rig).await;
    let places = [place(1, 1), place(2, 1), place(2, 2), place(2, 3)];
    four_settle(&mut rig, places).await;
    assert_eq!(rig.fake.rows(&stream(2)), ["b", "c", "d"]);
    assert_eq!(offsets(&rig, 1), [0, 1, 2], "offsets of the fresh stream");
}

#[tokio::test]
async fn a_late_copy_of_a_repeated_request_changes_nothing() {
    let mut rig = Rig::buffered().await;
    let late = Duration::from_millis(300);
    rig.fake.script("AppendRows", [Fault::Late(late)]);
    pipeline_of_four(&rig).await;
    four_settle(&mut rig, places_on(1)).await;
    tokio::time::sleep(late * 2).await;
    assert_eq!(rig.fake.rows(&stream(1)), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_stream_that_cannot_go_on_is_left_for_a_fresh_one() {
    for code in [
        StorageErrorCode::OffsetOutOfRange,
        StorageErrorCode::StreamFinalized,
        StorageErrorCode::StreamNotFound,
        StorageErrorCode::InvalidStreamState,
    ] {
        let mut rig = Rig::buffered().await;
        rig.fake.script("AppendRows", [Fault::Fine, Fault::Fine, storage(code)]);
        pipeline_of_four(&rig).await;
        let places = [place(1, 1), place(1, 2), place(2, 1), place(2, 2)];
        four_settle(&mut rig, places).await;
        assert_eq!(rig.fake.rows(&stream(1)), ["a", "b"], "{code:?}");
        assert_eq!(rig.fake.rows(&stream(2)), ["c", "d"], "{code:?}");
    }
}

#[tokio::test]
async fn fresh_streams_that_fail_in_a_row_stop_with_a_hint() {
    let mut rig = Rig::buffered().await;
    let faults = vec![storage(StorageErrorCode::StreamFinalized); 20];
    rig.fake.script("AppendRows", faults);
    rig.append(1, 0, &["a"]);
    let error = rig.failed().await;
    assert!(error.hint.contains("fresh write streams"), "{}", error.hint);
    assert_eq!(rig.fake.state().streams.len(), FRESH_STREAMS as usize + 1);
}

#[tokio::test]
async fn every_code_documented_as_passing_is_retried() {
    let mut rig = Rig::buffered().await;
    let codes = [
        Code::Aborted,
        Code::Unavailable,
        Code::Cancelled,
        Code::Internal,
        Code::DeadlineExceeded,
        Code::Unknown,
    ];
    let faults = codes.into_iter().flat_map(|code| [Fault::Refused(code), in_band(code)]);
    let mut expected = Vec::new();
    for (id, fault) in (1..).zip(faults) {
        let what = format!("{fault:?}");
        rig.fake.script("AppendRows", [fault]);
        rig.append(id, id as i64, &[&what]);
        assert_eq!(rig.settled().await.place, place(1, id), "{what}");
        assert_eq!((rig.retries(), rig.waits as u64), (id, id), "{what}");
        expected.push(what);
    }
    assert_eq!(rig.fake.rows(&stream(1)), expected);
}

#[tokio::test]
async fn pauses_grow_until_an_answer_comes() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", vec![Fault::Refused(Code::Unavailable); 4]);
    let began = Instant::now();
    rig.append(1, 0, &["a"]);
    rig.settled().await;
    // At least half of 50 + 100 + 200 + 400 ms.
    assert!(began.elapsed() >= Duration::from_millis(375), "{:?}", began.elapsed());
    rig.fake.script("AppendRows", [Fault::Refused(Code::ResourceExhausted)]);
    let began = Instant::now();
    rig.append(2, 1, &["b"]);
    rig.settled().await;
    assert!(began.elapsed() >= Duration::from_millis(500), "a quota: {:?}", began.elapsed());
    assert_eq!(rig.fake.rows(&stream(1)), ["a", "b"]);
}

#[tokio::test]
async fn a_stream_is_created_in_spite_of_an_outage() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("CreateWriteStream", [Fault::Refused(Code::Unavailable), Fault::Lost]);
    rig.append(1, 0, &["a"]);
    // The stream whose name was lost stays empty.
    assert_eq!(rig.settled().await.place, place(2, 1));
    assert_eq!(rig.fake.rows(&stream(1)), [""; 0]);
}

#[tokio::test]
async fn a_permanent_error_stops_with_a_hint() {
    for (fault, hint) in [
        (Fault::Refused(Code::PermissionDenied), "roles/bigquery.dataEditor"),
        (Fault::Refused(Code::Unauthenticated), "GOOGLE_APPLICATION_CREDENTIALS"),
        (in_band(Code::InvalidArgument), "report"),
        (storage(StorageErrorCode::TableNotFound), "table"),
        (storage(StorageErrorCode::KmsPermissionDenied), "encryption key"),
    ] {
        let mut rig = Rig::buffered().await;
        rig.fake.script("AppendRows", [fault.clone()]);
        rig.append(1, 0, &["a"]);
        let error = rig.failed().await;
        assert!(error.hint.contains(hint), "{fault:?}: {}", error.hint);
        assert!(error.what.contains(&stream(1)), "{}", error.what);
        assert_eq!(rig.fake.state().seen.len(), 1, "{fault:?} is not retried");
    }
}

/// As long after its creation as the longest time in which servers may not know a table.
const OLD: Duration = Duration::from_secs(300);

#[tokio::test]
async fn a_new_table_that_is_not_found_is_waited_for() {
    let faults = [Fault::Refused(Code::NotFound), Fault::Refused(Code::NotFound)];
    let mut rig = Rig::on_table_of_age(Mode::Buffered, Duration::ZERO).await;
    rig.fake.script("CreateWriteStream", faults.clone());
    rig.append(1, 0, &["a"]);
    assert_eq!(rig.settled().await.place, place(1, 1));
    assert_eq!((rig.retries(), rig.waits), (2, 2));
    rig.fake.script("FlushRows", [Fault::Refused(Code::NotFound)]);
    let promise = Promise::from(place(1, 1).expect("a place"));
    rig.writer.send(Command::Flush(promise.clone()));
    assert!(matches!(rig.report().await, Report::Flushed(done) if done == promise));

    let mut rig = Rig::on_table_of_age(Mode::Default, Duration::ZERO).await;
    rig.fake.script("AppendRows", faults);
    rig.append(1, 0, &["a"]);
    assert_eq!(rig.settled().await.rows, 1);
    assert_eq!((rig.fake.rows(DEFAULT), rig.waits), (vec!["a".to_owned()], 2));
    for missing in [StorageErrorCode::TableNotFound, StorageErrorCode::StreamNotFound] {
        rig.fake.script("AppendRows", [storage(missing)]);
        rig.append(2, 1, &["b"]);
        assert_eq!(rig.settled().await.rows, 1, "{missing:?}");
    }
}

#[tokio::test]
async fn an_old_table_that_is_not_found_stops_with_a_hint() {
    for (mode, method) in [(Mode::Buffered, "CreateWriteStream"), (Mode::Default, "AppendRows")] {
        let mut rig = Rig::on_table_of_age(mode, OLD).await;
        rig.fake.script(method, [Fault::Refused(Code::NotFound)]);
        rig.append(1, 0, &["a"]);
        let error = rig.failed().await;
        assert!(error.hint.contains("have the table created"), "{}", error.hint);
    }
}

#[tokio::test]
async fn a_fresh_stream_that_is_not_found_is_replaced_after_a_pause() {
    let mut rig = Rig::on_table_of_age(Mode::Buffered, OLD).await;
    let missing = [Fault::Refused(Code::NotFound), storage(StorageErrorCode::StreamNotFound)];
    rig.fake.script("AppendRows", missing);
    rig.append(1, 0, &["a"]);
    rig.append(2, 1, &["b"]);
    assert_eq!(rig.settled().await.place, place(3, 1));
    assert_eq!(rig.settled().await.place, place(3, 2));
    assert_eq!(rig.waits, 1, "an expired stream is replaced at once");
    assert_eq!(rig.fake.rows(&stream(3)), ["a", "b"]);
}

#[tokio::test]
async fn at_least_once_repeats_what_is_unanswered_and_knows_no_offsets() {
    let mut rig = Rig::new(Mode::Default).await;
    rig.fake.script("AppendRows", [Fault::Fine, Fault::Lost]);
    pipeline_of_four(&rig).await;
    four_settle(&mut rig, [None, None, None, None]).await;
    assert_eq!(rig.fake.rows(DEFAULT), ["a", "b", "b", "c", "d"]);

    rig.fake.script("AppendRows", [storage(StorageErrorCode::OffsetOutOfRange)]);
    rig.append(5, 4, &["e"]);
    assert!(rig.failed().await.hint.contains("the default stream"));
}

/// As many as a round trip needs, and no more: what waits behind them stays with the writer.
#[tokio::test]
async fn eight_megabytes_are_on_their_way_at_once() {
    static ROW: [u8; 1 << 20] = [b'x'; 1 << 20];
    let mut rig = Rig::buffered().await;
    rig.fake.hold();
    for id in 0..12 {
        rig.append_bytes(id, id as i64, [&ROW[..]].into_iter());
    }
    rig.fake.has_seen(8).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.fake.state().seen.len(), 8);
    rig.fake.release();
    for id in 0..12 {
        assert_eq!(rig.settled().await.place, place(1, id + 1));
    }
    assert_eq!((rig.retries(), rig.fake.state().connections), (0, 1));
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let mut rig = Rig::buffered().await;
    rig.fake.script("AppendRows", vec![Fault::Slow(Duration::from_millis(300)); 4]);
    pipeline_of_four(&rig).await;
    four_settle(&mut rig, places_on(1)).await;
    assert_eq!(rig.fake.rows(&stream(1)), ["a", "b", "c", "d"]);
    assert_eq!((rig.retries(), rig.fake.state().connections), (0, 1));
}

#[tokio::test]
async fn a_connection_that_answers_nothing_is_replaced() {
    let answer = Duration::from_secs(2);
    let fake = fake::Fake::start().await;
    let mut rig = Rig::on(fake, Mode::Buffered, answer).await;
    rig.fake.script("AppendRows", [Fault::Slow(answer / 2), Fault::Silent]);
    let began = Instant::now();
    pipeline_of_four(&rig).await;
    four_settle(&mut rig, places_on(1)).await;
    assert!(began.elapsed() >= answer, "{:?}", began.elapsed());
    assert_eq!(rig.fake.rows(&stream(1)), ["a", "b", "c", "d"]);
    assert_eq!(offsets(&rig, 1), [1, 2, 3], "slow but answered is not repeated");
}
