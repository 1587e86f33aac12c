//! Runs with the broker and the BigQuery inside the process, as a newcomer starts them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

/// How long one run may take.
const RUN_WITHIN: Duration = Duration::from_secs(60);

/// Two domains with contracts of this repository, in one store.
const ENV: &str = "\
BQ_TABLE_DELIVERY='deliveries'
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
CONSUME_ENV_DELIVERY='local'
GROUP_ID_DELIVERY='deliveries'
BQ_TABLE_RETURNS='returns'
IMPORT_PATH_RETURNS='contracts.returns.return_events_v2'
IMPORT_OBJECT_RETURNS='ReturnEventsV2Topic'
CONSUME_ENV_RETURNS='local'
GROUP_ID_RETURNS='returns'
WRITE_ENV='local'
CONSUME__LOCAL__BOOTSTRAP_SERVERS='embedded'
WRITE__LOCAL__PROJECT='local'
WRITE__LOCAL__DATASET='events'
WRITE__LOCAL__ENDPOINT__REST='embedded'
WRITE__LOCAL__ENDPOINT__STORAGE='embedded'
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), ENV).expect("written");
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_generic-consumer"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("CONTRACTS_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/contracts"))
        .env("METRICS_ADDR", "127.0.0.1:0");
    command
}

/// Runs the program to its end, which has to be good. Returns what it printed.
fn run(folder: &Path, arguments: &[&str]) -> (String, String) {
    let Output { status, stdout, stderr } =
        command(folder, arguments).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(0), "{arguments:?}: {stdout}\n{stderr}");
    (stdout, stderr)
}

fn rows(folder: &Path, table: &str) -> Vec<Value> {
    let (stdout, _) = run(folder, &["local", "rows", table]);
    stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn domains_live_side_by_side_and_a_run_empties_its_own_tables() {
    let folder = folder();
    let catch_up = |domain| run(folder.path(), &[domain, "--until-caught-up"]);
    let (summary, log) = catch_up("DELIVERY");
    assert!(summary.contains("generic-consumer local rows deliveries"), "{summary}");
    let alarms: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#))
        .collect();
    assert_eq!(alarms, [""; 0], "the first run has nothing to warn of");
    assert!(!log.contains("joining the consumer group"), "no progress line off a terminal: {log}");
    let deliveries = rows(folder.path(), "deliveries");
    assert!(deliveries.len() > 300, "{} rows", deliveries.len());
    assert_eq!(rows(folder.path(), "deliveries_dead_letters").len(), 7, "the deliberate ones");

    catch_up("RETURNS");
    assert!(rows(folder.path(), "returns").len() > 300);
    assert_eq!(rows(folder.path(), "deliveries").len(), deliveries.len(), "another's tables stay");

    catch_up("DELIVERY");
    assert_eq!(rows(folder.path(), "deliveries").len(), deliveries.len(), "emptied, not doubled");
    assert_eq!(rows(folder.path(), "deliveries_dead_letters").len(), 7);
}

/// What no field of the contract takes, so it is in `_extra`.
const SURPLUS: &str =
    r#""surplus":{"n":12345678901234567890123,"price":1.10,"r":0.8999999999999999}"#;

/// `validate --rows` shows the rows as the table gets them, except for what only Kafka knows.
#[test]
fn ones_own_events_become_the_rows_that_validate_shows() {
    let folder = folder();
    let samples =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/delivery/delivery_events_v10/accept");
    let mut events = String::new();
    for entry in std::fs::read_dir(samples).expect("samples") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("readable");
        let event: Value = serde_json::from_str(&text).expect("JSON");
        let event = event.to_string();
        let begin = event.strip_suffix('}').expect("an object");
        // Parsed and written again, these numbers would change.
        events.push_str(&format!("{begin},{SURPLUS}}}\n"));
    }
    std::fs::write(folder.path().join("events.ndjson"), &events).expect("written");
    // Compared as text, because parsing it would lose the same digits on both sides.
    let shown = |text: &str| -> Vec<String> {
        let rows = text.lines().map(|line| {
            let row: BTreeMap<&str, &RawValue> = serde_json::from_str(line).expect("JSON");
            let of_the_event = row
                .iter()
                .filter(|(name, _)| !name.starts_with("_kafka_") && **name != "_ingested_at");
            let cells = of_the_event.map(|(name, value)| format!("{name}={value}"));
            cells.collect::<Vec<_>>().join(" ")
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    };
    let (validated, _) = run(folder.path(), &["validate", "DELIVERY", "events.ndjson", "--rows"]);
    run(folder.path(), &["DELIVERY", "--until-caught-up", "--events", "events.ndjson"]);
    let (stored, _) = run(folder.path(), &["local", "rows", "deliveries"]);
    assert_eq!(shown(&validated).len(), events.lines().count());
    assert_eq!(shown(&validated), shown(&stored));
    assert!(stored.lines().all(|row| row.contains(SURPLUS)), "{stored}");
}

/// Nothing listens at the broker's address, so the run never catches up.
#[test]
fn a_signal_before_the_run_has_caught_up_exits_with_130() {
    let folder = folder();
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    let child = command(folder.path(), &["DELIVERY", "--until-caught-up"])
        .env("CONSUME__LOCAL__BOOTSTRAP_SERVERS", "127.0.0.1:1")
        // An exactly-once session begins with a call to the broker.
        .env("DELIVERY_GUARANTEE", "at-least-once")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary starts");
    let mut child = Running(child);
    let said = || std::fs::read_to_string(folder.path().join("log")).expect("readable");
    let until = Instant::now() + RUN_WITHIN;
    while !said().contains("\"consuming\"") {
        assert!(Instant::now() < until, "not consuming: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupt = format!("kill -INT {}", child.0.id());
    assert!(Command::new("bash").args(["-c", &interrupt]).status().is_ok_and(|it| it.success()));
    let status = child.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{}", said());
    assert!(said().contains("error: stopped before it had caught up"), "{}", said());
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
