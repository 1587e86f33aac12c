//! Tests of types and tables against a second emulator, goccy/bigquery-emulator, so that the
//! embedded BigQuery is not the only check of what we assume about BigQuery.
//!
//! They use at-least-once, because each flush of this emulator makes all rows of a BUFFERED stream
//! visible again. It applies a request without a stream name to any stream that it knows, so each
//! test appends to the default stream of a single table.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use generic_consumer::contract::sample::Samples;
use serde_json::{Value, json};

use crate::support::domain::{Domain, IGNORED, PARTITIONS, TABLE};
use crate::support::emulator::Emulator;
use crate::support::kafka::{Kafka, shared};
use crate::support::records::records;

const WITHIN: Duration = Duration::from_secs(180);
const AROUND_MS: i64 = 1_794_000_000_000;
const EVENTS: usize = 300;

fn domain(name: &str, kafka: &Kafka, emulator: &Emulator) -> Domain {
    let domain = Domain::new(name, kafka, &emulator.urls());
    let letters = format!("{name}-letters");
    kafka.create_topic(&letters, 1);
    domain
        .set("DELIVERY_GUARANTEE", "at-least-once")
        .set("DEAD_LETTER", &format!("kafka:{letters}"));
    domain
}

fn run_until_caught_up(domain: &Domain) {
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0));
}

fn publish(domain: &Domain) {
    let contract = domain.contract();
    let mut samples = Samples::new(&contract, 17, AROUND_MS);
    let mut text = Vec::new();
    for _ in 0..EVENTS {
        text.extend(samples.event().unwrap().value);
        text.push(b'\n');
    }
    let file = domain.file("events.ndjson", std::str::from_utf8(&text).unwrap());
    let mut produce = domain.run(&["produce", "DELIVERY", file.to_str().unwrap()], &[]);
    assert_eq!(produce.wait(WITHIN).code(), Some(0));
}

#[test]
fn rows_of_every_type_arrive_as_they_were_sent() {
    let kafka = shared();
    let emulator = Emulator::start("types");
    let domain = domain("other-types", kafka, &emulator);
    // The topic is still empty: this run only creates the table.
    run_until_caught_up(&domain);
    emulator.open_default_stream(TABLE);
    publish(&domain);
    run_until_caught_up(&domain);

    let fields = emulator.table(TABLE)["schema"]["fields"].clone();
    let fields = fields.as_array().unwrap();
    let rows = emulator.rows(TABLE);
    let mut seen = std::collections::BTreeSet::new();
    let mut events = records(kafka, &domain.topic, PARTITIONS);
    let mut columns = 0;
    for row in &rows {
        let cell = |name: &str| {
            let index = fields.iter().position(|field| field["name"] == name).unwrap();
            &row["f"][index]["v"]
        };
        let number = |name: &str| cell(name).as_str().unwrap().parse::<i64>().unwrap();
        let at = (number("_kafka_partition") as i32, number("_kafka_offset"));
        let record = events.remove(&at).unwrap_or_else(|| panic!("{at:?} is repeated or unknown"));
        let event: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(cell("_event_type"), &event["event_type"]);
        assert_eq!(micros(cell("_kafka_timestamp")), record.timestamp_ms * 1_000);
        let mut compared = 0;
        for (field, cell) in fields.iter().zip(row["f"].as_array().unwrap()) {
            let name = field["name"].as_str().unwrap();
            if name.starts_with('_') {
                continue;
            }
            if let Err(why) = same(field, &event[name], &cell["v"]) {
                panic!("{at:?} {name}: {why}\nevent {event}\nrow {row}");
            }
            if !event[name].is_null() {
                seen.insert(field["type"].as_str().unwrap().to_owned());
                compared += 1;
            }
        }
        // Every value of the event has a column: the samples have no undeclared fields.
        assert_eq!(compared, event.as_object().unwrap().values().filter(|v| !v.is_null()).count());
        columns += compared;
    }
    assert!(columns > EVENTS * 4, "only {columns} values were compared");
    for kind in ["STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "DATE", "BYTES"] {
        assert!(seen.contains(kind), "no {kind} in {seen:?}");
    }
    for kind in ["RECORD", "JSON", "BIGNUMERIC"] {
        assert!(seen.contains(kind), "no {kind} in {seen:?}");
    }
    // Only ignored events have no row.
    for (at, record) in events {
        let event: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(event["event_type"], IGNORED, "the row of {at:?} is missing");
    }
    assert!(kafka.ends(&format!("{}-letters", domain.topic), 1) == [0]);
}

#[test]
fn a_table_that_lacks_columns_gets_them() {
    let kafka = shared();
    let emulator = Emulator::start("evolution");
    let domain = domain("other-evolution", kafka, &emulator);
    let ours = json!([
        { "name": "somebody_elses", "type": "STRING", "mode": "NULLABLE" },
        { "name": "event_id", "type": "STRING", "mode": "NULLABLE" },
    ]);
    emulator.make_dataset();
    emulator.make_table(TABLE, &ours);
    run_until_caught_up(&domain);
    let evolved = emulator.table(TABLE);
    let names = |table: &Value| -> Vec<String> {
        let fields = table["schema"]["fields"].as_array().unwrap().iter();
        fields.map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    };
    let found = names(&evolved);
    assert_eq!(found[..2], ["somebody_elses", "event_id"]);
    for name in ["_kafka_offset", "_ingested_at", "occurred_at", "recipient", "exact_weight"] {
        assert!(found.iter().any(|found| found == name), "no {name} in {found:?}");
    }
    // A second run does not change a table that has all columns.
    run_until_caught_up(&domain);
    assert_eq!(names(&emulator.table(TABLE)), found);
    // A column of another type stops the run, with an error that names it.
    domain.set("BQ_TABLE_DELIVERY", "other_types");
    let other = json!([{ "name": "event_id", "type": "INTEGER", "mode": "NULLABLE" }]);
    emulator.make_table("other_types", &other);
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(3));
    let said = run.output();
    assert!(said.contains("event_id") && said.contains("cannot change in place"), "{said}");
}

/// Compares a value of an event with a cell of `tabledata.list`, where numbers are strings.
fn same(field: &Value, sent: &Value, cell: &Value) -> Result<(), String> {
    let differs = || format!("{field}: sent {sent}, found {cell}");
    if field["mode"] == "REPEATED" {
        let none = Vec::new();
        let sent = sent.as_array().unwrap_or(&none);
        // The emulator returns null for an empty array inside a record.
        let cells = cell.as_array().unwrap_or(&none);
        if sent.len() != cells.len() {
            return Err(differs());
        }
        let mut one = field.clone();
        one["mode"] = json!("NULLABLE");
        return sent.iter().zip(cells).try_for_each(|(sent, cell)| same(&one, sent, &cell["v"]));
    }
    if sent.is_null() {
        return if cell.is_null() { Ok(()) } else { Err(differs()) };
    }
    if field["type"] == "RECORD" {
        let fields = field["fields"].as_array().unwrap().iter();
        let cells = cell["f"].as_array().ok_or_else(differs)?;
        return fields.zip(cells).try_for_each(|(field, cell)| {
            let name = field["name"].as_str().unwrap();
            same(field, &sent[name], &cell["v"])
        });
    }
    let text = cell.as_str().ok_or_else(differs)?;
    let equal = match field["type"].as_str().unwrap() {
        "STRING" | "DATE" => sent.as_str() == Some(text),
        "INTEGER" => sent.as_i64() == text.parse().ok(),
        "FLOAT" => sent.as_f64() == text.parse().ok(),
        "BOOLEAN" => sent.as_bool() == text.parse().ok(),
        "BYTES" => {
            sent.as_str().and_then(|sent| STANDARD.decode(sent).ok()) == STANDARD.decode(text).ok()
        }
        "TIMESTAMP" => {
            let sent: jiff::Timestamp = sent.as_str().unwrap().parse().unwrap();
            sent.as_microsecond() == micros(cell)
        }
        "JSON" => serde_json::from_str::<Value>(text).is_ok_and(|found| found == *sent),
        "NUMERIC" | "BIGNUMERIC" => plain(&sent_text(sent)) == plain(text),
        other => return Err(format!("no comparison for {other}")),
    };
    if equal { Ok(()) } else { Err(differs()) }
}

/// Converts a TIMESTAMP cell, decimal seconds since the epoch, to microseconds.
fn micros(cell: &Value) -> i64 {
    let text = cell.as_str().unwrap();
    let (seconds, places) = text.split_once('.').unwrap_or((text, "0"));
    let fraction: i64 = format!("{places:0<6}")[..6].parse().unwrap();
    seconds.parse::<i64>().unwrap() * 1_000_000 + fraction
}

fn sent_text(sent: &Value) -> String {
    sent.as_str().map_or_else(|| sent.to_string(), str::to_owned)
}

/// Removes the trailing zeros of the decimal places.
fn plain(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}
