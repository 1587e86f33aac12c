//! What is served while all is well.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::*;
use crate::serve::dashboard::live::{Live, MOST_STREAMS};
use crate::serve::loopback;

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy() {
    let running = Running::start(Vec::new()).await;
    let page = running.get("/").await;
    let header = |name: &str| page.headers()[name].to_str().expect("ASCII").to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-cache");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    let etag = header("etag");
    let html = page.text().await.expect("a page");
    for asset in html.split('"').filter(|text| text.starts_with("assets/")) {
        let answer = running.get(&format!("/{asset}")).await;
        assert_eq!(answer.status(), 200, "{asset}");
    }
    let client = reqwest::Client::new();
    let again = client.get(&running.url).header("if-none-match", etag).send().await;
    assert_eq!(again.expect("an answer").status(), 304);
    let licence = running.get("/assets/uPlot-LICENSE.txt").await.text().await.expect("a text");
    assert!(licence.contains("Leon Sorokin"));
    for path in ["/assets/nothing.js", "/assets/../main.rs", "/nothing", "/assets/"] {
        let answer = running.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let answer = client.post(format!("{}/api/series", running.url)).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"]),
        (405, &"GET,HEAD".parse().expect("a header"))
    );
    for path in ["/livez", "/readyz"] {
        assert_eq!(running.json(path).await["status"], "ok");
    }
}

#[tokio::test]
async fn every_series_is_in_the_same_buckets() {
    let running = Running::start(Vec::new()).await;
    let answer = running.get("/api/series?from=3500&to=12001&bucket=1000").await;
    assert!(answer.headers().contains_key("date"));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let frame: Value = answer.json().await.expect("JSON");
    let line = |name: &str| {
        json!({
            "name": name, "label": name.to_uppercase(), "unit": "EUR", "aggregate": "mean",
            "source": format!("postgres public.{name}"), "error": null,
            "values": [3.0, 4.0, null, 6.0, null, 8.0, 9.0, null, 11.0, 12.0],
        })
    };
    let expected = json!({
        "from": 3_500, "to": 12_001, "bucket": 1_000,
        "times": [3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 11_000, 12_000],
        "series": [line("high"), line("low")], "partial": false,
    });
    assert_eq!(frame, expected);
    for (query, why) in [
        ("from=2&to=1", "`to` must be later than `from`"),
        ("from=x", "`from` is a number"),
        ("from=0&to=9999999999&bucket=1000", "buckets of 1000 ms"),
    ] {
        let answer = running.get(&format!("/api/series?{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.expect("JSON");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains(why), "{detail}");
    }
    assert_eq!(running.get("/api/live?bucket=10").await.status(), 400);
}

#[tokio::test]
async fn fifty_viewers_cost_one_query_a_tick_and_end_with_the_process() {
    let running = Running::start(Vec::new()).await;
    let mut viewers = Vec::new();
    for _ in 0..50 {
        viewers.push((running.get("/api/live?bucket=1000").await, String::new()));
    }
    let (mut names, mut began) = (Vec::new(), None);
    for (stream, rest) in &mut viewers {
        let (name, frame) = event(stream, rest).await.expect("an event");
        assert_eq!(name, "series");
        assert_eq!(frame["times"].as_array().expect("times").len(), 3);
        assert_eq!(frame["partial"], false);
        began.get_or_insert((Instant::now(), running.high.asked()));
    }
    let (began, before) = began.expect("viewers");
    for _ in 0..5 {
        for (stream, rest) in &mut viewers {
            names.push(event(stream, rest).await.expect("an event").0);
        }
    }
    assert!(names.contains(&"fleet".to_owned()));
    let (ticks, asked) = (began.elapsed().as_secs() as usize, running.high.asked() - before);
    assert!((2..=ticks + 2).contains(&asked), "{asked} queries in {ticks} s");
    running.shutdown.request();
    for (mut stream, mut rest) in viewers {
        while event(&mut stream, &mut rest).await.is_some() {}
    }
    assert!(running.task.await.expect("no panic"), "it ends in time");
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let chart = Arc::new(Chart::new(Vec::new()));
    let fleet = Arc::new(Fleet::new(Vec::new()).expect("a client"));
    let live = Live::new(chart, fleet, Shutdown::default());
    let mut streams: Vec<_> =
        (0..MOST_STREAMS).map(|_| live.follow(1_000).expect("a place")).collect();
    assert!(live.follow(1_000).is_err());
    streams.pop();
    let last = live.follow(2_000).expect("a place");
    drop((streams, last));
    let lengths: Vec<_> = (1..=32).map(|n| live.follow(n * 1_000).expect("a place")).collect();
    assert!(live.follow(33_000).is_err(), "so many lengths of buckets are followed");
    assert!(live.follow(32_000).is_ok());
    drop(lengths);
    assert!(live.follow(33_000).is_ok());
}

#[tokio::test]
async fn the_fleet_is_what_the_instances_say() {
    let status = json!({
        "domain": "HIGH", "state": "paused", "detail": "waits", "topic": "amounts",
        "sink": "postgres public.high", "group": "high", "started": 1, "version": "0.1.0",
        "partitions": [{"partition": 0, "lag": null}], "lag": 0, "rows": 7,
        "rows_per_second": 1.5, "ignored": {"filter": 3}, "dead_letters": {},
    });
    let mut with_more = status.clone();
    with_more["of_a_later_version"] = json!("left out");
    let well = Router::new().route("/status", get(move || async move { Json(with_more) }));
    let well = loopback::Server::start(well).await;
    let strange = Router::new().route("/status", get(|| async { "<html>" }));
    let strange = loopback::Server::start(strange).await;
    let silent = Router::new().route("/status", get(std::future::pending::<&'static str>));
    let silent = loopback::Server::start(silent).await;
    let gone = loopback::Server::start(Router::new()).await;
    let gone_url = gone.url("");
    gone.stop().await;
    let named = well.url("").replace("127.0.0.1", "localhost");
    let urls = [well.url(""), strange.url(""), silent.url(""), gone_url, named];
    let instance = |url: &String| InstanceSettings { name: "high".to_owned(), url: url.clone() };
    let running = Running::start(urls.iter().map(instance).collect()).await;
    let began = Instant::now();
    let fleet = running.json("/api/fleet").await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let of = |index: usize| &fleet["instances"][index];
    let mut expected = status;
    (expected["name"], expected["url"]) = (json!("high"), json!(urls[0]));
    assert_eq!(of(0), &expected);
    let away: Vec<&str> = (1..4)
        .map(|index| {
            let one = of(index);
            assert_eq!(
                (&one["state"], &one["lag"], &one["url"]),
                (&json!("away"), &Value::Null, &json!(urls[index]))
            );
            one["detail"].as_str().expect("a reason")
        })
        .collect();
    assert_eq!(away[..2], ["/status is not that of an instance", "no answer within 2 s"]);
    assert!(away[2].contains("refused"), "{away:?}");
    assert_eq!((&of(4)["state"], &of(4)["url"]), (&json!("paused"), &json!(urls[4])));
}
