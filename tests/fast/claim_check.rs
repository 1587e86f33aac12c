//! The example CCX, whole: events name archives, which are fetched from a server on this machine, and
//! the reports of the rules are rows.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::first_run::command;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ccx");

/// A server with the example's archive, which is away for the first two who ask for `/late`.
struct Store {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Store {
    fn start() -> Self {
        let archive = format!("{EXAMPLE}/contracts/rules/ccx_v1/accept/healthy/archive.tar.gz");
        let archive = std::fs::read(archive).expect("the sample");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        std::thread::spawn(move || {
            let mut late = 0;
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                answer(stream, &archive, &mut late);
            }
        });
        Self { address, asked }
    }
}

fn answer(mut stream: TcpStream, archive: &[u8], late: &mut usize) {
    let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
    let (status, body) = match path {
        "/archives/whole" => ("200 OK", archive),
        "/archives/late" if *late == 2 => ("200 OK", archive),
        "/archives/late" => {
            *late += 1;
            ("503 Slow Down", &b""[..])
        }
        "/archives/cut" => ("200 OK", &archive[..archive.len() / 2]),
        "/archives/html" => ("200 OK", &b"<html>please log in</html>"[..]),
        "/archives/empty" => ("200 OK", &b""[..]),
        "/archives/gone" => ("410 Gone", &b""[..]),
        "/archives/moved" => ("302 Found\r\nLocation: http://169.254.169.254/", &b""[..]),
        "/archives/old" => ("403 Forbidden", &b""[..]),
        _ => ("404 Not Found", &b""[..]),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Whoever has asked may not want the rest.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// The example's settings, without lines that begin with one of the keys, and with BigQuery, which the
/// process has itself, in the place of Kafka.
fn settings(without: &[&str]) -> String {
    let env = std::fs::read_to_string(format!("{EXAMPLE}/.env")).expect("the example");
    let left_out =
        |line: &&str| ["SINK_CCX", "OUT_"].iter().chain(without).all(|key| !line.starts_with(key));
    let kept = env.lines().filter(left_out).collect::<Vec<_>>().join("\n");
    kept + "\nSINK_CCX='bigquery'\nBQ_TABLE_CCX='ccx_reports'\n"
}

fn run(folder: &Path, store: &str, arguments: &[&str]) -> (Option<i32>, String) {
    run_with(folder, store, &settings(&[]), arguments)
}

/// Runs the program with these settings.
fn run_with(
    folder: &Path,
    store: &str,
    settings: &str,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let env = folder.join("example.env");
    std::fs::write(&env, settings).expect("written");
    let ended = command(folder, arguments)
        .arg("--env-file")
        .arg(env)
        .env("CONTRACTS_DIR", format!("{EXAMPLE}/contracts"))
        .env("RULE_SETS_DIR", format!("{EXAMPLE}/contracts/rules"))
        .env("FETCH_ALLOW_CCX", format!("http://{store}/archives"))
        .env("CONSUME__LOCAL__BOOTSTRAP_SERVERS", "embedded")
        .env("WRITE__LOCAL__PROJECT", "local")
        .env("WRITE__LOCAL__DATASET", "events")
        .env("WRITE__LOCAL__ENDPOINT__REST", "embedded")
        .env("WRITE__LOCAL__ENDPOINT__STORAGE", "embedded")
        .output()
        .expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), format!("{}\n{}", text(&ended.stdout), text(&ended.stderr)))
}

fn rows(folder: &Path, table: &str) -> Vec<Value> {
    let ended = command(folder, &["local", "rows", table, "--format", "json"]).output();
    let stdout = ended.expect("the binary starts").stdout;
    let lines = String::from_utf8(stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn reports_are_rows_and_what_cannot_be_fetched_is_a_dead_letter() {
    let (folder, store) = (tempfile::tempdir().expect("a folder"), Store::start());
    let sample = format!("{EXAMPLE}/contracts/rules/ccx_v1/accept/healthy/event.json");
    let sample = std::fs::read_to_string(sample).expect("the sample");
    let mut sample: Value = serde_json::from_str(&sample).expect("JSON");
    // It is that of another archive.
    sample.as_object_mut().expect("an object").remove("size");
    let event = |url: &str, more: Value| {
        let mut event = sample.clone();
        event["url"] = json!(url);
        let more = more.as_object().cloned().unwrap_or_default();
        event.as_object_mut().expect("an object").extend(more);
        event.to_string()
    };
    let at = |path: &str| format!("http://{}/archives/{path}", store.address);
    let none = || json!({});
    let cases = [
        (event(&at("whole?X-Amz-Signature=secret"), none()), ""),
        (event(&at("late"), none()), ""),
        // A key that the JSON library has for itself.
        (event(&at("whole"), json!({"y": {"$serde_json::private::RawValue": "abc"}})), ""),
        (event(&at("whole"), json!({"size": 7})), "object_mismatch"),
        (event(&at("cut"), none()), "object_unreadable"),
        (event(&at("html"), none()), "object_unreadable"),
        (event(&at("empty"), none()), "object_unreadable"),
        (event(&at("missing"), none()), "object_missing"),
        (event(&at("gone"), none()), "object_gone"),
        (event(&at("moved"), none()), "object_refused"),
        (event(&at("old?X-Amz-Date=20200123T161559Z&X-Amz-Expires=60"), none()), "object_expired"),
        (event(&at("old"), none()), "object_denied"),
        (event(&format!("http://{}/elsewhere", store.address), none()), "object_refused"),
        (event("http://169.254.169.254/latest/meta-data", none()), "object_refused"),
        (event("file:///etc/passwd", none()), "object_refused"),
        (event("http:///archives/whole", none()), "object_refused"),
        (event(&at("whole"), json!({"b64_identity": "%%%"})), "bad_format"),
        (event(&at("whole"), json!({"b64_identity": "bm8gSlNPTg=="})), "bad_format"),
        // {"identity": {}}
        (event(&at("whole"), json!({"b64_identity": "eyJpZGVudGl0eSI6IHt9fQ=="})), "missing_field"),
        (event(&at("whole"), json!({"url": null})), "wrong_type"),
        ("{".to_owned(), "invalid_json"),
    ];
    let events: Vec<&str> = cases.iter().map(|(event, _)| event.as_str()).collect();
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, events.join("\n")).expect("written");
    let file = file.to_str().expect("a path");
    let arguments = ["CCX", "--until-caught-up", "--events", file];
    let (code, printed) = run(folder.path(), &store.address, &arguments);
    assert_eq!(code, Some(0), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");

    let expected = cases.iter().filter(|(_, reason)| reason.is_empty()).count();
    let reports = rows(folder.path(), "ccx_reports");
    assert_eq!(reports.len(), expected, "{printed}");
    for report in &reports {
        assert_eq!(report["_kafka_topic"], "platform.upload.ccx");
        assert_eq!(report["organization"], "12383032");
        assert!(report["versions"]["rules"].as_str().expect("a text").starts_with("ccx_v1@"));
    }
    let count = |reasons: &mut dyn Iterator<Item = String>| {
        let mut sorted: Vec<String> = reasons.collect();
        sorted.sort();
        sorted
    };
    let letters = rows(folder.path(), "ccx_reports_dead_letters");
    let found = count(
        &mut letters.iter().map(|letter| letter["reason"].as_str().unwrap_or_default().to_owned()),
    );
    let reasons = cases.iter().map(|(_, reason)| (*reason).to_owned());
    assert_eq!(found, count(&mut reasons.filter(|reason| !reason.is_empty())), "{letters:#?}");
    assert!(letters.iter().all(|letter| !letter["detail"].to_string().contains("secret")));
}

#[test]
fn what_is_wrong_with_contracts_and_rules_is_reported_at_once_and_nothing_is_fetched() {
    let (folder, store) = (tempfile::tempdir().expect("a folder"), Store::start());
    let (code, printed) = run(folder.path(), &store.address, &["config", "CCX"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("11 rules of ccx_v1@"), "{printed}");
    let sample = format!("{EXAMPLE}/contracts/rules/ccx_v1/accept/healthy/event.json");
    let (code, printed) = run(folder.path(), &store.address, &["validate", "CCX", &sample]);
    assert_eq!((code, printed.trim_end()), (Some(0), "line 1: to rules  archive"));
    let rules = folder.path().join("rules/broken");
    std::fs::create_dir_all(&rules).expect("created");
    std::fs::write(rules.join("a.yaml"), "rules:\n  - id: a\n    when: files.x.size() > \n")
        .expect("written");
    let wrong = "RULES_CCX=broken\nREPORT_OBJECT_CCX=Nothing\nFETCH_ALLOW_CCX=everywhere\n";
    let env = settings(&["RULES_CCX", "REPORT_OBJECT_CCX", "FETCH_ALLOW_CCX"]) + wrong;
    std::fs::write(folder.path().join(".env"), env).expect("written");
    let ended = command(folder.path(), &["config", "CCX"])
        .env("CONTRACTS_DIR", format!("{EXAMPLE}/contracts"))
        .env("CONSUME__LOCAL__BOOTSTRAP_SERVERS", "embedded")
        .env("WRITE__LOCAL__PROJECT", "local")
        .env("WRITE__LOCAL__DATASET", "events")
        .output()
        .expect("the binary starts");
    let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{printed}");
    assert!(printed.contains("FETCH_ALLOW_CCX") && printed.contains("everywhere"), "{printed}");
    assert_eq!(store.asked.load(Ordering::Relaxed), 0);
}

/// What the domain writes would be events again, and would have letters and messages of their own.
#[test]
fn the_payload_trackers_topic_is_no_other_topic_of_the_domain() {
    let folder = tempfile::tempdir().expect("a folder");
    for (topic, more, what) in [
        ("platform.upload.ccx", "", "the topic that this domain reads"),
        ("letters", "DEAD_LETTER_CCX=kafka:letters\n", "the topic of its dead letters"),
    ] {
        let settings = settings(&["TRACKER_TOPIC_CCX"]);
        let settings = format!("{settings}TRACKER_TOPIC_CCX={topic}\n{more}");
        let (code, printed) = run_with(folder.path(), "127.0.0.1:1", &settings, &["config", "CCX"]);
        assert_eq!(code, Some(1), "{printed}");
        let expected = format!("TRACKER_TOPIC names {topic}, {what}");
        assert!(printed.contains(&expected), "{printed}");
    }
}

#[test]
fn pointers_lead_to_fields_that_the_contract_declares() {
    let folder = tempfile::tempdir().expect("a folder");
    for (key, pointer) in [
        ("FETCH", "/urll"),
        ("OBJECT_SIZE", "/b64_identity/size"),
        ("TRACKER_REQUEST", "/request/0"),
        ("TRACKER_ORG", "/b64_identity/identity/orgid"),
    ] {
        let name = format!("{key}_CCX");
        let settings = format!("{}{name}={pointer}\n", settings(&[&format!("{name}=")]));
        let (code, printed) = run_with(folder.path(), "127.0.0.1:1", &settings, &["config", "CCX"]);
        assert_eq!(code, Some(1), "{printed}");
        let expected = format!("{key} is {pointer}, a field that no event type declares");
        assert!(printed.contains(&expected), "{printed}");
    }
}
