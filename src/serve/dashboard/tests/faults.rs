//! What is answered while a store is away, hangs, or refuses.

use super::*;
use crate::serve::dashboard::gate::ANSWER;

const RECENT: &str = "/api/series?from=1000&to=5000&bucket=1000";

fn errors(frame: &Value) -> [Option<&str>; 2] {
    [0, 1].map(|index| frame["series"][index]["error"].as_str())
}

#[tokio::test]
async fn a_store_that_is_away_makes_the_answer_partial() {
    let running = Running::start(Vec::new()).await;
    running.low.set(Mode::Away);
    let frame = running.json(RECENT).await;
    assert_eq!(frame["partial"], true);
    assert_eq!(frame["series"][0]["values"][0], 1.0);
    assert_eq!(frame["series"][1]["values"], Value::Null);
    let gone = "PostgreSQL does not answer: connection refused";
    assert_eq!(errors(&frame), [None, Some(gone)]);
    let asked = running.low.asked();
    for _ in 0..20 {
        running.json(RECENT).await;
    }
    assert_eq!(running.low.asked(), asked, "nobody else waits for it");
    until("it says for how long", async || {
        let frame = running.json(RECENT).await;
        errors(&frame)[1].is_some_and(|error| error.contains("has not answered for 2 s"))
    })
    .await;
    running.low.set(Mode::Values);
    until("it is back", async || running.json(RECENT).await["partial"] == false).await;
    assert_eq!(running.json("/readyz").await["status"], "ok");
}

#[tokio::test]
async fn a_store_that_hangs_is_waited_for_once() {
    let running = Running::start(Vec::new()).await;
    running.high.set(Mode::Hang);
    let began = Instant::now();
    let frame = running.json(RECENT).await;
    let took = began.elapsed();
    assert!(took >= ANSWER && took < ANSWER + Duration::from_secs(2), "{took:?}");
    assert_eq!(
        errors(&frame),
        [Some("PostgreSQL has not answered for 5 s: no answer within 5 s"), None]
    );
    let began = Instant::now();
    assert_eq!(running.json(RECENT).await["partial"], true);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // A shutdown does not wait for it either.
    let mut stream = running.get("/api/live?bucket=1000").await;
    let (_, frame) = event(&mut stream, &mut String::new()).await.expect("an event");
    assert_eq!(frame["partial"], true);
    running.shutdown.request();
    assert!(running.task.await.expect("no panic"));
}

#[tokio::test]
async fn a_series_that_cannot_be_read_is_not_the_store_s_fault() {
    let running = Running::start(Vec::new()).await;
    running.high.set(Mode::Refused);
    let frame = running.json(RECENT).await;
    assert_eq!(errors(&frame), [Some("PostgreSQL: no column\\n\\u{1b}[2J"), None]);
    running.high.set(Mode::Values);
    assert_eq!(running.json(RECENT).await["partial"], false, "it was asked again at once");
}

#[tokio::test]
async fn many_requests_wait_for_each_other() {
    let running = Running::start(Vec::new()).await;
    let all = (0..100).map(|_| running.get(RECENT));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    running.low.set(Mode::Hang);
    let began = Instant::now();
    let all = (0..40).map(|_| running.get(RECENT));
    let answers = futures_util::future::join_all(all).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(began.elapsed() < ANSWER * 2, "{:?}", began.elapsed());
}
