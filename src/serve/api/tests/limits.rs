//! Limits, tokens, an absent broker, and the end.

use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Sends bytes as they are, and reads the answer until the connection ends.
async fn raw(rig: &Rig, request: &str) -> String {
    let mut stream = TcpStream::connect(&rig.url["http://".len()..]).await.expect("accepted");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    let _ = read.await.expect("in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_refused_for_its_size() {
    let setup = Setup { body_bytes: 2_000, largest: 1_000, ..Setup::default() };
    let rig = Rig::start(setup).await;
    assert_eq!(answer(rig.post(JSON, " ".repeat(2_001))).await.0, 413);
    let chunk = format!("64\r\n{}\r\n", " ".repeat(100)).repeat(30);
    let head = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answered = raw(&rig, &format!("{head}{chunk}0\r\n\r\n")).await;
    assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");
    let padded = format!(r#"{{"event_type":"Paid","amount":1,"pad":"{}"}}"#, "x".repeat(1_000));
    let (status, answered) = answer(rig.post(JSON, padded)).await;
    assert_eq!((status, &answered["events"][0]["reason"]), (422, &json!("too_large")));
    assert_eq!(rig.stored(), []);
    assert_eq!(rig.metrics.queued_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_have_ten_thousand_events() {
    let rig = Rig::start(Setup::default()).await;
    let many = |count: usize| format!("[{}]", vec!["7"; count].join(","));
    let (status, answered) = answer(rig.post(JSON, many(10_001))).await;
    assert_eq!(status, 413, "{}", answered["detail"]);
    let (status, answered) = answer(rig.post(JSON, many(10_000))).await;
    assert_eq!((status, answered["events"].as_array().map(Vec::len)), (422, Some(10_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_bodies_have_limits_of_their_own() {
    let rig = Rig::start(Setup { timeout: Duration::from_millis(300), ..Setup::default() }).await;
    let slow = "POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
    assert!(raw(&rig, slow).await.starts_with("HTTP/1.1 408 "));
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n",
        "x".repeat(300_000)
    );
    assert!(raw(&rig, &long).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bytes_than_there_is_room_for_are_refused_for_now() {
    let setup = Setup { in_flight_bytes: 1_000, ..Setup::default() };
    let rig = Rig::start(setup).await;
    // A body that does not come takes the room that it has announced.
    let mut stream = TcpStream::connect(&rig.url["http://".len()..]).await.expect("accepted");
    let head = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Content-Length: 900\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    while rig.metrics.queued_bytes.get() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = rig.post(JSON, paid(1.0)).send().await.expect("an answer");
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(stream);
    while rig.metrics.queued_bytes.get() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(answer(rig.post(JSON, paid(1.0))).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_known_token_publishes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    std::fs::write(&file, "known-0123456789abcdef\n").expect("written");
    let rig = Rig::start(Setup { tokens: Some(file), ..Setup::default() }).await;
    for value in
        [None, Some("Bearer unknown-0123456789abc"), Some("Basic a25vd24="), Some("Bearer ")]
    {
        let request = rig.post(JSON, paid(1.0));
        let request =
            value.into_iter().fold(request, |it, value| it.header("authorization", value));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    let described = rig.client.get(format!("{}/openapi.json", rig.url));
    assert_eq!(answer(described).await.0, 401);
    let known = rig.post(JSON, paid(1.0)).header("authorization", "bearer known-0123456789abcdef");
    assert_eq!(answer(known).await.0, 202);
    assert_eq!(rig.stored().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_answer_is_reported_for_each_event() {
    let setup = Setup {
        servers: Some("127.0.0.1:1"),
        timeout: Duration::from_millis(500),
        ..Setup::default()
    };
    let rig = Rig::start(setup).await;
    let body = format!("[{},{}]", paid(1.0), paid(2.0));
    let response = rig.post(JSON, body).send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"1".parse().expect("a value"))
    );
    let answered: serde_json::Value = response.json().await.expect("JSON");
    for index in 0..2 {
        let event = &answered["events"][index];
        assert_eq!((&event["status"], &event["reason"]), (&json!(503), &json!("not_published")));
    }
    // librdkafka's thread lets go of the batch a moment after it has reported it.
    while rig.metrics.queued_bytes.get() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(rig.health.check_live(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_api_accepts_nothing() {
    let rig = Rig::start(Setup { disabled: true, ..Setup::default() }).await;
    let (status, answered) = answer(rig.post(JSON, paid(1.0))).await;
    assert_eq!(status, 503);
    assert!(answered["detail"].as_str().is_some_and(|it| it.contains("DISABLE")), "{answered}");
    assert_eq!(rig.stored(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_before_the_end() {
    let rig = Rig::start(Setup::default()).await;
    // Idle, so it ends at once.
    assert_eq!(answer(rig.post(JSON, paid(1.0))).await.0, 202);
    // Its room is given back after its answer.
    while rig.metrics.queued_bytes.get() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut stream = TcpStream::connect(&rig.url["http://".len()..]).await.expect("accepted");
    let event = paid(2.0);
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        event.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    while rig.metrics.queued_bytes.get() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.shutdown.request();
    let began = Instant::now();
    while TcpStream::connect(&rig.url["http://".len()..]).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "connections are still accepted");
    }
    stream.write_all(event.as_bytes()).await.expect("sent");
    let mut answered = String::new();
    stream.read_to_string(&mut answered).await.expect("an answer, and the end");
    assert!(answered.starts_with("HTTP/1.1 202 "), "{answered}");
    assert!(answered.contains("connection: close"), "{answered}");
    assert_eq!(rig.stored().len(), 2);
    assert!(rig.serving.await.expect("no panic"), "drained");
}
