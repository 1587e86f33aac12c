//! Every contract under `contracts/` and in `examples/` with its samples: adding a document with `accept/` and
//! `reject/` beside it adds its tests.
//!
//! A sample is a JSON file: the event itself, or, where headers or bytes matter or an outcome is
//! named, `{"headers": {…}, "value": …}` or `{"text": "…"}` (the raw value). A file in `reject/`
//! is named after the reason code it gets, with anything behind a dot: `wrong_type.courier.json`.

use std::path::{Path, PathBuf};

use generic_consumer::app::{Domain, RowOptions};
use generic_consumer::config::RowLayout;
use generic_consumer::contract::{self, Contract, Discriminator};
use generic_consumer::record::{Event, Position, Transcoded};
use generic_consumer::row::RowBuffer;
use generic_consumer::transcode::{Ingestion, Plan};
use serde_json::Value;

/// 2026-11-21, in microseconds: samples are dated near it.
const NOW: i64 = 1_795_219_200_000_000;

const ROOTS: [&str; 2] = ["contracts", "examples/streamproc/contracts"];
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

struct Sample {
    headers: Vec<(String, Option<Vec<u8>>)>,
    value: Vec<u8>,
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sample(path: &Path) -> Sample {
    let text = std::fs::read_to_string(path).expect("readable");
    let parsed: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let headers = parsed["headers"].as_object().into_iter().flatten();
    let headers = headers
        .map(|(name, value)| (name.clone(), value.as_str().map(|text| text.as_bytes().to_vec())))
        .collect();
    let value = match (&parsed["text"], &parsed["value"]) {
        (Value::String(raw), _) => raw.clone().into_bytes(),
        (_, value @ Value::Object(_)) if parsed.get("headers").is_some() => {
            value.to_string().into_bytes()
        }
        _ => parsed.to_string().into_bytes(),
    };
    Sample { headers, value }
}

/// Contracts that have samples: (contract, folder of the samples).
fn contracts() -> Vec<(Contract, PathBuf)> {
    let mut found = Vec::new();
    for (root, ending) in ROOTS.iter().flat_map(|root| ENDINGS.map(|ending| (root, ending))) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        for document in files(&root, ending) {
            let samples = document.with_extension("");
            if !samples.join("accept").is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(&document).expect("readable");
            let parsed: Value = serde_norway::from_str(&text).expect("a document");
            let inside = samples.strip_prefix(&root).expect("under contracts");
            let import: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
            let import = format!("contracts.{}", import.join("."));
            for channel in parsed["channels"].as_object().expect("channels").keys() {
                let contract = contract::load(&root, &import, channel, &[])
                    .unwrap_or_else(|error| panic!("{import}: {error}"));
                found.push((contract, samples.clone()));
            }
        }
    }
    assert!(found.len() > ROOTS.len(), "the contracts of this repository");
    found
}

fn plan(contract: &Contract, layout: RowLayout) -> Plan {
    let options = RowOptions { layout, ..RowOptions::default() };
    let domain = Domain::new(contract.clone(), options).expect("columns");
    domain.plan(&domain.columns).expect("compiles")
}

fn outcome(plan: &mut Plan, sample: &Sample) -> (Transcoded, usize) {
    let mut rows = RowBuffer::default();
    let event = Event {
        at: Position::new(0, 1),
        timestamp_ms: Some(NOW / 1_000),
        key: None,
        value: Some(&sample.value),
        headers: &sample.headers,
    };
    (plan.transcode(&event, Ingestion::at(NOW), &mut rows), rows.len())
}

#[test]
fn accepted_samples_become_rows_in_both_layouts() {
    let mut seen = 0;
    for (contract, folder) in contracts() {
        for layout in [RowLayout::Columns, RowLayout::Envelope] {
            let mut plan = plan(&contract, layout);
            for path in files(&folder.join("accept"), "json") {
                assert_eq!(outcome(&mut plan, &sample(&path)), (Transcoded::Row, 1), "{path:?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} samples");
}

#[test]
fn rejected_samples_get_the_reason_they_are_named_after() {
    let mut seen = 0;
    for (contract, folder) in contracts() {
        let mut plan = plan(&contract, RowLayout::Columns);
        for path in files(&folder.join("reject"), "json") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            let wanted = name.split('.').next().unwrap_or_default();
            match outcome(&mut plan, &sample(&path)) {
                (Transcoded::Rejected(rejection), 0) => {
                    assert_eq!(rejection.reason.code(), wanted, "{path:?}: {}", rejection.detail);
                }
                other => panic!("{path:?}: {other:?}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} samples");
}

#[test]
fn every_event_type_has_an_accepted_sample() {
    for (contract, folder) in contracts() {
        let texts: Vec<String> = files(&folder.join("accept"), "json")
            .iter()
            .map(|path| std::fs::read_to_string(path).expect("readable"))
            .collect();
        for event in &contract.events {
            // Rows of a contract with one event type do not name it.
            let is_only = matches!(contract.discriminator, Discriminator::Only(_));
            let named = if is_only { String::new() } else { format!("\"{}\"", event.name) };
            assert!(texts.iter().any(|text| text.contains(&named)), "{} has none", event.name);
        }
    }
}

#[test]
fn made_up_events_keep_their_contract_and_bad_ones_break_it_as_said() {
    for (contract, _) in contracts() {
        let mut plan = plan(&contract, RowLayout::Columns);
        let mut samples = contract::sample::Samples::new(&contract, 7, NOW / 1_000);
        let as_sample = |made: contract::sample::Sample| Sample {
            headers: made
                .header
                .map(|(name, value)| (name, Some(value.into_bytes())))
                .into_iter()
                .collect(),
            value: made.value,
        };
        for _ in 0..200 {
            let made = as_sample(samples.event().expect("an event"));
            let text = String::from_utf8_lossy(&made.value).into_owned();
            assert_eq!(outcome(&mut plan, &made), (Transcoded::Row, 1), "{text}");
        }
        for (reason, made) in samples.bad_events(contract.events.last().expect("an event type")) {
            match outcome(&mut plan, &as_sample(made)).0 {
                Transcoded::Rejected(rejection) => assert_eq!(rejection.reason, reason),
                other => panic!("{reason:?}: {other:?}"),
            }
        }
    }
}
