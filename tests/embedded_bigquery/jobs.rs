//! Jobs: they happen once, survive a restart, and can be polled, listed, cancelled and deleted.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::job_client::{copy, error, table};
use crate::peer::Peer;

async fn with_rows(faults: &str) -> Peer {
    let peer = Peer::with_faults(faults).await;
    peer.insert("t", &[json!({ "id": "a" }), json!({ "id": "b" })]).await;
    peer
}

#[tokio::test]
async fn a_job_id_is_used_once_also_after_a_restart() {
    let peer = with_rows("").await;
    let (status, job) = peer.insert_job("one", copy("t", "u", "WRITE_APPEND")).await;
    assert_eq!((status, &job["status"]), (200, &json!({ "state": "DONE" })), "{job}");
    assert_eq!(job["jobReference"], json!({ "projectId": "p", "jobId": "one", "location": "US" }));
    assert_eq!(
        (&job["id"], &job["configuration"]["jobType"]),
        (&json!("p:US.one"), &json!("COPY"))
    );
    for time in ["creationTime", "startTime", "endTime"] {
        let time = job["statistics"][time].as_str().expect("text");
        assert!(time.parse::<i64>().is_ok_and(|time| time > 1_700_000_000_000), "{time}");
    }
    assert_eq!(job["statistics"]["copy"], json!({ "copiedRows": "2" }));
    let peer = peer.restart().await;
    let (status, refused) = peer.insert_job("one", copy("t", "u", "WRITE_APPEND")).await;
    assert_eq!(status, 409);
    assert_eq!(refused["error"]["message"], "Already Exists: Job p:US.one");
    assert_eq!(refused["error"]["errors"][0]["reason"], "duplicate");
    assert_eq!(peer.rest("GET", "jobs/one", None).await, (200, job));
    assert_eq!(peer.count("u").await, "2");
}

#[tokio::test]
async fn of_many_clients_with_one_job_id_one_succeeds() {
    let peer = with_rows("").await;
    let inserted = (0..8).map(|_| peer.insert_job("one", copy("t", "u", "WRITE_APPEND")));
    let answers = futures_util::future::join_all(inserted).await;
    let mut statuses: Vec<u16> = answers.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![409; 7]].concat());
    assert_eq!(peer.count("u").await, "2");
}

#[tokio::test]
async fn a_client_that_lost_the_answer_finds_the_job() {
    let peer = with_rows("").await.restart_with("rest_lost=1").await;
    assert_eq!(peer.insert_job("one", copy("t", "u", "WRITE_APPEND")).await.0, 503);
    let peer = peer.restart().await;
    assert_eq!(peer.insert_job("one", copy("t", "u", "WRITE_APPEND")).await.0, 409);
    assert_eq!(peer.rest("GET", "jobs/one", None).await.1["status"]["state"], "DONE");
    assert_eq!(peer.count("u").await, "2");
}

#[tokio::test]
async fn a_failed_job_says_why_and_changes_nothing() {
    let peer = with_rows("").await;
    let mut never = copy("t", "none", "WRITE_APPEND");
    never["copy"]["createDisposition"] = json!("CREATE_NEVER");
    let (status, job) = peer.insert_job("never", never).await;
    assert_eq!((status, error(&job)), (200, ("notFound", "Not found: Table p:d.none")));
    assert_eq!(peer.rest("GET", "jobs/never", None).await.1["status"], job["status"]);
    let job = peer.job(copy("none", "t", "WRITE_TRUNCATE")).await;
    assert_eq!(error(&job), ("notFound", "Not found: Table p:d.none"));
    assert_eq!(peer.ids(), ["a", "b"]);
    // This one fails after it has created the table and written rows.
    peer.make_table_of(json!({
        "tableReference": { "tableId": "days" },
        "schema": { "fields": [{ "name": "id", "type": "STRING" }, { "name": "at", "type": "DATE" }] },
        "timePartitioning": { "type": "DAY", "field": "at" },
    }))
    .await;
    let today = today();
    peer.insert("days", &[json!({ "id": "a", "at": today })]).await;
    let job = peer.job(copy("days", "new$20200101", "WRITE_APPEND")).await;
    assert!(error(&job).1.contains("different partitions"), "{job}");
    assert_eq!(peer.rest("GET", "datasets/d/tables/new", None).await.0, 404);
    let rows = json!({ "rows": [{ "json": { "id": "x" } }] });
    assert_eq!(peer.rest("POST", "datasets/d/tables/new/insertAll", Some(rows)).await.0, 404);
}

/// Today's date in UTC: only rows of days around it can be streamed.
fn today() -> String {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

#[tokio::test]
async fn a_delayed_job_is_running_and_has_no_effect_before_it_ends() {
    let peer = with_rows("job_delay=1:600ms").await;
    let begun = Instant::now();
    let (status, job) = peer.insert_job("slow", copy("t", "u", "WRITE_APPEND")).await;
    assert_eq!((status, &job["status"]), (200, &json!({ "state": "RUNNING" })));
    assert_eq!(peer.insert_job("slow", copy("t", "u", "WRITE_APPEND")).await.0, 409);
    assert_eq!(peer.rest("GET", "datasets/d/tables/u", None).await.0, 404);
    let (status, _) = peer.rest("DELETE", "jobs/slow/delete", None).await;
    assert_eq!(status, 400, "it is running");
    let job = peer.wait_for_job("slow").await;
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert_eq!(job["status"], json!({ "state": "DONE" }));
    assert_eq!(peer.count("u").await, "2");
}

#[tokio::test]
async fn a_cancelled_job_has_no_effect() {
    let peer = with_rows("job_delay=1:300ms").await;
    peer.insert_job("slow", copy("t", "u", "WRITE_APPEND")).await;
    let (status, answer) = peer.rest("POST", "jobs/slow/cancel", None).await;
    assert_eq!((status, error(&answer["job"]).0), (200, "stopped"));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(error(&peer.wait_for_job("slow").await).0, "stopped");
    assert_eq!(peer.rest("GET", "datasets/d/tables/u", None).await.0, 404);
    assert_eq!(peer.rest("POST", "jobs/none/cancel", None).await.0, 404);
}

#[tokio::test]
async fn a_running_job_ends_after_a_restart() {
    let peer = with_rows("job_delay=1:600000ms").await;
    peer.insert_job("slow", copy("t", "u", "WRITE_APPEND")).await;
    let load = json!({ "destinationTable": table("t"), "sourceFormat": "NEWLINE_DELIMITED_JSON" });
    let (_, loading) = peer.load("load", load, b"{\"id\":\"c\"}").await;
    assert_eq!(loading["status"]["state"], "RUNNING");
    let peer = peer.restart().await;
    for id in ["slow", "load"] {
        assert_eq!(peer.wait_for_job(id).await["status"], json!({ "state": "DONE" }));
    }
    // They end in any order, and what is loaded may be copied.
    assert!(["2", "3"].contains(&peer.count("u").await.as_str()));
    assert_eq!(peer.ids(), ["a", "b", "c"]);
}

fn ids(list: &Value) -> Vec<&str> {
    let jobs = list["jobs"].as_array().expect("jobs").iter();
    jobs.map(|job| job["jobReference"]["jobId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn jobs_are_listed_from_the_latest_and_deleted() {
    let peer = with_rows("").await;
    for id in ["one", "two", "three"] {
        peer.insert_job(id, copy("t", "u", "WRITE_TRUNCATE")).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (_, all) = peer.rest("GET", "jobs?projection=full&stateFilter=done", None).await;
    assert_eq!(ids(&all), ["three", "two", "one"]);
    assert_eq!(all["jobs"][0]["configuration"]["copy"]["sourceTable"]["tableId"], "t");
    assert_eq!(all["jobs"][0]["state"], "DONE");
    let (_, page) = peer.rest("GET", "jobs?maxResults=2", None).await;
    assert_eq!(
        (ids(&page), &page["jobs"][0]["configuration"]),
        (vec!["three", "two"], &Value::Null)
    );
    let token = page["nextPageToken"].as_str().expect("a token");
    let (_, page) = peer.rest("GET", &format!("jobs?maxResults=2&pageToken={token}"), None).await;
    assert_eq!((ids(&page), &page["nextPageToken"]), (vec!["one"], &Value::Null));
    let created = all["jobs"][1]["statistics"]["creationTime"].as_str().expect("a time");
    let from = format!("jobs?minCreationTime={created}&stateFilter=running&stateFilter=done");
    assert_eq!(ids(&peer.rest("GET", &from, None).await.1), ["three", "two"]);
    let running = peer.rest("GET", "jobs?stateFilter=running", None).await.1;
    assert_eq!(ids(&running), [""; 0]);
    assert_eq!(peer.rest("GET", "jobs?stateFilter=some", None).await.0, 400);
    assert_eq!(peer.rest("DELETE", "jobs/two/delete", None).await.0, 200);
    let (status, gone) = peer.rest("GET", "jobs/two", None).await;
    assert_eq!((status, &gone["error"]["message"]), (404, &json!("Not found: Job p:US.two")));
    assert_eq!(ids(&peer.rest("GET", "jobs", None).await.1), ["three", "one"]);
}

#[tokio::test]
async fn a_job_has_the_location_of_its_dataset() {
    let peer = with_rows("").await;
    for (dataset, location) in [("eu", "EU"), ("far", "asia-east1")] {
        let body = json!({ "datasetReference": { "datasetId": dataset }, "location": location });
        assert_eq!(peer.rest("POST", "datasets", Some(body)).await.0, 200);
        let mut configuration = copy("t", "u", "WRITE_EMPTY");
        configuration["copy"]["destinationTable"]["datasetId"] = json!(dataset);
        let (_, job) = peer.insert_job(dataset, configuration).await;
        assert_eq!(job["id"], format!("p:{location}.{dataset}"));
    }
    assert_eq!(peer.rest("GET", "jobs/eu", None).await.0, 200);
    assert_eq!(peer.rest("GET", "jobs/far", None).await.0, 404);
    assert_eq!(peer.rest("GET", "jobs/far?location=asia-east1", None).await.0, 200);
    let body = json!({
        "jobReference": { "jobId": "lost", "location": "EU" },
        "configuration": copy("t", "u", "WRITE_EMPTY"),
    });
    let (_, job) = peer.rest("POST", "jobs", Some(body)).await;
    assert_eq!(error(&job), ("notFound", "Not found: Dataset p:d was not found in location EU"));
}

#[tokio::test]
async fn a_query_job_has_results_and_says_what_it_changed() {
    let peer = with_rows("").await;
    // Rows that were copied are not in the streaming buffer.
    peer.insert_job("copy", copy("t", "u", "WRITE_EMPTY")).await;
    let query = |sql: &str| json!({ "query": { "query": sql, "useLegacySql": false } });
    let rows = |answer: &Value| answer["rows"][0]["f"][0]["v"].clone();
    let (status, job) = peer.insert_job("count", query("SELECT COUNT(*) AS n FROM d.u")).await;
    assert_eq!((status, &job["status"]["state"]), (200, &json!("DONE")), "{job}");
    let (status, before) = peer.rest("GET", "queries/count", None).await;
    assert_eq!((status, &before["schema"]["fields"][0]["name"]), (200, &json!("n")));
    assert_ne!(rows(&before), json!("0"));
    let (_, job) = peer.insert_job("delete", query("DELETE FROM d.u WHERE TRUE")).await;
    let changed = &job["statistics"]["query"];
    assert_eq!(changed["dmlStats"]["deletedRowCount"], rows(&before), "{job}");
    let body = json!({ "query": "SELECT COUNT(*) FROM d.u", "useLegacySql": false });
    let (_, after) = peer.rest("POST", "queries", Some(body)).await;
    assert_eq!((&after["jobComplete"], rows(&after)), (&json!(true), json!("0")));
    // A request that is repeated, because its answer was lost, does not do it twice.
    let insert = "INSERT INTO d.u (id) VALUES ('c')";
    for _ in 0..2 {
        let body = json!({ "query": insert, "useLegacySql": false, "requestId": "a b/1" });
        let (status, answer) = peer.rest("POST", "queries", Some(body)).await;
        assert_eq!((status, &answer["numDmlAffectedRows"]), (200, &json!("1")), "{answer}");
    }
    assert_eq!(peer.count("u").await, "1");
    let (status, job) = peer.insert_job("wrong", query("SELECT nothing FROM d.u")).await;
    assert_eq!((status, error(&job).0), (200, "invalidQuery"), "{job}");
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let peer = with_rows("").await;
    let with = |mut configuration: Value, path: [&str; 2], value: Value| {
        configuration[path[0]][path[1]] = value;
        configuration
    };
    let load = json!({ "load": { "destinationTable": table("t") } });
    for (configuration, name) in [
        (json!({ "query": { "query": "SELECT 1" } }), "SQL"),
        (json!({ "extract": { "sourceTable": table("t") } }), "configuration.extract"),
        (json!({ "copy": copy("t", "u", "WRITE_EMPTY")["copy"], "dryRun": true }), "dryRun"),
        (with(copy("t", "u", "WRITE_EMPTY"), ["copy", "operationType"], json!("CLONE")), "CLONE"),
        (with(copy("t", "u", "WRITE_EMPTY"), ["copy", "new"], json!(1)), "configuration.copy.new"),
        (with(load.clone(), ["load", "sourceFormat"], json!("PARQUET")), "PARQUET"),
        (with(load.clone(), ["load", "sourceUris"], json!(["gs://b/o*"])), "sourceUris"),
        (with(load, ["load", "autodetect"], json!(true)), "autodetect"),
    ] {
        let (status, refused) = peer.insert_job("x", configuration).await;
        let message = refused["error"]["message"].as_str().expect("a message");
        assert_eq!((status, message.contains(name)), (501, true), "{message}");
    }
    let query = Some(json!({ "query": "SELECT 1" }));
    assert_eq!(peer.rest("POST", "queries", query).await.0, 501);
    assert_eq!(peer.rest("GET", "queries/x", None).await.0, 404);
    peer.insert_job("copied", copy("t", "u", "WRITE_EMPTY")).await;
    assert_eq!(peer.rest("GET", "queries/copied", None).await.0, 501);
    for (configuration, status) in [
        (json!({}), 400),
        (json!({ "copy": { "sourceTable": table("t") } }), 400),
        (copy("t", "u", "WRITE_SOMEHOW"), 400),
        (json!({ "load": { "destinationTable": table("t") } }), 400),
    ] {
        assert_eq!(peer.insert_job("x", configuration.clone()).await.0, status, "{configuration}");
    }
    assert_eq!(peer.insert_job("no spaces", copy("t", "u", "WRITE_EMPTY")).await.0, 400);
    assert_eq!(ids(&peer.rest("GET", "jobs", None).await.1), ["copied"]);
}
