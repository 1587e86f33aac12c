//! Flushing: repeated until acknowledged, because a commit has promised the rows.

use tonic::Code;

use super::fake::stream;
use super::*;

/// A rig with one batch of three rows settled in its first stream.
async fn with_three_rows() -> Rig {
    let mut rig = Rig::buffered().await;
    rig.append(1, 0, &["a", "b", "c"]);
    assert_eq!(rig.settled().await.place, place(1, 3));
    rig
}

fn flush(rig: &Rig, rows: u64) -> StreamPlace {
    let place = place(1, rows).expect("a place");
    rig.writer.send(Command::Flush(place.clone().into()));
    place
}

fn flushed(rig: &Rig) -> usize {
    rig.fake.state().streams[&stream(1)].flushed
}

#[tokio::test]
async fn a_flush_makes_just_the_rows_of_its_place_visible() {
    let mut rig = with_three_rows().await;
    assert_eq!(flushed(&rig), 0, "appended is not visible");
    let place = flush(&rig, 2);
    assert!(matches!(rig.report().await, Report::Flushed(done) if done == place.clone().into()));
    assert_eq!(flushed(&rig), 2);
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let mut rig = with_three_rows().await;
    let faults = [Fault::Refused(Code::Unavailable), Fault::Refused(Code::Aborted), Fault::Lost];
    rig.fake.script("FlushRows", faults);
    flush(&rig, 3);
    assert!(matches!(rig.report().await, Report::Flushed(_)));
    assert_eq!((flushed(&rig), rig.waits), (3, 3));
}

#[tokio::test]
async fn rows_flushed_before_are_as_good() {
    let mut rig = with_three_rows().await;
    rig.fake.script("FlushRows", [Fault::Lost, Fault::Refused(Code::AlreadyExists)]);
    let place = flush(&rig, 3);
    assert!(matches!(rig.report().await, Report::Flushed(done) if done == place.clone().into()));
    assert_eq!(flushed(&rig), 3);
}

#[tokio::test]
async fn a_promise_that_cannot_be_kept_stops_with_a_hint() {
    for code in [Code::NotFound, Code::InvalidArgument, Code::OutOfRange, Code::PermissionDenied] {
        let mut rig = with_three_rows().await;
        rig.fake.script("FlushRows", [Fault::Refused(code)]);
        flush(&rig, 3);
        let error = rig.failed().await;
        assert!(error.hint.contains("--reset-offsets"), "{code:?}: {}", error.hint);
    }
}

#[tokio::test]
async fn the_previous_owners_rows_are_flushed_first() {
    let before = with_three_rows().await;
    let fake = before.fake;
    fake.script("FlushRows", [Fault::Refused(Code::Unavailable)]);
    let start = Start::Flush(place(1, 2).expect("a place").into());
    let mut rig = Rig::starting(fake, Mode::Buffered, start, ANSWER).await;
    rig.append(2, 3, &["d"]);
    let (mut ready, mut settled) = (false, false);
    while !(ready && settled) {
        match rig.report().await {
            Report::Ready { stored: None } => {
                assert_eq!(flushed(&rig), 2, "ready means visible");
                ready = true;
            }
            Report::Settled { promise, .. } => {
                let place = promise.map(StreamPlace::from);
                assert_eq!(place, self::place(2, 1), "in a stream of its own");
                settled = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_the_next_owner_has_finalized_fences_once() {
    let mut rig = with_three_rows().await;
    rig.fake.state().streams.get_mut(&stream(1)).expect("the stream").finalized = true;
    flush(&rig, 3);
    assert!(matches!(rig.report().await, Report::Fenced));
    // The commit still names it when the partition comes back: nobody has flushed it.
    flush(&rig, 3);
    let error = rig.failed().await;
    assert!(error.hint.contains("--reset-offsets"), "{}", error.hint);
}

/// Retires the first stream, and waits until the call has been carried out.
async fn retire_the_first_stream(rig: &Rig) {
    let calls = rig.fake.state().calls.len();
    rig.writer.send(Command::Retire(place(1, 3).expect("a place").into()));
    while rig.fake.state().calls.len() == calls {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The call is counted before it is carried out.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_retired_stream_is_finalized_as_far_as_possible() {
    let mut rig = with_three_rows().await;
    // A refused row makes the writer leave its first stream.
    rig.append(2, 3, &["bad", "d"]);
    assert_eq!(rig.settled().await.place, place(2, 1));
    rig.fake.script("FinalizeWriteStream", [Fault::Refused(Code::NotFound)]);
    for finalized in [false, true] {
        retire_the_first_stream(&rig).await;
        assert_eq!(rig.fake.state().streams[&stream(1)].finalized, finalized);
    }
    rig.append(3, 5, &["e"]);
    assert_eq!(rig.settled().await.place, place(2, 2));
}

#[tokio::test]
async fn the_stream_that_rows_go_to_is_not_finalized() {
    let mut rig = with_three_rows().await;
    rig.writer.send(Command::Retire(place(1, 3).expect("a place").into()));
    rig.append(2, 3, &["d"]);
    assert_eq!(rig.settled().await.place, place(1, 4));
    assert!(!rig.fake.state().calls.iter().any(|call| call.0 == "FinalizeWriteStream"));
}

/// At the end of a lane, whose last commit may name the stream, and rows may come after that.
#[tokio::test]
async fn a_closed_lane_finalizes_its_stream_if_no_commit_names_it() {
    for (is_named, rows_follow) in [(true, false), (false, true), (false, false)] {
        let mut rig = with_three_rows().await;
        if !is_named {
            rig.writer.send(Command::Retire(place(1, 3).expect("a place").into()));
        }
        if rows_follow {
            rig.append(2, 3, &["d"]);
            assert_eq!(rig.settled().await.place, place(1, 4));
        }
        let Rig { fake, writer, reports, .. } = rig;
        drop(writer);
        // Once the channel is closed, nothing of the writer runs any more.
        let ended = tokio::task::spawn_blocking(move || reports.iter().for_each(drop));
        tokio::time::timeout(PATIENCE, ended).await.expect("in time").expect("no panic");
        let finalized = fake.state().streams[&stream(1)].finalized;
        assert_eq!(finalized, !is_named && !rows_follow, "{is_named} {rows_follow}");
    }
}
