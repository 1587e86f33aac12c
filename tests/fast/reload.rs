//! A contract that changes while an instance runs, on a mock cluster of this process and the embedded
//! BigQuery of the program.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use generic_consumer::source::start_mock_groups_at_once;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};

use crate::first_run::command;
use crate::signal::{Signal, signal};

const WITHIN: Duration = Duration::from_secs(60);

const TOPIC: &str = "amounts";

/// The mock cluster forgets the offsets of transactions, so rows are written at least once; nothing is
/// repeated without a fault.
const ENV: &str = "\
BQ_TABLE_AMOUNTS='amounts'
IMPORT_PATH_AMOUNTS='amounts'
IMPORT_OBJECT_AMOUNTS='Amounts'
CONSUME_ENV_AMOUNTS='local'
GROUP_ID_AMOUNTS='amounts'
WRITE_ENV='local'
WRITE__LOCAL__PROJECT='local'
WRITE__LOCAL__DATASET='events'
WRITE__LOCAL__ENDPOINT__REST='embedded'
WRITE__LOCAL__ENDPOINT__STORAGE='embedded'
DELIVERY_GUARANTEE='at-least-once'
CONTRACT_REFRESH_AMOUNTS='1s'
";

fn contract(version: u32, amount: &str, note: bool, types: &[&str]) -> Value {
    let mut properties = json!({"event_type": {"type": "string"}, "n": {"type": "integer"}, "amount": {"type": amount}});
    if note {
        properties["note"] = json!({"type": "string"});
    }
    let payload = json!({"type": "object", "required": ["n"], "properties": properties});
    let messages: serde_json::Map<String, Value> =
        types.iter().map(|name| ((*name).to_owned(), json!({ "payload": payload }))).collect();
    json!({
        "asyncapi": "3.0.0", "info": {"title": "Amounts", "version": version.to_string()},
        "channels": {"Amounts": {"address": TOPIC, "messages": messages}},
    })
}

/// Replaces the contract in one step, as an editor and Kubernetes do.
fn write_contract(folder: &Path, contract: &Value) {
    let new = folder.join("contracts/new");
    std::fs::write(&new, contract.to_string()).expect("written");
    std::fs::rename(new, folder.join("contracts/amounts.json")).expect("in place");
}

/// A running instance, which is killed at the end.
struct Running {
    child: Child,
    address: String,
    log: std::path::PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", self.said());
        }
    }
}

impl Running {
    fn start(folder: &Path, servers: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let (address, log) = (port.to_string(), folder.join("log"));
        let child = command(folder, &["AMOUNTS"])
            .env("CONTRACTS_DIR", folder.join("contracts"))
            .env("CONSUME__LOCAL__BOOTSTRAP_SERVERS", servers)
            .env("METRICS_ADDR", &address)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn();
        Self { child: child.expect("the binary starts"), address, log }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("readable")
    }

    /// Status and body; `None` while it does not listen.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Waits for an answer.
    fn wait_for(&self, what: &str, path: &str, expected: impl Fn(u16, &str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let found = self.get(path);
            if let Some((status, body)) = &found
                && expected(*status, body)
            {
                return body.clone();
            }
            assert!(began.elapsed() < WITHIN, "{what}: {found:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `/metrics` has this line.
    fn wait_for_metric(&self, line: &str) {
        self.wait_for(line, "/metrics", |_, page| page.lines().any(|it| it == line));
    }

    fn status(&self) -> Value {
        let (_, body) = self.get("/status").expect("an answer");
        serde_json::from_str(&body).expect("JSON")
    }
}

/// Publishes events one after the other, each with a note, until it is stopped.
struct Feed {
    stop: Arc<AtomicBool>,
    published: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Feed {
    fn start(servers: &str) -> Self {
        let producer: ThreadedProducer<DefaultProducerContext> =
            ClientConfig::new().set("bootstrap.servers", servers).create().expect("a producer");
        let (stop, published) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (stop.clone(), published.clone());
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                let n = count.load(Ordering::SeqCst);
                let event = json!({"event_type": "Paid", "n": n, "amount": 1.5, "note": "a"});
                let (key, event) = (n.to_string(), event.to_string());
                let record = BaseRecord::to(TOPIC).key(&key).payload(&event);
                producer.send(record).map_err(|(error, _)| error).expect("taken");
                producer.flush(WITHIN).expect("published");
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { stop, published, thread }
    }

    fn published(&self) -> usize {
        self.published.load(Ordering::SeqCst)
    }

    /// Waits until so many more events are published.
    fn wait_for_more(&self, events: usize) {
        let (began, enough) = (Instant::now(), self.published() + events);
        while self.published() < enough {
            assert!(began.elapsed() < WITHIN, "{} events", self.published());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("no panic");
        self.published.load(Ordering::SeqCst)
    }
}

#[test]
fn what_adds_to_a_contract_is_taken_over_while_events_flow_and_the_rest_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), ENV).expect("written");
    std::fs::create_dir(folder.path().join("contracts")).expect("a folder");
    write_contract(folder.path(), &contract(1, "number", false, &["Paid"]));
    let cluster: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("test.mock.num.brokers", "1").create().expect("a cluster");
    start_mock_groups_at_once(cluster.client());
    let servers = {
        let mock = cluster.client().mock_cluster().expect("a mock cluster");
        mock.create_topic(TOPIC, 3, 1).expect("a topic");
        mock.bootstrap_servers()
    };
    let mut running = Running::start(folder.path(), &servers);
    let feed = Feed::start(&servers);
    running
        .wait_for("ready", "/readyz", |status, body| status == 200 && !body.contains("contract"));
    let first = running.status()["contract"].clone();
    assert_eq!(first["id"], "amounts#Amounts@1");

    // Another type, and an event type that is gone: both are told, and the old contract stays.
    write_contract(folder.path(), &contract(2, "string", true, &["Charged"]));
    let refused =
        running.wait_for("refused", "/readyz", |_, body| body.contains("contract_refused"));
    for reason in ["the event type Paid is gone", "the column amount is STRING, and was FLOAT64"] {
        assert!(refused.contains(reason), "{refused}");
    }
    let (status, _) = running.get("/readyz").expect("an answer");
    assert_eq!(status, 200, "the pod works: {refused}");
    running.wait_for_metric("generic_consumer_contract_refused 1");
    running.wait_for_metric("generic_consumer_contract_reloads_total{outcome=\"refused\"} 1");
    assert_eq!(running.status()["contract"], first, "the one before is used");
    let undeclared = "generic_consumer_undeclared_fields_total{event_type=\"Paid\",path=\"/note\"}";
    running.wait_for("what producers have added", "/metrics", |_, page| page.contains(undeclared));
    let before = feed.published();
    feed.wait_for_more(20);
    running.wait_for("rows by the old contract", "/status", |_, body| {
        let status: Value = serde_json::from_str(body).expect("JSON");
        status["rows"].as_u64().is_some_and(|rows| rows as usize > before)
    });

    // Mended: it adds a column and an event type.
    write_contract(folder.path(), &contract(3, "number", true, &["Paid", "Refunded"]));
    running.wait_for("taken", "/status", |_, body| body.contains("amounts#Amounts@3"));
    running.wait_for_metric("generic_consumer_contract_refused 0");
    running.wait_for_metric("generic_consumer_contract_reloads_total{outcome=\"taken\"} 1");
    running.wait_for("ready again", "/readyz", |status, body| {
        status == 200 && !body.contains("contract_refused")
    });
    let taken = feed.published();
    feed.wait_for_more(50);
    let published = feed.stop();
    running.wait_for("all rows", "/status", |_, body| {
        let status: Value = serde_json::from_str(body).expect("JSON");
        status["rows"] == published
    });
    assert!(signal(Signal::TERM, running.child.id()));
    assert_eq!(running.child.wait().expect("ends").code(), Some(0));

    let said = running.said();
    for (once, times) in [
        ("the changed contract is refused", 1),
        ("add note: STRING", 1),
        ("the changed contract is used", 1),
        ("joining the group anew", 0),
    ] {
        assert_eq!(said.matches(once).count(), times, "{once}");
    }
    let rows = command(folder.path(), &["local", "rows", "amounts", "--limit", "1000000"]).output();
    let rows = String::from_utf8(rows.expect("the binary starts").stdout).expect("UTF-8");
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let mut by = [0, 0];
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).expect("JSON");
        let n = row["n"].as_u64().expect("a number");
        *seen.entry(n).or_default() += 1;
        let extra = row["_extra"].as_str().map(str::to_owned).unwrap_or(row["_extra"].to_string());
        match row["note"].as_str() {
            Some(note) => {
                assert_eq!((note, &row["_contract"]), ("a", &json!("amounts#Amounts@3")), "{row}");
                by[1] += 1;
            }
            None => {
                assert!(extra.contains("note") && row["_contract"] == "amounts#Amounts@1", "{row}");
                assert!((n as usize) < taken, "{row}");
                by[0] += 1;
            }
        }
    }
    assert_eq!(seen.len(), published, "each event has a row");
    assert!(seen.values().all(|rows| *rows == 1), "no event has two: {seen:?}");
    assert!(by[0] > 0 && by[1] >= 50, "{by:?} rows by the contracts");
}

/// A contract that cannot be used at the start stops it, as ever; one that breaks later does not.
#[test]
fn a_contract_that_breaks_or_vanishes_later_stops_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), ENV).expect("written");
    std::fs::create_dir(folder.path().join("contracts")).expect("a folder");
    let good = contract(1, "number", false, &["Paid"]);
    write_contract(folder.path(), &good);
    // Nobody has to answer for it: the contract is looked at without the brokers.
    let running = Running::start(folder.path(), "127.0.0.1:1");
    running.wait_for("started", "/status", |_, body| body.contains("amounts#Amounts@1"));
    let refused = |why: &'static str| {
        running.wait_for(why, "/status", move |_, body| {
            let status: Value = serde_json::from_str(body).expect("JSON");
            status["contract_refused"]["why"].as_str().is_some_and(|it| it.contains(why))
        })
    };
    let mut broken = good.clone();
    broken["channels"]["Amounts"]["messages"]["Paid"]["payload"]["properties"]["n"]["type"] =
        json!("integral");
    write_contract(folder.path(), &broken);
    refused("properties/n/type");
    std::fs::remove_file(folder.path().join("contracts/amounts.json")).expect("removed");
    refused("no such document");
    let folder_of = |name: &str| folder.path().join(name);
    std::fs::rename(folder_of("contracts"), folder_of("away")).expect("renamed");
    running.wait_for("unread", "/metrics", |_, page| {
        page.contains("generic_consumer_contract_reloads_total{outcome=\"unread\"}")
    });
    std::fs::rename(folder_of("away"), folder_of("contracts")).expect("renamed");
    write_contract(folder.path(), &good);
    running.wait_for_metric("generic_consumer_contract_refused 0");
    running.wait_for_metric("generic_consumer_contract_refused_timestamp_seconds 0");
    let said = running.said();
    assert!(said.contains("the contract is again the one that is used"), "{said}");
    assert_eq!(running.status()["contract_refused"], Value::Null);
}
