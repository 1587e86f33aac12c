//! Runs Prometheus, which scrapes instances and evaluates rules every second.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, http, ports};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

pub struct Prometheus {
    port: u16,
    /// Ends with this.
    _process: Process,
}

/// One scraped instance: its address, and the labels of its series.
pub struct Target {
    pub address: String,
    pub labels: BTreeMap<String, String>,
}

impl Prometheus {
    /// Starts it with these targets and groups of rules (a list, as in a rule file).
    pub fn start(name: &str, targets: &[Target], groups: &Value) -> Self {
        let folder = folder::fresh(&format!("prometheus-{name}"));
        let port = ports::free();
        let targets: Vec<Value> = targets
            .iter()
            .map(|target| json!({ "targets": [target.address], "labels": target.labels }))
            .collect();
        // JSON is YAML.
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{ "job_name": "instances", "static_configs": targets }],
        });
        let rules = json!({ "groups": groups });
        std::fs::write(folder.join("prometheus.yaml"), config.to_string()).expect("written");
        std::fs::write(folder.join("rules.yaml"), rules.to_string()).expect("written");
        let arguments = [
            format!("--config.file={}", folder.join("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let mut process = Process::start(&Start {
            name: "Prometheus",
            log: &folder.join("prometheus.log"),
            program: program().as_os_str(),
            arguments: arguments.map(OsString::from).to_vec(),
            variables: Vec::new(),
            folder: Some(&folder),
            input: None,
        });
        until_true("Prometheus is ready", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "Prometheus has ended:\n{}", process.output());
            http::get(port, "/-/ready").is_some_and(|(status, _)| status == 200)
        });
        Self { port, _process: process }
    }

    /// The series that a query gives now, each with its labels and its value.
    pub fn query(&self, query: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let url =
            reqwest::Url::parse_with_params("http://localhost/api/v1/query", [("query", query)])
                .expect("a URL");
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let (status, body) = http::get(self.port, &path).expect("Prometheus answers");
        assert_eq!(status, 200, "{query}: {body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let series = answer["data"]["result"].as_array().expect("a vector").iter();
        series
            .map(|each| {
                let labels = serde_json::from_value(each["metric"].clone()).expect("labels");
                let value = each["value"][1].as_str().and_then(|text| text.parse().ok());
                (labels, value.expect("a number"))
            })
            .collect()
    }

    /// The value of a query that gives at most one series.
    pub fn value(&self, query: &str) -> Option<f64> {
        let series = self.query(query);
        assert!(series.len() <= 1, "{query} gives {series:?}");
        series.first().map(|(_, value)| *value)
    }
}

/// Prometheus is unpacked from Debian's package if this machine has none.
pub fn program() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/prometheus.sh");
    let found = Command::new(script).arg(folder::target().join("tools")).output();
    let found = found.unwrap_or_else(|error| panic!("run {script}: {error}"));
    let said = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "Prometheus is missing:\n{said}");
    PathBuf::from(String::from_utf8_lossy(&found.stdout).trim())
}
