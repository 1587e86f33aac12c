//! Figures that are not compared between readers: append, latency, start, idle.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::events::Drawn;
use crate::measure;
use crate::readers::Bench;
use crate::report::{self, Spread};
use crate::support::domain::{IGNORED, PARTITIONS, TABLE};
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(60);

pub fn measure(bench: &Bench) -> Value {
    let repeats = if report::quick() { 3 } else { 9 };
    let idle_seconds = if report::quick() { 10 } else { 30 };
    let mut figures: Vec<(&str, Spread, &str, &str)> = Vec::new();
    let plain = Spread::of((0..repeats).map(|_| append(bench, false)));
    let tls = Spread::of((0..repeats).map(|_| append(bench, true)));
    figures.push(("append, plain", plain, "ms CPU per MB", "≤ 0.40"));
    figures.push(("append, TLS", tls, "ms CPU per MB", "≤ 0.60"));
    for (name, guarantee, must) in [
        ("broker → visible, at-least-once", "at-least-once", "≤ 100"),
        ("broker → visible, exactly-once", "exactly-once", "≤ 300"),
    ] {
        figures.push((name, latency(bench, guarantee, repeats * 5), "ms", must));
    }
    let start = Spread::of((0..repeats).map(|_| start_to_append(bench)));
    figures.push(("start → first append, without the join", start, "ms", "≤ 200"));
    let (cpu, resident) = idle(bench, Duration::from_secs(idle_seconds));
    let once = |figure| Spread::of([figure]);
    figures.push(("idle", once(cpu), "% of a core", "≤ 0.5"));
    figures.push(("idle, resident", once(resident), "MiB", "≤ 20"));

    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|(name, spread, unit, must)| {
            vec![(*name).to_owned(), spread.to_string(), (*unit).to_owned(), (*must).to_owned()]
        })
        .collect();
    report::table(&["figure", "median (min – max)", "unit", "must"], &rows);
    let all = figures.iter().map(|(name, spread, unit, must)| {
        json!({ "figure": name, "value": spread.json(), "unit": unit, "must": must })
    });
    Value::Array(all.collect())
}

/// CPU milliseconds per megabyte of appended rows, which are encoded beforehand.
fn append(bench: &Bench, tls: bool) -> f64 {
    bench.sink.reset();
    let program = std::env::current_exe().expect("this program");
    let (url, certificate) = (bench.sink.tls_url(), bench.sink.certificate());
    let credentials = bench.sink.credentials();
    let secured = [
        ("WRITE__LIVE__ENDPOINT__STORAGE", url.as_str()),
        ("SSL_CERT_FILE", certificate.to_str().expect("UTF-8")),
        ("GOOGLE_APPLICATION_CREDENTIALS", credentials.to_str().expect("UTF-8")),
    ];
    let variables = if tls { &secured[..] } else { &[] };
    let mut process = bench.domain.launch(&program, &["append", "DELIVERY"], variables, None);
    assert!(process.wait(WITHIN).success(), "{}", process.output());
    let said = process.output();
    let line = said.lines().last().unwrap_or_default();
    let result: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(Some(bench.sink.rows(TABLE).visible), result["rows"].as_u64(), "appended rows");
    result["ms_per_mb"].as_f64().expect("a figure")
}

/// Milliseconds from the broker's acknowledgement to the visible row, one event at a time.
fn latency(bench: &Bench, guarantee: &str, events: usize) -> Spread {
    bench.sink.reset();
    let domain = &bench.domain;
    domain.set("GROUP_ID_DELIVERY", &bench.fresh_group()).set("DELIVERY_GUARANTEE", guarantee);
    domain.set("START_FROM", "latest");
    let mut instance = domain.start_ready();
    let drawn = Drawn::plain((IGNORED, 0.0));
    let (_, value) = drawn.from(&domain.contract(), 1).swap_remove(0);
    let producer: FutureProducer =
        bench.kafka.client().set("linger.ms", "0").create().expect("a producer");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut milliseconds = Vec::new();
    for number in 0..=events as u64 {
        let record = FutureRecord::<(), [u8]>::to(&domain.topic).partition(0).payload(&value);
        // Waits for the delivery report: `flush` may return up to 100 ms after it.
        runtime.block_on(producer.send(record, WITHIN)).expect("acknowledged");
        let began = Instant::now();
        while bench.sink.rows(TABLE).visible <= number {
            assert!(began.elapsed() < WITHIN, "the event's row is not visible in {WITHIN:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        milliseconds.push(began.elapsed().as_secs_f64() * 1_000.0);
        // The consumer becomes idle. The pause varies, so that it fits no period of its timers.
        std::thread::sleep(Duration::from_millis(200 + 7 * (number % 13)));
    }
    instance.stop();
    domain.set("START_FROM", "earliest");
    // The first event does not count: it opens streams and connections.
    Spread::of(milliseconds.into_iter().skip(1))
}

/// Milliseconds from the process's start to its first append, without the time that joining the
/// group takes. The group has committed offsets, as when an instance restarts.
fn start_to_append(bench: &Bench) -> f64 {
    bench.sink.reset();
    let domain = &bench.domain;
    let group = bench.fresh_group();
    commit_the_beginning(bench, &group);
    domain.set("GROUP_ID_DELIVERY", &group).set("DELIVERY_GUARANTEE", "at-least-once");
    let clock = generic_consumer::clock::Clock::System;
    let began = clock.now_micros() as f64 / 1_000.0;
    let instance = domain.start();
    let mut first = None;
    until_true("the first append", WITHIN, || {
        first = bench.sink.counts()["first_append_ms"].as_f64();
        first.is_some()
    });
    let said = instance.process.output();
    let at = |message: &str| -> f64 {
        let line = said.lines().find(|line| line.contains(message));
        let line: Value = serde_json::from_str(line.expect("a log line")).expect("JSON");
        let time: jiff::Timestamp =
            line["timestamp"].as_str().expect("a time").parse().expect("a time");
        time.as_microsecond() as f64 / 1_000.0
    };
    let joined = at("\"partitions assigned\"") - at("\"consuming\"");
    first.expect("a time") - began - joined
}

/// Commits offset 0 of every partition.
fn commit_the_beginning(bench: &Bench, group: &str) {
    let consumer: BaseConsumer =
        bench.kafka.client().set("group.id", group).create().expect("a consumer");
    let mut offsets = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let added = offsets.add_partition_offset(
            &bench.domain.topic,
            partition,
            rdkafka::Offset::Offset(0),
        );
        added.expect("a partition");
    }
    consumer.commit(&offsets, CommitMode::Sync).expect("committed");
}

/// CPU in per cent of a core, and resident memory in MiB, of an instance that has nothing to read.
fn idle(bench: &Bench, during: Duration) -> (f64, f64) {
    let domain = &bench.domain;
    domain.set("GROUP_ID_DELIVERY", &bench.fresh_group()).set("START_FROM", "latest");
    let mut instance = domain.start_ready();
    std::thread::sleep(Duration::from_secs(3));
    let pid = instance.process.pid();
    let before = measure::cpu_seconds(pid);
    std::thread::sleep(during);
    let cpu = (measure::cpu_seconds(pid) - before) / during.as_secs_f64() * 100.0;
    let resident = measure::resident(pid) as f64 / 1_048_576.0;
    instance.stop();
    domain.set("START_FROM", "earliest");
    (cpu, resident)
}
