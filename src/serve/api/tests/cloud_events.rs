//! CloudEvents in binary, structured and batch mode.

use serde_json::json;

use super::*;

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn event(data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e-1","source":"/shop","type":"Paid","count":7,"live":true,
        "none":null,"data":{data}}}"#
    )
}

fn header(record: &Stored, name: &str) -> Option<String> {
    record.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_become_headers_and_data_the_value() {
    let rig = Rig::start(Setup::default()).await;
    let spaced = "{ \"event_type\": \"Paid\",  \"amount\": 1.50 }";
    assert_eq!(answer(rig.post(STRUCTURED, event(spaced))).await.0, 202);
    let stored = rig.stored();
    assert_eq!(stored[0].value, spaced.as_bytes());
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", "e-1"),
        ("ce_source", "/shop"),
        ("ce_type", "Paid"),
        ("ce_count", "7"),
        ("ce_live", "true"),
        ("content-type", "application/json"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(stored[0].headers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_mode_has_its_attributes_in_headers() {
    let rig = Rig::start(Setup { channel: IN_HEADER, ..Setup::default() }).await;
    let request = rig
        .post("application/vnd.shop+json", "{\"amount\":1}")
        .header("ce-specversion", "1.0")
        .header("ce-id", "caf%C3%A9 %2")
        .header("ce-source", "\"/a \\\"shop\\\"\"")
        .header("ce-type", "Sent")
        .header("ce-partitionkey", "k-1");
    assert_eq!(answer(request).await.0, 202);
    let stored = rig.stored();
    assert_eq!(stored[0].key.as_deref(), Some("k-1"));
    let found = |name: &str| header(&stored[0], name);
    assert_eq!(found("ce_id").as_deref(), Some("café %2"));
    assert_eq!(found("ce_source").as_deref(), Some("/a \"shop\""));
    assert_eq!(found("content-type").as_deref(), Some("application/vnd.shop+json"));
    assert_eq!(found("kind").as_deref(), Some("Sent"), "where the contract reads the type");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_names_its_bad_events() {
    let rig = Rig::start(Setup::default()).await;
    let good = event(&paid(1.0));
    let encoded = good.replace(&format!("\"data\":{}", paid(1.0)), "\"data_base64\":\"WDE=\"");
    let batch = [
        good.clone(),
        good.replace("\"id\":\"e-1\",", ""),
        good.replace("\"1.0\"", "\"0.3\""),
        encoded,
        good.replace("\"count\"", "\"Count\""),
        good.replace("7", "{}"),
        good.replace("\"data\"", "\"data_base64\":\"e30=\",\"data\""),
        "7".to_owned(),
        good.replace("\"e-1\"", "1"),
    ];
    let (status, answered) = answer(rig.post(BATCH, format!("[{}]", batch.join(",")))).await;
    assert_eq!(status, 422);
    let events = answered["events"].as_array().expect("events").iter();
    let found: Vec<_> =
        events.map(|event| (event["index"].as_u64(), event["reason"].as_str())).collect();
    let invalid = Some("invalid_cloudevent");
    let expected = [
        (Some(1), invalid),
        (Some(2), invalid),
        (Some(3), Some("invalid_json")),
        (Some(4), invalid),
        (Some(5), invalid),
        (Some(6), invalid),
        (Some(7), invalid),
        (Some(8), invalid),
    ];
    assert_eq!(found, expected);
    assert_eq!(answer(rig.post(BATCH, format!("[{good},{good}]"))).await.0, 202);
    assert_eq!(rig.stored().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_may_be_base64_and_may_not_be_missing() {
    let rig = Rig::start(Setup::default()).await;
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(paid(2.0));
    let whole = event(&paid(1.0));
    let base64 = whole
        .replace(&paid(1.0), "1")
        .replace("\"data\":1", &format!("\"data_base64\":\"{encoded}\""));
    assert_eq!(answer(rig.post(STRUCTURED, base64)).await.0, 202);
    assert_eq!(rig.stored()[0].value, paid(2.0).into_bytes());
    let without = r#"{"specversion":"1.0","id":"1","source":"s","type":"Paid"}"#;
    let (status, answered) = answer(rig.post(STRUCTURED, without)).await;
    assert_eq!((status, &answered["events"][0]["reason"]), (422, &json!("empty")));
    let binary = rig.post(JSON, "").header("ce-specversion", "1.0").header("ce-id", "1");
    let binary = binary.header("ce-source", "s").header("ce-type", "Paid");
    assert_eq!(answer(binary).await.0, 422);
    let twice = rig.post(JSON, paid(1.0)).header("ce-specversion", "1.0").header("ce-id", "1");
    assert_eq!(answer(twice.header("ce-id", "2")).await.0, 422);
}
