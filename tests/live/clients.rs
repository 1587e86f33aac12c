//! Google's own clients, in Python and Java, against the embedded BigQuery.

use std::path::Path;
use std::process::Command;

use generic_consumer::local::bigquery;
use serde_json::{Value, json};

use crate::support::bigquery::EmbeddedBigQuery;

/// Runs a script of this repository's that takes the addresses of REST and gRPC.
fn run(script: &str, bigquery: &EmbeddedBigQuery) {
    let urls = bigquery.urls();
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .args([address(&urls.rest), address(&urls.storage)])
        .output()
        .expect("the script runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("all steps passed"),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn googles_python_clients_work_with_the_embedded_bigquery() {
    run("tests/python/run.sh", &EmbeddedBigQuery::start("clients", "", 1));
}

#[test]
fn rows_of_java_writers_arrive_on_streams_of_every_type() {
    let bigquery = EmbeddedBigQuery::start("java", "", 1);
    run("tests/java/run.sh", &bigquery);
    let rows = bigquery::rows(&bigquery.store(), "java", None).expect("the rows");
    let parsed = |line: String| serde_json::from_str(&line).expect("JSON");
    let rows: Vec<Value> = rows.json_lines().map(parsed).collect();
    let mut ids: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().expect("an id")).collect();
    ids.sort_unstable();
    // One row of the buffered stream was never flushed.
    let written = [1, 2, 3, 10, 11, 12, 20, 21, 30, 31, 40, 41, 50, 51, 52];
    assert_eq!(ids, written);
    let row = |id: i64| rows.iter().find(|row| row["id"] == id).expect("a row");
    for id in written {
        let expected = match id {
            1 | 12 | 31 => full(id),
            52 => with(empty(id), "added", json!("later")),
            _ => empty(id),
        };
        assert_eq!(row(id), &expected);
    }
}

/// The row that the Java program writes with a value in every column.
fn full(id: i64) -> Value {
    json!({
        "id": id,
        "name": format!("n{id}"),
        "ratio": 0.5,
        "amount": "1.25",
        "big": "12345678901234567890.5",
        "ok": true,
        "at": "2026-01-02T03:04:05.678901Z",
        "day": "2026-01-02",
        "moment": "2026-01-02T03:04:05.678901",
        "clock": "03:04:05.678901",
        "raw": "AH//",
        "extra": { "k": [1, 2] },
        "tags": ["a", "b"],
        "place": { "city": "Berlin", "position": { "lat": 52.5, "lon": 13.25 } },
        "stops": [{ "number": 1, "label": "first" }, { "number": 2 }],
        "added": null,
    })
}

fn empty(id: i64) -> Value {
    let mut row = full(id);
    for (name, value) in row.as_object_mut().expect("an object") {
        match name.as_str() {
            "id" => {}
            "tags" | "stops" => *value = json!([]),
            _ => *value = Value::Null,
        }
    }
    row
}

fn with(mut row: Value, name: &str, value: Value) -> Value {
    row[name] = value;
    row
}
