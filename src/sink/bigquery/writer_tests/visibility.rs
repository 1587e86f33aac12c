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
    rig.writer.tell(Command::Flush(place.clone()));
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
    assert!(matches!(rig.report().await, Report::Flushed(done) if done == place));
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
    assert!(matches!(rig.report().await, Report::Flushed(done) if done == place));
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
    let mut rig = Rig::on(fake, LaneMode::Buffered { recover: place(1, 2) }, ANSWER).await;
    rig.append(2, 3, &["d"]);
    let (mut recovered, mut settled) = (false, false);
    while !(recovered && settled) {
        match rig.report().await {
            Report::Recovered => {
                assert_eq!(flushed(&rig), 2, "recovered means visible");
                recovered = true;
            }
            Report::Settled { place: at, .. } => {
                assert_eq!(at, place(2, 1), "in a stream of its own");
                settled = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn finalizing_is_best_effort() {
    let mut rig = with_three_rows().await;
    rig.fake.script("FinalizeWriteStream", [Fault::Refused(Code::NotFound)]);
    for finalized in [false, true] {
        let calls = rig.fake.state().calls.len();
        rig.writer.tell(Command::Finalize(StreamName(Arc::from(stream(1)))));
        while rig.fake.state().calls.len() == calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The call is counted before it is carried out.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(rig.fake.state().streams[&stream(1)].finalized, finalized);
    }
    // Its own stream being finalized, it goes on with a fresh one.
    rig.append(2, 3, &["d"]);
    assert_eq!(rig.settled().await.place, place(2, 1));
}
