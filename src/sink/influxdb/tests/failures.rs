//! What becomes of points when requests fail.

use std::time::Instant;

use super::fake::{Fake, Fault};
use super::rig::{Rig, Settled, open, server};
use crate::config::{InfluxApi, InfluxLogin, InfluxServer, Secret};
use crate::record::Reason;

const CONFLICT: &str = "field type conflict: input field \"note\" on measurement \"low\" is type \
                        string, already exists as type float dropped={dropped}";

fn answer(status: u16, message: &str) -> Fault {
    Fault::Answer(status, "", message.to_owned())
}

#[tokio::test]
async fn points_are_written_and_each_batch_is_settled() {
    let mut rig = Rig::start().await;
    rig.send_good(0..3);
    rig.send_good(3..5);
    let none = Vec::new;
    assert_eq!(rig.settled().await, Settled { batch: 1, rows: 3, letters: none() });
    assert_eq!(rig.settled().await, Settled { batch: 2, rows: 2, letters: none() });
    assert_eq!(rig.written("low"), (0..5).map(|offset| (offset, 1)).collect::<Vec<_>>());
    let requests = rig.fake.requests();
    assert_eq!(requests[0].points, 0, "the question at the start");
    assert!(requests.iter().all(|one| {
        one.target == "/api/v2/write?org=acme&bucket=events&precision=ns"
            && one.authorization.as_deref() == Some("Token a-token")
    }));
}

#[tokio::test]
async fn version_1_and_compression() {
    let mut rig = Rig::with(|server| InfluxServer {
        api: InfluxApi::V1 {
            database: "a b".to_owned(),
            retention_policy: Some("week".to_owned()),
            login: Some(InfluxLogin { user: "u".to_owned(), password: Secret::new("p:w") }),
        },
        gzip: true,
        ..server
    })
    .await;
    rig.send_good(0..100);
    assert_eq!(rig.settled().await.rows, 100);
    assert_eq!(rig.written("low").len(), 100);
    let last = rig.fake.requests().pop().expect("a request");
    assert_eq!(last.target, "/write?db=a+b&precision=n&rp=week");
    assert_eq!(last.authorization.as_deref(), Some("Basic dTpwOnc="));
}

/// Neither loses a point, and what is written again overwrites itself.
#[tokio::test]
async fn outages_are_retried() {
    let mut rig = Rig::start().await;
    rig.fake.fail([
        Fault::Reset,
        Fault::AnswerLost,
        answer(500, "timeout"),
        answer(503, ""),
        answer(502, "bad gateway"),
        answer(429, ""),
        answer(400, "unexpected EOF"),
        answer(400, "partial write: shard 3 is pending deletion dropped=2"),
    ]);
    rig.send_good(0..2);
    assert_eq!(rig.settled().await, Settled { batch: 1, rows: 2, letters: Vec::new() });
    assert_eq!(rig.written("low"), [(0, 2), (1, 2)]);
    assert!(rig.waits >= 8, "{} signs of life", rig.waits);
}

#[tokio::test]
async fn the_pause_that_the_server_asks_for_is_kept() {
    for status in [429, 503] {
        let mut rig = Rig::start().await;
        rig.fake.fail([Fault::Answer(status, "Retry-After: 1\r\n", String::new())]);
        let began = Instant::now();
        rig.send_good(0..1);
        rig.settled().await;
        assert!(began.elapsed().as_millis() >= 1_000, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_refused_point_is_found_and_its_neighbours_are_written() {
    for (status, message) in [
        (400, format!("partial write: {CONFLICT}")),
        (500, format!("partial write: {CONFLICT}")),
        (422, format!("failure writing points to database: partial write: {CONFLICT}")),
        (400, "partial write: points beyond retention policy dropped={dropped}".to_owned()),
        (400, "unable to parse 'low note=\"bad\" 1': invalid number".to_owned()),
    ] {
        let mut rig = Rig::start().await;
        rig.fake.refuse("bad", status, &message);
        let rows: Vec<(i64, &str)> = (0..100)
            .map(|offset| (offset, if [17, 18, 99].contains(&offset) { "bad" } else { "ok" }))
            .collect();
        rig.send(&rows, Vec::new());
        let settled = rig.settled().await;
        assert_eq!(settled.rows, 97, "{message}");
        assert_eq!(settled.letters, [Reason::RowError; 3]);
        assert_eq!(rig.written("low").len(), 97);
        let letters: Vec<i64> =
            rig.written("low_dead_letters").into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(letters, [17, 18, 99]);
        assert!(rig.fake.requests().len() < 60, "{} requests", rig.fake.requests().len());
    }
}

/// Where the server has dropped all points of a request, none of them is searched for.
#[tokio::test]
async fn a_batch_that_is_too_old_takes_one_request() {
    let mut rig = Rig::start().await;
    let beyond = "partial write: points beyond retention policy dropped={dropped}";
    rig.fake.refuse("old", 400, beyond);
    let rows: Vec<(i64, &str)> = (0..64).map(|offset| (offset, "old")).collect();
    rig.send(&rows, Vec::new());
    assert_eq!(rig.settled().await.letters.len(), 64);
    // The question at the start, the points, the letters.
    assert_eq!(rig.fake.requests().len(), 3);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_split() {
    let mut rig = Rig::start().await;
    rig.fake.largest(2_000);
    let long = "x".repeat(3_000);
    let rows: Vec<(i64, &str)> =
        (0..50).map(|offset| (offset, if offset == 7 { long.as_str() } else { "ok" })).collect();
    rig.send(&rows, Vec::new());
    let settled = rig.settled().await;
    assert_eq!((settled.rows, settled.letters), (49, vec![Reason::RowError]));
    assert_eq!(rig.written("low").len(), 49);
    assert_eq!(rig.written("low_dead_letters"), [(7, 1)]);
}

#[tokio::test]
async fn what_a_person_has_to_change_stops_the_writer() {
    for (status, message, hint) in [
        (401, "authorization failed", "check `token`"),
        (403, "forbidden", "the right to write"),
        (404, "bucket \"events\" not found", "create the bucket"),
        (500, "retention policy not found: week", "retention policy"),
        (400, "partial write: max-values-per-tag limit exceeded (1/1): dropped=1", "INFLUX_TAGS"),
    ] {
        let mut rig = Rig::start().await;
        rig.fake.fail([answer(status, message)]);
        rig.send_good(0..2);
        let stop = rig.failed().await;
        assert_eq!(stop.what, "write to events/low");
        assert!(stop.hint.contains(hint), "{}", stop.hint);
        assert_eq!(rig.written("low"), []);
        // The same at the start.
        let fake = Fake::start().await;
        fake.always(status, message);
        let stop = open(server(&fake.url)).await.err().expect("it stops");
        assert!(stop.hint.contains(hint), "{}", stop.hint);
    }
}

/// An answer that says nothing about points never makes dead letters of them.
#[tokio::test]
async fn an_answer_that_nobody_expects_stops_the_writer_after_a_while() {
    let mut rig = Rig::start().await;
    rig.fake.fail(vec![answer(400, "bucket is required"); 3]);
    rig.send_good(0..2);
    assert_eq!(rig.settled().await.rows, 2);
    rig.fake.fail(vec![answer(302, "elsewhere"); 9]);
    rig.send_good(2..4);
    let stop = rig.failed().await;
    assert!(stop.hint.contains("`url` and `api`"), "{}", stop.hint);
    assert_eq!(rig.written("low").len(), 2);
}

#[tokio::test]
async fn a_writer_without_a_handle_writes_nothing_more() {
    let mut rig = Rig::start().await;
    rig.fake.always(503, "");
    rig.send_good(0..2);
    while rig.fake.requests().len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let Rig { fake, writer, .. } = rig;
    drop(writer);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let before = fake.requests().len();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(fake.requests().len() <= before + 1);
}
