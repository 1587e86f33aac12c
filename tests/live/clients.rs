//! Runs Google's Python clients against the embedded BigQuery.

use std::process::Command;

use crate::support::bigquery::EmbeddedBigQuery;

#[test]
fn googles_python_clients_work_with_the_embedded_bigquery() {
    let bigquery = EmbeddedBigQuery::start("clients", "", 1);
    let urls = bigquery.urls();
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/run.sh");
    let output = Command::new(script)
        .args([address(&urls.rest), address(&urls.storage)])
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("all steps passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
