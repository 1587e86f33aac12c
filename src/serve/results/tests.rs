//! The API over HTTP, from a store that is filled by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prometheus_client::registry::Registry;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::openapi::document;
use super::routes::ROUTES;
use super::{Access, ResultsApi};
use crate::record::Position;
use crate::results::{Batch, Change, Identity, Report, StoreWriter, open};
use crate::serve::api::Tokens;
use crate::shutdown::Shutdown;
use crate::telemetry::ResultsMetrics;
use crate::telemetry::metrics::RouteLabel;

const TOKEN: &str = "everything-0123456789";
const NOW: i64 = 1_795_255_200_000;

struct Rig {
    url: String,
    client: Client,
    metrics: ResultsMetrics,
    shutdown: Shutdown,
    store: StoreWriter,
    folder: tempfile::TempDir,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

fn change(offset: i64, organization: &str, cluster: &str, findings: &[(&str, u64)]) -> Change {
    let findings = findings.iter().map(|(rule, count)| ((*rule).to_owned(), *count));
    let text = format!("{{ \"organization\": \"{organization}\", \"n\": 1.10 }}");
    let report = Report {
        organization: organization.to_owned(),
        cluster: cluster.to_owned(),
        findings: findings.collect(),
        text,
    };
    Change {
        at: Position::new(3, offset),
        timestamp_ms: Some(NOW + offset),
        identity: Identity::of_key(format!("{organization}/{cluster}").as_bytes()),
        report: Some(report),
    }
}

impl Rig {
    /// With organizations 1 (clusters c0 … c4, and `both`) and 2 (`both`, and `a b`).
    async fn start(tokens: bool, identity: bool) -> Self {
        let mut rig = Self::empty(tokens, identity).await;
        let mut changes: Vec<Change> = (0..5)
            .map(|number| change(number, "1", &format!("c{number}"), &[("r", 1 + number as u64)]))
            .collect();
        changes.push(change(5, "1", "both", &[]));
        changes.push(change(6, "2", "both", &[("r", 1), ("s", 1)]));
        changes.push(change(7, "2", "a b", &[("r", 1)]));
        let batch = Batch { changes, next: BTreeMap::new(), current_ms: Some(NOW) };
        rig.store.store(&batch).expect("stored");
        rig
    }

    async fn empty(tokens: bool, identity: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path: PathBuf = folder.path().join("reports.sqlite");
        let (mut store, reports) = open(&path, "t", "c").expect("opens");
        store.begin(None, NOW).expect("begins");
        let file = folder.path().join("tokens");
        std::fs::write(&file, TOKEN).expect("written");
        let tokens = tokens.then(|| Tokens::of(&file).expect("tokens"));
        let metrics = ResultsMetrics::register(&mut Registry::default());
        let address = "127.0.0.1:0".parse().expect("an address");
        let access = Access { tokens, identity };
        let api = ResultsApi::listen(address, access, Some(reports), metrics.clone()).await;
        let api = api.expect("listens");
        let url = format!("http://{}", api.address);
        let shutdown = Shutdown::default();
        tokio::spawn(api.serve(shutdown.clone(), Duration::from_secs(10)));
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { url, client, metrics, shutdown, store, folder }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }
}

/// Sends the request; status and body of its answer, which is JSON or a problem.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    let expected = if status < 300 { "application/json" } else { "application/problem+json" };
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(kind, expected, "{body}");
    (status, body)
}

fn identity(json: &Value) -> String {
    STANDARD.encode(json.to_string())
}

fn of(organization: &str) -> String {
    identity(&json!({"identity": {"org_id": organization, "type": "User"}}))
}

#[tokio::test]
async fn a_report_comes_with_its_place_on_the_topic_and_as_it_was_written() {
    let rig = Rig::start(false, false).await;
    let text = rig.get("/api/v1/clusters/c3/report").send().await.expect("an answer");
    let text = text.text().await.expect("text");
    assert_eq!(
        text,
        r#"{"organization":"1","cluster":"c3","source":{"partition":3,"offset":3,"timestamp":"2026-11-21T10:00:00.003Z"},"report":{ "organization": "1", "n": 1.10 }}"#
    );
    let (status, body) = answer(rig.get("/api/v1/clusters/a%20b/report")).await;
    assert_eq!((status, &body["organization"]), (200, &json!("2")));
    let (status, body) = answer(rig.get("/api/v1/clusters/none/report")).await;
    assert_eq!((status, &body["type"]), (404, &json!("urn:generic-consumer:problem:no-report")));
    // The id alone does not say which.
    let (status, body) = answer(rig.get("/api/v1/clusters/both/report")).await;
    assert_eq!(status, 409);
    assert!(body["detail"].as_str().is_some_and(|it| it.ends_with("`?organization=`: 1, 2")));
    let (status, body) = answer(rig.get("/api/v1/clusters/both/report?organization=2")).await;
    assert_eq!((status, &body["source"]["offset"]), (200, &json!(6)));
    for (path, expected) in [
        ("/api/v1/clusters/both/report?organization=3", 404),
        ("/api/v1/clusters/both/report?org=2", 400),
        ("/api/v1/clusters/%ff/report", 400),
        ("/api/v1/clusters", 404),
        ("/", 404),
    ] {
        assert_eq!(answer(rig.get(path)).await.0, expected, "{path}");
    }
    let posted = rig.client.post(format!("{}/api/v1/clusters/c3/report", rig.url));
    assert_eq!(answer(posted).await.0, 405);
    let label = RouteLabel { route: "/api/v1/clusters/{id}/report", status: 404 };
    assert_eq!(rig.metrics.requests.get_or_create(&label).get(), 2);
    let label = RouteLabel { route: "other", status: 404 };
    assert_eq!(rig.metrics.requests.get_or_create(&label).get(), 2);
}

#[tokio::test]
async fn lists_are_paged_in_a_stable_order_while_reports_come_and_go() {
    let mut rig = Rig::start(false, false).await;
    let names = |body: &Value| -> Vec<String> {
        let clusters = body["clusters"].as_array().expect("a list").iter();
        clusters.map(|one| one["cluster"].as_str().expect("a name").to_owned()).collect()
    };
    let (status, body) = answer(rig.get("/api/v1/organizations/1/clusters?limit=2")).await;
    assert_eq!((status, names(&body)), (200, vec!["both".to_owned(), "c0".to_owned()]));
    assert_eq!(body["clusters"][1]["findings"], 1);
    // One that was listed goes, one comes before the page, and one after it.
    let gone = Change { report: None, ..change(8, "1", "c0", &[]) };
    let changes = vec![gone, change(9, "1", "a", &[]), change(10, "1", "c1b", &[])];
    rig.store.store(&Batch { changes, ..Batch::default() }).expect("stored");
    let mut found = Vec::new();
    let mut next = body["next"].as_str().map(str::to_owned);
    while let Some(after) = next {
        let path = format!("/api/v1/organizations/1/clusters?limit=2&after={after}");
        let (_, body) = answer(rig.get(&path)).await;
        found.extend(names(&body));
        next = body["next"].as_str().map(str::to_owned);
    }
    assert_eq!(found, ["c1", "c1b", "c2", "c3", "c4"]);
    assert_eq!(answer(rig.get("/api/v1/organizations/9/clusters")).await.1["clusters"], json!([]));

    let (_, body) = answer(rig.get("/api/v1/rules/r/affected?limit=4")).await;
    assert_eq!(names(&body), ["c1", "c2", "c3", "c4"]);
    assert_eq!(body["clusters"][0]["findings"], 2);
    let after = body["next"].as_str().expect("more");
    let (_, body) = answer(rig.get(&format!("/api/v1/rules/r/affected?after={after}"))).await;
    assert_eq!((names(&body).join(","), &body["next"]), ("a b,both".to_owned(), &Value::Null));
    let (_, body) = answer(rig.get("/api/v1/rules/r/affected?organization=2&limit=1")).await;
    assert_eq!(
        (names(&body).join(","), &body["clusters"][0]["organization"]),
        ("a b".to_owned(), &json!("2"))
    );
    assert_eq!(answer(rig.get("/api/v1/rules/none/affected")).await.1["clusters"], json!([]));
    assert_eq!(answer(rig.get("/api/v1/rules/r/affected?limit=0")).await.0, 400);
}

#[tokio::test]
async fn a_token_reads_everything_and_an_identity_its_own_organization() {
    let rig = Rig::start(true, true).await;
    let paths = [
        ("/api/v1/clusters/c3/report", 200, 404),
        ("/api/v1/clusters/both/report", 409, 200),
        ("/api/v1/clusters/c3/report?organization=1", 200, 403),
        ("/api/v1/organizations/1/clusters", 200, 403),
        ("/api/v1/organizations/2/clusters", 200, 200),
        ("/api/v1/rules/r/affected", 200, 200),
        ("/api/v1/rules/r/affected?organization=1", 200, 403),
        ("/openapi.json", 200, 200),
    ];
    for (path, by_token, by_identity) in paths {
        let token = |request: RequestBuilder| request.bearer_auth(TOKEN);
        let header = |request: RequestBuilder| request.header("x-rh-identity", of("2"));
        assert_eq!(answer(rig.get(path)).await.0, 401, "{path}");
        assert_eq!(answer(rig.get(path).bearer_auth("another-0123456789")).await.0, 401, "{path}");
        assert_eq!(answer(token(rig.get(path))).await.0, by_token, "{path}");
        assert_eq!(answer(header(rig.get(path))).await.0, by_identity, "{path}");
        // An identity is never widened by a token, nor helped by one.
        assert_eq!(answer(token(header(rig.get(path)))).await.0, by_identity, "{path}");
    }
    let affected = rig.get("/api/v1/rules/r/affected").header("x-rh-identity", of("2"));
    let (_, body) = answer(affected).await;
    let clusters = body["clusters"].as_array().expect("a list");
    assert!(clusters.len() == 2 && clusters.iter().all(|one| one["organization"] == "2"), "{body}");
    let _ = &rig.folder;
}

#[tokio::test]
async fn a_broken_identity_is_refused_with_the_reason() {
    let rig = Rig::start(false, true).await;
    let path = "/api/v1/organizations/1/clusters";
    let plain = |json: Value| identity(&json);
    for (header, expected) in [
        ("%%%".to_owned(), "it is not base64"),
        (STANDARD.encode("no JSON"), "what it encodes is not JSON"),
        (plain(json!({})), "no object `identity`"),
        (plain(json!({"identity": "1"})), "no object `identity`"),
        (plain(json!({"identity": {}})), "neither `identity.org_id` nor"),
        (plain(json!({"identity": {"org_id": null, "internal": null}})), "neither"),
        (plain(json!({"identity": {"org_id": 1}})), "`org_id` is not a text"),
        (plain(json!({"identity": {"org_id": ""}})), "`org_id` is not a text, or is empty"),
        (
            plain(json!({"identity": {"org_id": "1", "internal": {"org_id": "2"}}})),
            "`identity.org_id` and `identity.internal.org_id` differ",
        ),
        (String::new(), "what it encodes is not JSON"),
    ] {
        let (status, body) = answer(rig.get(path).header("x-rh-identity", &header)).await;
        let said = body["detail"].as_str().expect("a reason");
        assert!(status == 401 && said.contains(expected), "{header}: {said}");
    }
    let (status, body) = answer(rig.get(path)).await;
    assert_eq!(
        (status, &body["detail"]),
        (401, &json!("x-rh-identity: the request has no such header"))
    );
    let twice = rig.get(path).header("x-rh-identity", of("1")).header("x-rh-identity", of("2"));
    assert_eq!(answer(twice).await.0, 401);
    // As the gateway writes it, with and without padding.
    let inner = json!({"identity": {"account_number": "62", "internal": {"org_id": "1"}}});
    for header in [of("1"), identity(&inner), STANDARD_NO_PAD.encode(inner.to_string())] {
        assert_eq!(answer(rig.get(path).header("x-rh-identity", &header)).await.0, 200);
    }
    // Without the key, the header is not believed.
    let open = Rig::start(false, false).await;
    let (status, _) = answer(open.get(path).header("x-rh-identity", of("2"))).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn before_the_topic_is_read_nothing_is_said_to_be_missing() {
    let mut rig = Rig::empty(false, false).await;
    for path in [
        "/api/v1/clusters/c3/report",
        "/api/v1/organizations/1/clusters",
        "/api/v1/rules/r/affected",
    ] {
        let (status, body) = answer(rig.get(path)).await;
        assert_eq!(status, 503, "{body}");
        assert_eq!(body["type"], "urn:generic-consumer:problem:incomplete");
    }
    rig.store.store(&Batch { current_ms: Some(NOW), ..Batch::default() }).expect("stored");
    assert_eq!(answer(rig.get("/api/v1/clusters/c3/report")).await.0, 404);
    rig.store.empty(None, NOW).expect("emptied");
    assert_eq!(answer(rig.get("/api/v1/clusters/c3/report")).await.0, 503);
}

/// All references of a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_has_exactly_the_routes_and_their_answers_fit_it() {
    let rig = Rig::start(false, false).await;
    let (_, described) = answer(rig.get("/openapi.json")).await;
    let paths: Vec<&String> = described["paths"].as_object().expect("paths").keys().collect();
    assert_eq!(paths, ROUTES);
    let mut found = Vec::new();
    references(&described, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("in this document");
        assert!(described.pointer(pointer).is_some(), "{reference}");
    }
    for (path, route) in [
        ("/api/v1/clusters/c3/report", ROUTES[0]),
        ("/api/v1/organizations/1/clusters?limit=1", ROUTES[1]),
        ("/api/v1/rules/r/affected", ROUTES[2]),
        ("/api/v1/clusters/none/report", ROUTES[0]),
        ("/api/v1/clusters/both/report", ROUTES[0]),
        ("/api/v1/rules/r/affected?limit=0", ROUTES[2]),
    ] {
        let (status, body) = answer(rig.get(path)).await;
        let responses = &described["paths"][route]["get"]["responses"];
        let content = responses[status.to_string()]["content"].as_object().expect("described");
        let mut schema = content.values().next().expect("a type")["schema"].clone();
        schema["components"] = described["components"].clone();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let wrong: Vec<String> = validator.iter_errors(&body).map(|it| it.to_string()).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
    // What is needed to be let in is described as it is.
    assert!(described.get("security").is_none());
    let both = document(&Access { tokens: None, identity: true });
    assert_eq!(both["security"], json!([{"identity": []}]));
    assert!(both["paths"][ROUTES[1]]["get"]["responses"].get("403").is_some());
}
