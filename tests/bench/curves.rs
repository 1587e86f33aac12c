//! How the cost of an event changes with what cannot be chosen: the slope says more than the level.

use std::time::Duration;

use generic_consumer::contract::{self, Contract};
use serde_json::{Value, json};

use crate::Done;
use crate::events::Drawn;
use crate::feed::{self, Feed, Filled};
use crate::measure;
use crate::readers::summary;
use crate::report::{self, Spread};
use crate::sink::Sink;
use crate::support::domain::{Domain, TABLE};
use crate::support::kafka::Kafka;

const PATIENCE: Duration = Duration::from_secs(600);

/// As an event of the delivery contract, where size is not what is looked at.
const BYTES: usize = 440;

/// What a domain of the curves looks like; one of them changes along a curve.
#[derive(Debug, Clone, Copy)]
struct Shape {
    partitions: i32,
    types: usize,
    bytes: usize,
    ignored: f64,
    latency_ms: u64,
}

const PLAIN: Shape = Shape { partitions: 4, types: 10, bytes: BYTES, ignored: 0.2, latency_ms: 0 };

pub fn run() -> Done {
    let kafka = Kafka::start("curves");
    let sink = Sink::start();
    let mut curves = serde_json::Map::new();
    let mut curve = |name: &str, shapes: Vec<(f64, Shape)>| {
        let points: Vec<Value> = shapes
            .into_iter()
            .enumerate()
            .map(|(number, (x, shape))| {
                let at = format!("curve-{}-{number}", name.replace(' ', "-"));
                let cost = cost(&at, shape, &kafka, &sink);
                println!("{name} {x}: {cost} CPU s per million events");
                json!({ "x": x, "cpu_seconds_a_million": cost.json() })
            })
            .collect();
        curves.insert(name.to_owned(), Value::Array(points));
    };
    let partitions = [1, 4, 64, 256, 1_000];
    curve(
        "partitions",
        partitions.map(|n| (f64::from(n), Shape { partitions: n, ..PLAIN })).into(),
    );
    let types = [1, 10, 100, 500];
    curve("event types", types.map(|n| (n as f64, Shape { types: n, ..PLAIN })).into());
    let sizes = [200, 440, 2_000, 10_000, 50_000];
    curve("bytes", sizes.map(|n| (n as f64, Shape { bytes: n, ..PLAIN })).into());
    let shares = [0.0, 0.2, 0.5, 0.95];
    curve("ignored share", shares.map(|n| (n, Shape { ignored: n, ..PLAIN })).into());
    let waits = [0, 50, 150, 300];
    curve("latency ms", waits.map(|n| (n as f64, Shape { latency_ms: n, ..PLAIN })).into());
    report::keep("curves", &Value::Object(curves));
    Ok(())
}

fn cost(name: &str, shape: Shape, kafka: &Kafka, sink: &Sink) -> Spread {
    let repeats = if report::quick() { 3 } else { 5 };
    let domain = Domain::with_partitions(name, kafka, &sink.urls(), shape.partitions);
    let contract = generated(&domain, name, shape.types);
    // Two hundred megabytes, or half a million events.
    let count = (200_000_000 / shape.bytes as u64).min(500_000);
    let ignored = ("Ignored", shape.ignored);
    let drawn = Drawn { padded: Some(("note", shape.bytes)), ..Drawn::plain(ignored) };
    let feed = Feed { topic: name, partitions: shape.partitions, count, drawn };
    let filled = feed::fill(kafka, &contract, &feed);
    sink.latency(Duration::from_millis(shape.latency_ms));
    let costs: Vec<f64> = (0..=repeats)
        .map(|run| {
            domain.set("GROUP_ID_DELIVERY", &format!("{name}-{run}"));
            consume(&domain, sink, filled) * 1e6 / count as f64
        })
        .collect();
    sink.latency(Duration::ZERO);
    // The first run warms the broker up.
    Spread::of(costs.into_iter().skip(1))
}

/// CPU seconds of one run.
fn consume(domain: &Domain, sink: &Sink, filled: Filled) -> f64 {
    sink.reset();
    let mut process = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    let cost = measure::to_the_end(&mut process, PATIENCE);
    assert_eq!(sink.rows(TABLE).visible, filled.rows, "rows\n{}", process.output());
    assert_eq!(summary(&process.output(), "ignored"), filled.ignored);
    cost.cpu_seconds
}

/// A contract of so many event types, each with a field of its own; one more is left out.
fn generated(domain: &Domain, name: &str, types: usize) -> Contract {
    let message = |kind: &str, number: usize| {
        let mut properties = json!({
            "event_id": { "type": "string", "format": "uuid" },
            "event_type": { "type": "string" },
            "occurred_at": { "type": "string", "format": "date-time" },
            "quantity": { "type": "integer" },
            "price": { "type": "string", "format": "decimal" },
            "note": { "type": "string" },
        });
        properties[format!("own_{number}")] = json!({ "type": "integer" });
        let required = ["event_id", "event_type", "occurred_at", "note"];
        let payload = json!({ "type": "object", "required": required, "properties": properties });
        (kind.to_owned(), json!({ "name": kind, "payload": payload }))
    };
    let mut messages: serde_json::Map<String, Value> =
        (0..types).map(|number| message(&format!("Event{number}"), number)).collect();
    messages.extend([message("Ignored", types)]);
    let document = json!({
        "asyncapi": "3.0.0",
        "info": { "title": name, "version": "1.0.0" },
        "channels": { "Curve": { "address": name, "messages": messages } },
    });
    let file = domain.file(&format!("contracts/{name}.json"), &document.to_string());
    domain
        .set("IMPORT_PATH_DELIVERY", &format!("contracts.{name}"))
        .set("IMPORT_OBJECT_DELIVERY", "Curve")
        .set("IGNORE_EVENTS_DELIVERY", "Ignored")
        .set("DELIVERY_GUARANTEE", "at-least-once");
    let contracts = file.parent().expect("its folder");
    contract::load(contracts, &format!("contracts.{name}"), "Curve")
        .unwrap_or_else(|error| panic!("{error:?}"))
}
