//! Runs with the broker and the BigQuery inside the process, as a newcomer starts them.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::signal::{Signal, signal};

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

/// A folder with both.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), ENV).expect("written");
    folder
}

/// The program in a folder, with this repository's contracts and nothing of this process's environment.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_generic-consumer"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("CONTRACTS_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/contracts"))
        .env("METRICS_ADDR", "127.0.0.1:0");
    command
}

/// Runs the program to its end. Returns its exit code, and what it printed.
fn outcome(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        command(folder, arguments).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Runs the program to its end, which has to be good. Returns what it printed.
fn run(folder: &Path, arguments: &[&str]) -> (String, String) {
    let (code, stdout, stderr) = outcome(folder, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {stdout}\n{stderr}");
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

/// `HIGH` and `LOW` read one topic, each with the other's filter turned round.
#[test]
fn two_domains_share_out_a_topic() {
    let folder = folder();
    let document = json!({
        "asyncapi": "3.0.0",
        "channels": { "Amounts": { "address": "amounts", "messages": { "Amount": { "payload": {
            "type": "object",
            "required": ["event_type"],
            "properties": { "event_type": { "type": "string" }, "amount": { "type": "number" } },
        } } } } },
    });
    std::fs::create_dir(folder.path().join("own")).expect("a folder");
    std::fs::write(folder.path().join("own/amounts.json"), document.to_string()).expect("written");
    let mut env = ENV.to_owned();
    for (domain, filter) in [("HIGH", "payload.amount > 5"), ("LOW", "payload.amount <= 5")] {
        env += &format!(
            "BQ_TABLE_{domain}='{domain}'\nIMPORT_PATH_{domain}='amounts'\nIMPORT_OBJECT_{domain}='Amounts'\n\
             CONSUME_ENV_{domain}='local'\nGROUP_ID_{domain}='{domain}'\nFILTER_{domain}='{filter}'\n"
        );
    }
    std::fs::write(folder.path().join(".env"), env).expect("written");
    let events: String = ["1", "5", "5.0", "5.1", "9223372036854775808", "-1e3", "\"6\"", "null"]
        .map(|amount| format!("{{\"event_type\":\"Amount\",\"amount\":{amount}}}\n"))
        .concat();
    std::fs::write(folder.path().join("events.ndjson"), events).expect("written");
    let share = |domain: &str| {
        let arguments = [domain, "--until-caught-up", "--events", "events.ndjson"];
        let output = command(folder.path(), &arguments).env("CONTRACTS_DIR", "own").output();
        let output = output.expect("the binary starts");
        let summary = String::from_utf8(output.stdout).expect("UTF-8");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{summary}{log}");
        let mut tenths: Vec<i64> = rows(folder.path(), domain)
            .iter()
            .map(|row| (row["amount"].as_f64().expect("a number") * 10.0) as i64)
            .collect();
        tenths.sort_unstable();
        (tenths, summary)
    };
    let ((high, said), (low, _)) = (share("HIGH"), share("LOW"));
    assert_eq!(high, [51, i64::MAX]);
    assert_eq!(low, [-10_000, 10, 50, 50]);
    for part in ["filter ", "filter_error "] {
        assert!(said.contains(part), "{said}");
    }
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

/// Dead letters, sent again as envelopes, are the same records.
#[test]
fn dead_letters_become_envelopes_and_the_same_records_again() {
    let folder = folder();
    let events = r#"{"key_base64":"/w==","headers":{"trace":["a","b",null,{"base64":"/wA="}],"one":"x"},"value":{"n": 1.10}}
{"key":"k","value_base64":"AP8="}
"#;
    let letters = |events: &str| -> Vec<String> {
        std::fs::write(folder.path().join("events.ndjson"), events).expect("written");
        let arguments =
            ["DELIVERY", "--until-caught-up", "--events", "events.ndjson", "--envelope"];
        run(folder.path(), &arguments);
        let rows = rows(folder.path(), "deliveries_dead_letters").into_iter().map(|row| {
            let [key, headers, value] =
                ["_kafka_key", "_kafka_headers", "value"].map(|at| &row[at]);
            json!({ "key_base64": key, "headers": headers, "value_base64": value }).to_string()
        });
        let mut letters: Vec<String> = rows.collect();
        letters.sort();
        letters
    };
    let once = letters(events);
    let expected = [
        r#"{"key_base64":"/w==","headers":{"trace":["a","b",null,{"base64":"/wA="}],"one":["x"]},"value_base64":"eyJuIjogMS4xMH0="}"#,
        r#"{"key_base64":"aw==","headers":null,"value_base64":"AP8="}"#,
    ];
    assert_eq!(once, expected);
    assert_eq!(letters(&format!("{}\n", once.join("\n"))), once);
}

/// One event that becomes a row.
fn write_event(folder: &Path) {
    let sample = "contracts/delivery/delivery_events_v10/accept/assigned.json";
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
    std::fs::copy(sample, folder.join("event.json")).expect("copied");
}

/// `generic-consumer … | head -n 1`
#[test]
fn a_closed_pipe_is_no_failure_of_any_command() {
    let folder = folder();
    write_event(folder.path());
    let bigquery =
        ["local", "bigquery", "--rest=127.0.0.1:0", "--grpc=127.0.0.1:0", "--store=other.sqlite"];
    let commands: [(&[&str], i32); 10] = [
        (&["DELIVERY", "--until-caught-up", "--events", "event.json"], 0),
        (&["local", "rows", "deliveries"], 0),
        (&["local", "rows", "nowhere"], 2),
        (&["config", "DELIVERY"], 0),
        (&["validate", "DELIVERY", "event.json"], 0),
        (&["validate", "DELIVERY", "event.json", "--rows"], 0),
        (&["produce", "DELIVERY", "event.json"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
        (&bigquery, 0),
    ];
    for (arguments, code) in commands {
        let closed = || {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            writer
        };
        let child = command(folder.path(), arguments).stdout(closed()).stderr(closed()).spawn();
        let mut child = Running(child.expect("the binary starts"));
        if arguments == bigquery {
            // It serves on, until somebody stops it.
            let until = Instant::now() + RUN_WITHIN;
            while !folder.path().join("other.sqlite").exists() {
                assert!(Instant::now() < until, "no store");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(500));
            child.interrupt();
        }
        let status = child.0.wait().expect("it ends");
        assert_eq!(status.code(), Some(code), "{arguments:?}: {status}");
    }
}

#[test]
fn the_name_of_a_table_that_a_run_prints_finds_its_rows() {
    let folder = folder();
    write_event(folder.path());
    let arguments = ["DELIVERY", "--until-caught-up", "--events", "event.json"];
    let summary = |dataset: &str| {
        let output = command(folder.path(), &arguments)
            .env("WRITE__LOCAL__DATASET", dataset)
            .output()
            .expect("the binary starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let said = summary("one");
    assert!(said.ends_with("generic-consumer local rows deliveries\n"), "{said}");
    let said = summary("two");
    assert!(said.ends_with("generic-consumer local rows two.deliveries\n"), "{said}");
    assert_eq!(rows(folder.path(), "two.deliveries").len(), 1);
    for (arguments, code, parts) in [
        (&["deliveries"][..], 2, ["several tables", "name the table with its dataset"]),
        (&["nowhere"], 2, ["there is no table nowhere", "--store FILE"]),
        (&["two.deliveries", "--columns", "nope"], 2, ["no column nope", "delivery_id"]),
        (&["two.deliveries", "--limit=0", "--columns=nope"], 2, ["no column nope", "delivery_id"]),
        (
            &["deliveries", "--store", "none.sqlite"],
            3,
            ["there is no store none.sqlite", "--store"],
        ),
    ] {
        let (found, _, said) = outcome(folder.path(), &[&["local", "rows"], arguments].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: no {part:?} in\n{said}");
        }
    }
}

/// The embedded broker begins anew with each run, and a BigQuery outside of the run does not.
#[test]
fn a_second_run_into_a_bigquery_that_keeps_its_rows_warns_of_doubled_ones() {
    let folder = folder();
    write_event(folder.path());
    let arguments =
        ["local", "bigquery", "--rest=127.0.0.1:0", "--grpc=127.0.0.1:0", "--store=shared.sqlite"];
    let child = command(folder.path(), &arguments).stdout(Stdio::piped()).spawn();
    let mut bigquery = Running(child.expect("the binary starts"));
    let mut addresses = String::new();
    let stdout = bigquery.0.stdout.take().expect("a pipe");
    std::io::BufReader::new(stdout).read_line(&mut addresses).expect("the addresses");
    let words: Vec<&str> = addresses.split(' ').collect();
    let said = || {
        let output =
            command(folder.path(), &["DELIVERY", "--until-caught-up", "--events", "event.json"])
                .env("WRITE__LOCAL__ENDPOINT__REST", format!("http://{}", words[1]))
                .env("WRITE__LOCAL__ENDPOINT__STORAGE", format!("http://{}", words[3]))
                .output()
                .expect("the binary starts");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    let warning = "the table keeps the rows of earlier runs";
    let first = said();
    assert!(!first.contains(warning), "{first}");
    let second = said();
    assert!(second.contains(warning), "{second}");
}

/// The first signal ends a run in whatever it does: here it waits for standard input.
#[test]
fn a_signal_before_the_events_are_read_exits_with_130() {
    let folder = folder();
    let child = command(folder.path(), &["DELIVERY", "--until-caught-up", "--events", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Running(child.expect("the binary starts"));
    std::thread::sleep(Duration::from_secs(2));
    child.interrupt();
    let began = Instant::now();
    let status = child.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// A dead letter has to fit an append request, whatever its record is: its detail does not list the
/// keys. The event is as large as the embedded broker takes.
#[test]
fn an_event_of_countless_unknown_keys_becomes_one_dead_letter() {
    let folder = folder();
    let contract = r#"{"asyncapi": "3.0.0", "channels": {"C": {"address": "closed", "messages": {"Closed": {
        "payload": {"type": "object", "unevaluatedProperties": false,
            "properties": {"event_type": {"type": "string"}}}}}}}}"#;
    std::fs::create_dir(folder.path().join("contracts")).expect("a folder");
    std::fs::write(folder.path().join("contracts/closed.json"), contract).expect("written");
    let env = ENV.replace("_DELIVERY", "_CLOSED").replace("'deliveries'", "'closed'");
    let env = env
        .replace("contracts.delivery.delivery_events_v10", "contracts.closed")
        .replace("DeliveryEventsV10Topic", "C");
    std::fs::write(folder.path().join(".env"), env).expect("written");
    let mut event = r#"{"event_type":"Closed""#.to_owned();
    for key in 0..250_000 {
        event += &format!(r#","unknown{key:06}":0"#);
    }
    event += "}\n";
    assert!((4_000_000..5_000_000).contains(&event.len()), "{} bytes", event.len());
    std::fs::write(folder.path().join("events.ndjson"), event).expect("written");
    let arguments = ["CLOSED", "--until-caught-up", "--events", "events.ndjson"];
    let ended = command(folder.path(), &arguments)
        .env("CONTRACTS_DIR", folder.path().join("contracts"))
        .output()
        .expect("the binary starts");
    let log = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{log}");
    let letters = rows(folder.path(), "closed_dead_letters");
    assert_eq!(letters.len(), 1, "{log}");
    let expected = "the value: unevaluated properties are not allowed (250000 found)";
    assert_eq!(letters[0]["detail"], expected);
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
    child.interrupt();
    let status = child.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{}", said());
    assert!(said().contains("error: stopped before it had caught up"), "{}", said());
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn interrupt(&self) {
        assert!(signal(Signal::INT, self.0.id()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
