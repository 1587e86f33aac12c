//! `results` as a process, on a mock cluster of this one: it is killed, and goes on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;

use crate::first_run::command;
use crate::signal::{Signal, signal};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ccx");
const CLUSTER: &str = "b2a1c0de-8f5a-4f43-9d3c-2f7f1f0d7c11";

fn program(folder: &Path, servers: &str, domain: &str, file: &str) -> Command {
    let mut command = command(folder, &["results", domain]);
    command
        .args(["--env-file", &format!("{EXAMPLE}/{file}")])
        .env("CONTRACTS_DIR", format!("{EXAMPLE}/contracts"))
        .env("RULE_SETS_DIR", format!("{EXAMPLE}/contracts/rules"))
        .env("CONSUME__LOCAL__BOOTSTRAP_SERVERS", servers)
        .env("WRITE__LOCAL__PROJECT", "local")
        .env("WRITE__LOCAL__DATASET", "events")
        .stdout(Stdio::null());
    command
}

/// A running `results`, which is killed at the end.
struct Running {
    child: Child,
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(folder: &Path, servers: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let address = port.to_string();
        let mut command = program(folder, servers, "REPORTS", "results.env");
        let command = command.env("RESULTS_ADDR", &address).stderr(Stdio::null());
        Self { child: command.spawn().expect("starts"), address }
    }

    /// Status and body; `None` while it does not listen.
    fn get(&self, path: &str) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).expect("JSON")))
    }

    /// Waits for an answer.
    fn wait_for(&self, path: &str, expected: impl Fn(u16, &Value) -> bool) {
        let began = Instant::now();
        loop {
            let found = self.get(path);
            if found.as_ref().is_some_and(|(status, body)| expected(*status, body)) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{path}: {found:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_killed_process_goes_on_where_its_store_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster: MockCluster<'static, DefaultProducerContext> =
        MockCluster::new(1).expect("a cluster");
    cluster.create_topic("ccx.results", 3, 1).expect("a topic");
    let servers = cluster.bootstrap_servers();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers);
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
    let report = |rule: &str| {
        format!(
            r#"{{"report_version":1,"organization":"7","cluster":"{CLUSTER}","findings":[
            {{"rule":"{rule}","key":"K","severity":"low","details":{{}}}}],"skips":[],
            "versions":{{"rules":"r","program":"p"}}}}"#
        )
    };
    let publish = |value: Option<&str>| {
        let mut record = BaseRecord::to("ccx.results").key(CLUSTER);
        if let Some(value) = value {
            record = record.payload(value);
        }
        producer.send(record).map_err(|(error, _)| error).expect("taken");
        producer.flush(Duration::from_secs(30)).expect("published");
    };
    let path = format!("/api/v1/clusters/{CLUSTER}/report");
    let rule = |value: &Value| value["report"]["findings"][0]["rule"].clone();
    let has = |expected: &'static str| {
        move |status, body: &Value| status == 200 && rule(body) == expected
    };

    publish(Some(&report("one")));
    let running = Running::start(folder.path(), &servers);
    running.wait_for(&path, has("one"));
    running.wait_for("/api/v1/rules/one/affected", |_, body| {
        body["clusters"][0]["cluster"] == CLUSTER
    });
    publish(Some("{}"));
    publish(Some(&report("two")));
    running.wait_for(&path, has("two"));
    // It is killed, not stopped.
    drop(running);

    let running = Running::start(folder.path(), &servers);
    running.wait_for(&path, has("two"));
    running.wait_for("/api/v1/rules/one/affected", |status, body| {
        status == 200 && body["clusters"].as_array().is_some_and(Vec::is_empty)
    });
    publish(None);
    running.wait_for(&path, |status, _| status == 404);
    drop(running);

    let mut running = Running::start(folder.path(), &servers);
    running.wait_for(&path, |status, _| status == 404);
    assert!(signal(Signal::TERM, running.child.id()));
    assert_eq!(running.child.wait().expect("ends").code(), Some(0));
    assert!(folder.path().join(".local/results_reports.sqlite").exists());
}

#[test]
fn what_cannot_be_started_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |command: &mut Command| {
        let output = command.output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let servers = "127.0.0.1:1";
    let start = || program(folder.path(), servers, "REPORTS", "results.env");
    let (code, text) = said(start().env("RESULTS_ADDR", "0.0.0.0:0"));
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("RESULTS_ADDR is 0.0.0.0:0") && text.contains("RESULTS_IDENTITY_REPORTS")
    );
    let (code, text) = said(start().env("RESULTS_TOKENS_FILE", "missing"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("read the tokens in missing"), "{text}");
    let mut pipeline = program(folder.path(), servers, "CCX", ".env");
    let (code, text) = said(pipeline.env("WRITE__LOCAL__KAFKA__BOOTSTRAP_SERVERS", servers));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the domain CCX makes reports"), "{text}");
    let (code, text) = said(
        start()
            .env("IMPORT_PATH_REPORTS", "contracts.ccx.archives_v1")
            .env("IMPORT_OBJECT_REPORTS", "Archives"),
    );
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("declares no `/organization`") && text.contains("/findings/*/rule"),
        "{text}"
    );
    std::fs::write(folder.path().join("text"), "no database".repeat(99)).expect("written");
    let (code, text) = said(start().env("RESULTS_STORE", "text"));
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("text is a file of another program") && text.contains("RESULTS_STORE"),
        "{text}"
    );
}
