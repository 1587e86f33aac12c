//! Measures how the cost of an event depends on properties that a user cannot choose. The slope of
//! a curve says more than its absolute values.

use std::path::Path;
use std::time::Duration;

use generic_consumer::contract::{self, Contract};
use serde_json::{Value, json};

use crate::Done;
use crate::events::Drawn;
use crate::feed::{self, Feed, Filled};
use crate::kcat::Kcat;
use crate::measure::{self, Cost};
use crate::readers::summary;
use crate::report::{self, Spread};
use crate::sink::Sink;
use crate::support::domain::{self, Domain, TABLE};
use crate::support::kafka::Kafka;

/// Bytes of an event, except on the curve of sizes: as an event of the delivery contract has.
const BYTES: usize = 440;

/// Events in a point's topic: as many as in the benchmark's, or fewer if they exceed `TOPIC_BYTES`.
const EVENTS: u64 = 2_000_000;
const TOPIC_BYTES: u64 = 880_000_000;

/// The properties of a domain and its topic. Along a curve, one of them changes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub partitions: i32,
    pub types: usize,
    pub bytes: usize,
    pub ignored: f64,
    pub latency_ms: u64,
}

pub const PLAIN: Shape =
    Shape { partitions: 4, types: 10, bytes: BYTES, ignored: 0.2, latency_ms: 0 };

/// The cost by one property.
struct Curve {
    name: &'static str,
    /// The property's value on the x axis, and the shape with this value.
    points: Vec<(f64, Shape)>,
    /// Index of the point by whose cost all costs are divided.
    against: usize,
    must: Option<Must>,
}

/// The limit for the last point's cost divided by the cost of the point at `against`.
#[derive(Debug, Clone, Copy)]
enum Must {
    AtMost(f64),
    /// This many times kcat's quotient of the same two points.
    AtMostKcatTimes(f64),
}

fn curves() -> [Curve; 5] {
    let curve = |name, against, must, points| Curve { name, points, against, must };
    let partitions = [1, 4, 64, 256, 1_000];
    let types = [1, 10, 100, 500];
    let sizes = [200, 440, 2_000, 10_000, 50_000];
    let shares = [0.0, 0.2, 0.5, 0.95];
    let waits = [0, 50, 150, 300];
    [
        curve(
            "partitions",
            1,
            Some(Must::AtMostKcatTimes(1.2)),
            partitions.map(|n| (f64::from(n), Shape { partitions: n, ..PLAIN })).into(),
        ),
        curve(
            "event types",
            0,
            Some(Must::AtMost(1.10)),
            types.map(|n| (n as f64, Shape { types: n, ..PLAIN })).into(),
        ),
        curve("bytes", 1, None, sizes.map(|n| (n as f64, Shape { bytes: n, ..PLAIN })).into()),
        curve("ignored share", 1, None, shares.map(|n| (n, Shape { ignored: n, ..PLAIN })).into()),
        curve(
            "latency ms",
            0,
            None,
            waits.map(|n| (n as f64, Shape { latency_ms: n, ..PLAIN })).into(),
        ),
    ]
}

/// Measures the curves whose name begins with one of the words in `along`, or all if it is empty.
pub fn run(along: &[String]) -> Done {
    let named = |word: &String, curve: &Curve| curve.name.split(' ').next() == Some(word);
    if let Some(word) = along.iter().find(|word| !curves().iter().any(|curve| named(word, curve))) {
        return Err(format!("there is no curve `{word}`: `bench curves --help` lists them").into());
    }
    let chosen = |curve: &Curve| along.is_empty() || along.iter().any(|word| named(word, curve));
    let sink = Sink::start();
    // Keeps the results of earlier runs for the curves that are not measured now.
    let mut all = report::kept("curves");
    for curve in curves().into_iter().filter(chosen) {
        // A new broker for each curve, so that only one curve's topics are on the disk at a time.
        let kafka = Kafka::start("curves");
        all.insert(curve.name.to_owned(), measured(&curve, &kafka, &sink));
        report::keep("curves", &Value::Object(all.clone()));
    }
    Ok(())
}

/// Measures all points in every round, each round in another order. Only costs of the same round
/// are compared.
fn measured(curve: &Curve, kafka: &Kafka, sink: &Sink) -> Value {
    let rounds = if report::quick() { 3 } else { 9 };
    let points: Vec<Point<'_>> = curve
        .points
        .iter()
        .enumerate()
        .map(|(number, (_, shape))| {
            let name = format!("curve-{}-{number}", curve.name.replace(' ', "-"));
            Point::filled(name, *shape, kafka, sink)
        })
        .collect();
    // A curve with a limit is measured several times a round; the mean counts.
    let times = if curve.must.is_some() && !report::quick() { 3 } else { 1 };
    let kcat = matches!(curve.must, Some(Must::AtMostKcatTimes(_))).then(Kcat::find);
    let readers = if kcat.is_some() { 2 } else { 1 };
    let runs: Vec<usize> = (0..points.len() * readers * times).collect();
    // The first round is not counted: it warms up the broker.
    let all_points = |round: usize| {
        let mut costs = Round { ours: vec![0.0; points.len()], kcat: vec![0.0; points.len()] };
        for run in measure::shuffled(&runs, round) {
            let number = run % points.len();
            match &kcat {
                Some(kcat) if run / points.len() % readers == 1 => {
                    costs.kcat[number] += points[number].cost_of_kcat(kcat) / times as f64;
                }
                _ => {
                    let cost = points[number].cost(round * runs.len() + run);
                    costs.ours[number] += cost / times as f64;
                }
            }
        }
        costs
    };
    let rounds: Vec<Round> = (0..=rounds).map(all_points).skip(1).collect();
    let spread = |figure: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(figure));
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for (index, (x, _)) in curve.points.iter().enumerate() {
        let cost = spread(&|round| round.ours[index]);
        let ratio = spread(&|round| round.ours[index] / round.ours[curve.against]);
        let of_kcat = spread(&|round| round.kcat[index] / round.kcat[curve.against]);
        let is_last = index + 1 == curve.points.len();
        let verdict = match curve.must.filter(|_| is_last) {
            None => String::new(),
            Some(Must::AtMost(most)) => held(format!("≤ {most:.2}"), ratio.median <= most),
            Some(Must::AtMostKcatTimes(times)) => {
                let most = of_kcat.median * times;
                held(format!("≤ {times:.1} × kcat's {of_kcat}"), ratio.median <= most)
            }
        };
        rows.push(vec![x.to_string(), cost.to_string(), ratio.to_string(), verdict.clone()]);
        let mut point = json!({ "x": x, "cpu_seconds_a_million": cost.json(),
                                "paired": ratio.json(), "verdict": verdict });
        if kcat.is_some() {
            let cost = spread(&|round| round.kcat[index]);
            point["kcat"] =
                json!({ "cpu_seconds_a_million": cost.json(), "paired": of_kcat.json() });
        }
        all.push(point);
    }
    let against = format!("÷ {}", curve.points[curve.against].0);
    report::table(&[curve.name, "CPU s per million events", &against, "must"], &rows);
    Value::Array(all)
}

/// CPU seconds per million events by point, in one round. kcat's are 0 where it is not measured.
struct Round {
    ours: Vec<f64>,
    kcat: Vec<f64>,
}

fn held(must: String, holds: bool) -> String {
    format!("{must}: {}", if holds { "holds" } else { "MISSED" })
}

/// A point of a curve: a domain and its filled topic.
pub struct Point<'a> {
    name: String,
    shape: Shape,
    domain: Domain,
    bootstrap: String,
    count: u64,
    filled: Filled,
    sink: &'a Sink,
}

impl<'a> Point<'a> {
    pub fn filled(name: String, shape: Shape, kafka: &Kafka, sink: &'a Sink) -> Self {
        let domain = Domain::with_partitions(&name, kafka, &sink.urls(), shape.partitions);
        let contract = generated(&domain, &name, shape.types);
        let count = (TOPIC_BYTES / shape.bytes as u64).min(EVENTS);
        let ignored = ("Ignored", shape.ignored);
        let drawn = Drawn { padded: Some(("note", shape.bytes)), ..Drawn::plain(ignored) };
        let feed = Feed { topic: &name, partitions: shape.partitions, count, drawn, traced: false };
        let filled = feed::fill(kafka, &contract, &feed);
        let bootstrap = kafka.bootstrap();
        Self { name, shape, domain, bootstrap, count, filled, sink }
    }

    /// CPU seconds per million events of our consumer, with the process's start and the join.
    fn cost(&self, run: usize) -> f64 {
        self.cost_of(domain::program(), run)
    }

    /// The same of another program. `run` is different for every run, and so is the group.
    pub fn cost_of(&self, program: &Path, run: usize) -> f64 {
        self.domain.set("GROUP_ID_DELIVERY", &format!("{}-{run}", self.name));
        self.sink.latency(Duration::from_millis(self.shape.latency_ms));
        let cost = consume(program, &self.domain, self.sink, self.filled);
        self.sink.latency(Duration::ZERO);
        cost.cpu_a_million(self.count)
    }

    /// The same of kcat.
    pub fn cost_of_kcat(&self, kcat: &Kcat) -> f64 {
        let cost = kcat.drain(&self.bootstrap, &self.domain.topic, self.count);
        cost.cpu_a_million(self.count)
    }
}

/// Runs a consumer to the end of the topic and asserts its counts.
fn consume(program: &Path, domain: &Domain, sink: &Sink, filled: Filled) -> Cost {
    sink.reset();
    let mut process = domain.launch(program, &["DELIVERY", "--until-caught-up"], &[], None);
    let cost = measure::to_the_end(&mut process);
    assert_eq!(sink.rows(TABLE).visible, filled.rows, "rows\n{}", process.output());
    assert_eq!(summary(&process.output(), "ignored"), filled.ignored);
    cost
}

/// Writes a contract into the domain and configures it. It has this many event types, each with one
/// field that no other has, and the type `Ignored`, which the consumer ignores.
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
    let contracts = file.parent().expect("the file has a folder");
    contract::load(contracts, &format!("contracts.{name}"), "Curve", &[])
        .unwrap_or_else(|error| panic!("{error:?}"))
}
