//! Load jobs from objects of Google Cloud Storage.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use crate::job_client::{error, table};
use crate::peer::Peer;

/// A server of one bucket, `b`, and its URL.
async fn buckets() -> String {
    let object = async |Path((bucket, key)): Path<(String, String)>| {
        let content = match (bucket.as_str(), key.as_str()) {
            ("b", "one.json") => "{\"id\":\"a\"}\n{\"id\":\"b\"}\n",
            ("b", "deep/two.json") => "{\"id\":\"c\"}\n",
            ("b", "bad.json") => "{\"x\":1}\n",
            ("b", "head.csv") => "id,n\nd,4\n",
            _ => return Err(StatusCode::NOT_FOUND),
        };
        let modified = "Sat, 28 Nov 2026 12:00:00 GMT";
        Ok(([("etag", "\"1\""), ("last-modified", modified)], content))
    };
    let router = Router::new().route("/{bucket}/{*key}", get(object));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn load(format: &str, uris: Value) -> Value {
    json!({ "load": { "destinationTable": table("t"), "sourceFormat": format, "sourceUris": uris } })
}

#[tokio::test]
async fn objects_are_loaded_in_one_job() {
    let peer = Peer::start().await.with_buckets(&buckets().await).await;
    let json = "NEWLINE_DELIMITED_JSON";
    let job = peer.done(load(json, json!(["gs://b/one.json", "gs://b/deep/two.json"]))).await;
    let statistics = &job["statistics"]["load"];
    assert_eq!((&statistics["inputFiles"], &statistics["outputRows"]), (&json!("2"), &json!("3")));
    assert_eq!(peer.ids(), ["a", "b", "c"]);
    // Each file has a header.
    let mut csv = load("CSV", json!(["gs://b/head.csv", "gs://b/head.csv"]));
    csv["load"]["skipLeadingRows"] = json!("1");
    peer.done(csv).await;
    assert_eq!(peer.ids(), ["a", "b", "c", "d", "d"]);
    let job = peer.job(load(json, json!(["gs://b/one.json", "gs://b/none.json"]))).await;
    assert_eq!(error(&job), ("notFound", "Not found: URI gs://b/none.json"));
    let job = peer.job(load(json, json!(["gs://b/one.json", "gs://b/bad.json"]))).await;
    assert_eq!(error(&job).0, "invalid");
    assert_eq!(job["status"]["errors"][1]["location"], "gs://b/bad.json");
    assert_eq!(peer.count("t").await, "5", "a job loads all files or none");
    for (uri, status) in [("gs://b/*.json", 501), ("s3://b/o", 501), ("gs://b", 400), ("b/o", 400)]
    {
        assert_eq!(peer.insert_job("x", load(json, json!([uri]))).await.0, status, "{uri}");
    }
}
