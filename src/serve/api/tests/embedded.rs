//! What is answered, and what is on the topic then.

use serde_json::{Value, json};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_on_the_topic_where_the_answer_says() {
    let rig = Rig::start(Setup::default()).await;
    let array = format!("[ {} ,\n\t{}]", paid(1.0), paid(2.5));
    let lines = format!("{}\r\n\n  {}\n", paid(3.0), paid(4.0));
    let one = format!("\n{}\n", paid(5.0));
    let mut expected = Vec::new();
    for (kind, body, sent) in [
        (JSON, array, vec![paid(1.0), paid(2.5)]),
        ("application/x-ndjson", lines, vec![paid(3.0), paid(4.0)]),
        (JSON, one, vec![paid(5.0)]),
    ] {
        let (status, body) = answer(rig.post(kind, body)).await;
        assert_eq!((status, &body["topic"]), (202, &json!(TOPIC)), "{body}");
        assert_eq!(body["published"], sent.len());
        for (index, value) in sent.into_iter().enumerate() {
            let event = &body["events"][index];
            assert_eq!((&event["index"], &event["status"]), (&json!(index), &json!(202)));
            let number = |name: &str| event[name].as_i64().expect("a number");
            expected.push(((number("partition") as i32, number("offset")), value.into_bytes()));
        }
    }
    expected.sort();
    let stored = rig.stored();
    let found: Vec<_> = stored.iter().map(|record| (record.at, record.value.clone())).collect();
    assert_eq!(found, expected);
    assert!(stored.iter().all(|record| record.headers.is_empty() && record.key.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_events_are_all_named_and_nothing_is_published() {
    let rig = Rig::start(Setup::default()).await;
    let wrong = r#"{"event_type":"Paid","amount":"hunter2"}"#;
    let body = format!(r#"[{},{wrong},{{"event_type":"Gone"}},7,{}]"#, paid(1.0), paid(1001.0));
    let (status, answered) = answer(rig.post(JSON, body.clone())).await;
    assert_eq!(status, 422);
    let events = answered["events"].as_array().expect("events");
    let found: Vec<_> =
        events.iter().map(|event| (event["index"].as_u64(), event["reason"].as_str())).collect();
    let expected = [
        (Some(1), Some("wrong_type")),
        (Some(2), Some("unknown_event_type")),
        (Some(3), Some("invalid_json")),
        (Some(4), Some("contract_violation")),
    ];
    assert_eq!(found, expected);
    assert_eq!(events[0]["detail"], "/amount: found string, expected number");
    assert_eq!(events[0]["event_type"], "Paid");
    assert!(!answered.to_string().contains("hunter2"));
    assert_eq!(rig.stored(), []);

    let url = format!("{}/v1/events?partial=true", rig.url);
    let (status, answered) =
        answer(rig.client.post(url).header("content-type", JSON).body(body)).await;
    assert_eq!((status, &answered["published"]), (207, &json!(1)));
    let statuses: Vec<&Value> =
        answered["events"].as_array().expect("events").iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [202, 422, 422, 422, 422]);
    let stored = rig.stored();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].value, paid(1.0).into_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_partial_none_or_all_good_is_answered_as_without() {
    let rig = Rig::start(Setup::default()).await;
    let url = format!("{}/v1/events?partial=true", rig.url);
    let post = |body: String| rig.client.post(&url).header("content-type", JSON).body(body);
    assert_eq!(answer(post("[{}]".to_owned())).await.0, 422);
    assert_eq!(answer(post(paid(1.0))).await.0, 202);
    let twice = rig.client.post(format!("{url}&partial=false")).header("content-type", JSON);
    assert_eq!(answer(twice.body(paid(1.0))).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_told_apart_from_what_is_a_bad_one() {
    let rig = Rig::start(Setup::default()).await;
    let two = format!("{}\n{}", paid(1.0), paid(2.0));
    for (kind, body, status, said) in [
        (JSON, "", 400, "no events"),
        (JSON, " [ ]", 400, "no events"),
        (JSON, "{\"event_type\":", 400, "line 1 column"),
        (JSON, "[{}", 400, "line 1 column"),
        (JSON, &two, 400, "application/x-ndjson"),
        (JSON, "\u{feff}{}", 400, "no JSON"),
        (JSON, "7", 422, "events"),
        ("application/x-ndjson", "\n \n", 400, "no events"),
        ("application/x-ndjson", "{\"event_type\":", 422, "events"),
        ("application/cloudevents+json", "{", 400, "no JSON"),
        ("application/cloudevents-batch+json", "{}", 400, "array"),
        ("text/plain", "{}", 415, "application/json"),
    ] {
        let (found, answered) = answer(rig.post(kind, body)).await;
        let detail = answered["detail"].as_str().expect("a text");
        assert!(found == status && detail.contains(said), "{kind} {body}: {answered}");
    }
    let not_utf8 = [&b"{\"event_type\":\""[..], &[0xff], b"\"}"].concat();
    assert_eq!(answer(rig.post(JSON, not_utf8)).await.0, 400);
    for (path, status) in [("/v1/events", 405), ("/v1/event", 404)] {
        assert_eq!(answer(rig.client.get(format!("{}{path}", rig.url))).await.0, status);
    }
    let put = rig.client.put(format!("{}/v1/events", rig.url)).send().await.expect("an answer");
    assert_eq!(put.headers()["allow"], "POST");
    assert_eq!(rig.stored(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_event_is_published_and_marked() {
    let rig = Rig::start(Setup::default()).await;
    let (status, answered) =
        answer(rig.post(JSON, r#"{"event_type":"Viewed","amount":"free"}"#)).await;
    assert_eq!((status, &answered["events"][0]["ignored"]), (202, &json!(true)));
    let cut_off = r#"{"event_type":"Viewed","amount":"#;
    assert_eq!(answer(rig.post(JSON, cut_off)).await.0, 400);
    let lines = format!("{cut_off}\n{}", paid(1.0));
    let (status, answered) = answer(rig.post("application/x-ndjson", lines)).await;
    assert_eq!((status, &answered["events"][0]["reason"]), (422, &json!("invalid_json")));
    assert_eq!(rig.stored().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_the_key_and_trace_headers_are_passed_on() {
    let event_key = Some(vec!["order".to_owned(), "id".to_owned()]);
    let rig = Rig::start(Setup { event_key, ..Setup::default() }).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = rig.post(JSON, paid(1.0)).header("traceparent", trace);
    assert_eq!(answer(request).await.0, 202);
    let number = r#"{"event_type":"Sent","amount":1,"order":{"id":7}}"#;
    assert_eq!(answer(rig.post(JSON, number)).await.0, 202);
    let missing = r#"{"event_type":"Sent","amount":1,"order":{}}"#;
    let (status, answered) = answer(rig.post(JSON, missing)).await;
    assert_eq!((status, &answered["events"][0]["reason"]), (422, &json!("no_key")));
    let mut stored = rig.stored();
    stored.sort_by(|one, other| one.key.cmp(&other.key));
    let keys: Vec<_> = stored.iter().map(|record| record.key.as_deref()).collect();
    assert_eq!(keys, [Some("7"), Some("o-1")]);
    assert_eq!(stored[1].headers, [("traceparent".to_owned(), trace.to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_in_a_header_comes_from_the_requests_header() {
    let rig = Rig::start(Setup { channel: IN_HEADER, ..Setup::default() }).await;
    let body = "[{\"amount\":1},{\"amount\":2}]";
    let (status, answered) = answer(rig.post(JSON, body)).await;
    assert_eq!((status, &answered["events"][1]["reason"]), (422, &json!("no_event_type")));
    assert_eq!(answer(rig.post(JSON, body).header("Kind", "Paid")).await.0, 202);
    let stored = rig.stored();
    let kind = [("kind".to_owned(), "Paid".to_owned())];
    assert!(stored.len() == 2 && stored.iter().all(|record| record.headers == kind));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served() {
    let rig = Rig::start(Setup::default()).await;
    let (status, document) = answer(rig.client.get(format!("{}/openapi.json", rig.url))).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
}
