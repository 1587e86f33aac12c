//! Tables expire.

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use serde_json::{Value, json};

use crate::job_client::{copy, error};
use crate::peer::{Peer, default_stream};

/// The path of the table `t`.
const T: &str = "datasets/d/tables/t";

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The body of a change that lets a table expire after `millis`.
fn after(millis: i64) -> Option<Value> {
    Some(json!({ "expirationTime": (now() + millis).to_string() }))
}

#[tokio::test]
async fn an_expired_table_is_gone_for_every_call() {
    let peer = Peer::start().await;
    peer.insert("t", &[json!({ "id": "a" })]).await;
    let stream = peer.create(Type::Buffered).await;
    let mut connected = peer.writer(&default_stream()).await;
    connected.append(None, &["b"]).await.rows();
    let (status, table) = peer.rest("PATCH", T, after(1_500)).await;
    assert_eq!((status, table["expirationTime"].is_string()), (200, true), "{table}");
    assert_eq!(peer.ids(), ["a", "b"]);
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    // Another process that reads the store, as `local rows` does, deletes the table before the server.
    assert!(generic_consumer::local::bigquery::rows(&peer.store(), "t", None).is_err());
    assert_eq!(connected.append(None, &["c"]).await.refused().0, tonic::Code::NotFound);
    assert_eq!(
        peer.try_create(crate::peer::TABLE, Type::Pending)
            .await
            .map_err(|status| status.code())
            .err(),
        Some(tonic::Code::NotFound)
    );
    assert_eq!(
        peer.flush(&stream, 0).await.map_err(|status| status.code()),
        Err(tonic::Code::NotFound)
    );
    for path in [T.to_owned(), format!("{T}/data")] {
        assert_eq!(peer.rest("GET", &path, None).await.0, 404, "{path}");
    }
    let rows = Some(json!({ "rows": [{ "json": { "id": "x" } }] }));
    assert_eq!(peer.rest("POST", &format!("{T}/insertAll"), rows).await.0, 404);
    assert_eq!(peer.rest("PATCH", T, after(60_000)).await.0, 404);
    let (_, list) = peer.rest("GET", "datasets/d/tables", None).await;
    assert_eq!(list["totalItems"], 0);
    assert_eq!(error(&peer.job(copy("t", "u", "WRITE_EMPTY")).await).0, "notFound");
    // Its name is free.
    peer.make_table("t", json!([{ "name": "id", "type": "STRING" }])).await;
    assert_eq!(peer.count("t").await, "0");
}

#[tokio::test]
async fn an_expiration_survives_a_restart_and_can_be_taken_back() {
    let peer = Peer::start().await;
    peer.make_table("kept", json!([{ "name": "id", "type": "STRING" }])).await;
    for path in [T, "datasets/d/tables/kept"] {
        assert_eq!(peer.rest("PATCH", path, after(1_500)).await.0, 200);
    }
    let (_, kept) =
        peer.rest("PATCH", "datasets/d/tables/kept", Some(json!({ "expirationTime": null }))).await;
    assert_eq!(kept.get("expirationTime"), None);
    let peer = peer.restart().await;
    assert_eq!(peer.rest("GET", T, None).await.0, 200);
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    let peer = peer.restart().await;
    assert_eq!(peer.rest("GET", T, None).await.0, 404);
    assert_eq!(peer.count("kept").await, "0");
}

#[tokio::test]
async fn expiration_times_are_checked_and_have_a_default_in_the_dataset() {
    let peer = Peer::start().await;
    for (time, message) in [
        (json!("360000000"), "Expiration time must be at least 1 seconds in the future"),
        (json!("soon"), "Invalid value for expirationTime"),
    ] {
        let (status, refused) =
            peer.rest("PATCH", T, Some(json!({ "expirationTime": time }))).await;
        let found = refused["error"]["message"].as_str().expect("a message");
        assert_eq!((status, found.contains(message)), (400, true), "{found}");
    }
    let default = |millis: &str| Some(json!({ "defaultTableExpirationMs": millis }));
    assert_eq!(peer.rest("PATCH", "datasets/d", default("1000")).await.0, 400);
    assert_eq!(peer.rest("PATCH", "datasets/d", default("7200000")).await.0, 200);
    let before = now();
    peer.make_table("new", json!([{ "name": "id", "type": "STRING" }])).await;
    peer.done(copy("t", "copied", "WRITE_EMPTY")).await;
    for name in ["new", "copied"] {
        let (_, table) = peer.rest("GET", &format!("datasets/d/tables/{name}"), None).await;
        let time: i64 =
            table["expirationTime"].as_str().expect("a time").parse().expect("a number");
        assert!((before + 7_200_000..=now() + 7_200_000).contains(&time), "{table}");
    }
    let (_, table) = peer.rest("GET", T, None).await;
    assert_eq!(table.get("expirationTime"), None, "a default is for new tables");
}
