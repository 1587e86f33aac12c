//! `produce` against a real broker: the consumer writes the published events to its table, and an
//! input that `produce` refuses leaves no record in the topic.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use generic_consumer::contract::sample::{Sample, Samples};
use serde_json::{Value, json};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, IGNORED, PARTITIONS, TABLE};
use crate::support::events::event_id;
use crate::support::kafka::{Kafka, shared};
use crate::support::process::Process;
use crate::support::records::records;

const WITHIN: Duration = Duration::from_secs(120);
const AROUND_MS: i64 = 1_794_000_000_000;
const EVENTS: usize = 200;

fn samples(domain: &Domain) -> Vec<Sample> {
    let contract = domain.contract();
    let mut samples = Samples::new(&contract, 5, AROUND_MS);
    let made = std::iter::from_fn(|| samples.event()).take(EVENTS);
    made.collect()
}

/// Joins the values, one per line.
fn lines<'a>(values: impl Iterator<Item = &'a [u8]>) -> String {
    values.fold(String::new(), |mut text, value| {
        writeln!(text, "{}", std::str::from_utf8(value).unwrap()).unwrap();
        text
    })
}

/// Runs `produce` and returns its exit code and its output.
fn produce(domain: &Domain, arguments: &[&str]) -> (Option<i32>, String) {
    finish(domain.run(&[&["produce", "DELIVERY"], arguments].concat(), &[]))
}

fn finish(mut process: Process) -> (Option<i32>, String) {
    (process.wait(WITHIN).code(), process.output())
}

fn published(kafka: &Kafka, domain: &Domain) -> i64 {
    kafka.ends(&domain.topic, PARTITIONS).iter().sum()
}

#[test]
fn published_events_become_rows() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("produce", "", 1);
    let domain = Domain::new("produce", kafka, &bigquery.urls());
    let samples = samples(&domain);
    let text = lines(samples.iter().map(|sample| &sample.value[..]));
    let events = domain.file("events.ndjson", &text);
    // The same events are published twice: from a named file, then from standard input.
    let (code, said) = produce(&domain, &[events.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("published {EVENTS} events to {} (live)", domain.topic)));
    let (code, said) = finish(domain.run_on(&["produce", "DELIVERY", "-"], &[], Some(&events)));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(published(kafka, &domain), 2 * EVENTS as i64);

    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0));
    let rows = bigquery.rows(TABLE);
    let good: Vec<&Sample> = samples.iter().filter(|sample| sample.event_type != IGNORED).collect();
    assert_eq!(rows.len(), 2 * good.len());
    let arrived: BTreeSet<String> = rows.into_iter().map(|row| row.event_id).collect();
    assert_eq!(arrived, good.into_iter().map(event_id).collect());
}

#[test]
fn envelopes_carry_key_headers_tombstones_and_bytes() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("envelopes", "", 1);
    let domain = Domain::new("envelopes", kafka, &bigquery.urls());
    let sample = samples(&domain).swap_remove(0);
    let value: Value = serde_json::from_slice(&sample.value).unwrap();
    let headers = json!({ "trace": "t-1", "empty": null });
    let full = json!({ "key": "k-1", "headers": headers, "value": value });
    let lines = [full, json!({ "key": "k-2", "value": null }), json!({ "value_base64": "AP8=" })];
    let text = lines.iter().fold(String::new(), |text, line| format!("{text}{line}\n"));
    let file = domain.file("envelopes.ndjson", &text);
    // The value of the last line is not an event of the contract.
    let arguments = ["--envelope", file.to_str().unwrap()];
    let (code, said) = produce(&domain, &arguments);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("the contract rejects 1 of 3 lines, so nothing was published"), "{said}");
    assert_eq!(published(kafka, &domain), 0);
    let (code, said) = produce(&domain, &[&["--no-validate"], &arguments[..]].concat());
    assert_eq!(code, Some(0), "{said}");

    let mut found: Vec<_> = records(kafka, &domain.topic, PARTITIONS).into_values().collect();
    found.sort_by(|one, other| other.key.cmp(&one.key));
    let [tombstone, event, bytes] = &found[..] else { panic!("three records: {found:?}") };
    assert_eq!((tombstone.key.as_deref(), &tombstone.value), (Some(&b"k-2"[..]), &None));
    assert_eq!(event.key.as_deref(), Some(&b"k-1"[..]));
    let sent: Value = serde_json::from_slice(event.value.as_ref().unwrap()).unwrap();
    assert_eq!(sent, value);
    assert_eq!(event.header("trace"), Some("t-1"));
    assert!(event.headers.contains(&("empty".to_owned(), None)));
    assert_eq!((&bytes.key, bytes.value.as_deref()), (&None, Some(&[0, 0xff][..])));
}

#[test]
fn a_file_with_bad_lines_publishes_nothing() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("produce-bad", "", 1);
    let domain = Domain::new("produce-bad", kafka, &bigquery.urls());
    let samples = samples(&domain);
    let mut values: Vec<&[u8]> = samples.iter().map(|sample| &sample.value[..]).collect();
    values[6] = b"{\"event_type\":\"NobodyKnowsThisEvent\"}";
    values[9] = b"{";
    let file = domain.file("events.ndjson", &lines(values.into_iter()));
    let (code, said) = produce(&domain, &[file.to_str().unwrap()]);
    assert_eq!(code, Some(5), "{said}");
    for part in
        ["2 of 200 lines", "line 7: unknown_event_type", "line 10: invalid_json", "--no-validate"]
    {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert_eq!(published(kafka, &domain), 0);
}

#[test]
fn a_protected_environment_has_to_be_named() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("protected", "", 1);
    let domain = Domain::new("protected", kafka, &bigquery.urls());
    let text = lines(samples(&domain).iter().map(|sample| &sample.value[..]));
    let file = domain.file("events.ndjson", &text);
    let file = file.to_str().unwrap();
    let produce = |to: &[&str]| {
        let arguments = [&["produce", "DELIVERY", file], to].concat();
        finish(domain.run(&arguments, &[("CONSUME__LIVE__PROTECTED", "true")]))
    };
    let (code, said) = produce(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the environment live is protected"), "{said}");
    assert!(said.contains("--to live"), "{said}");
    let (code, said) = produce(&["--to", "uat"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("reads from live"), "{said}");
    assert_eq!(published(kafka, &domain), 0);
    let (code, said) = produce(&["--to", "live"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(published(kafka, &domain), EVENTS as i64);
}

/// Before the client gives up on a broker that does not answer, it says that this one does.
#[test]
fn a_topic_that_does_not_exist_is_named() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("no-topic", "", 1);
    let domain = Domain::new("no-topic", kafka, &bigquery.urls());
    let event = lines(samples(&domain).iter().take(1).map(|sample| &sample.value[..]));
    let event = domain.file("event.ndjson", &event);
    kafka.delete_topic(&domain.topic);
    for arguments in [vec![event.to_str().unwrap()], vec!["--generate", "--count", "1"]] {
        let (code, said) = produce(&domain, &arguments);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("nknown topic"), "{said}");
    }
}
