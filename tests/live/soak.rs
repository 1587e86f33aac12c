//! `make soak`: a steady load for a long time, with faults, restarts and rebalances. What a process holds
//! (memory, file descriptors, threads, write streams) must not grow, and the table is whole at the end.
//!
//! `SOAK_MINUTES` (30 by default), `CHAOS_SEED`. The samples are in `target/soak/samples.csv`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::chaos::{EVENTS_PER_SECOND, RECOVERS_WITHIN, number};
use super::verify::assert_whole;
use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance, TABLE};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::Kafka;
use crate::support::proof::{Guarantee, compare, wait_while};

/// As in the chaos tests, and rarer: a day has few of them.
const FAULTS: &str = "append=0.002,append_lost=0.002,append_delay=0.01:100,append_late=0.002:300,\
                      close=0.001,flush=0.005,flush_lost=0.005,create=0.02,create_lost=0.01,rest=0.01";

const SAMPLED_EVERY: Duration = Duration::from_secs(5);

/// Between two disturbances.
const QUIET: Duration = Duration::from_secs(25);

/// What happens to the system. The first instance is never restarted: it is the one that is measured.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    /// The second instance is killed, and another is started.
    Killed,
    /// The second instance is replaced in good order, as by a deployment.
    Replaced,
    BrokerRestarted,
    BigQueryFrozen,
    BigQueryKilled,
}

const DISTURBANCES: [Disturbance; 5] = [
    Disturbance::Killed,
    Disturbance::Replaced,
    Disturbance::BrokerRestarted,
    Disturbance::BigQueryFrozen,
    Disturbance::BigQueryKilled,
];

/// What a process holds at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    seconds: u64,
    resident_kib: u64,
    descriptors: u64,
    threads: u64,
    /// Write streams of the table that are not finalized.
    streams: u64,
    rows: u64,
    lag: u64,
}

impl Sample {
    const HEADER: &str = "seconds,resident_kib,descriptors,threads,streams,rows,lag";

    fn of(instance: &Instance, bigquery: &EmbeddedBigQuery, began: Instant) -> Option<Self> {
        let process = format!("/proc/{}", instance.process.pid());
        let status = std::fs::read_to_string(format!("{process}/status")).ok()?;
        let number = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Self {
            seconds: began.elapsed().as_secs(),
            resident_kib: number("VmRSS:")?,
            descriptors: std::fs::read_dir(format!("{process}/fd")).ok()?.count() as u64,
            threads: number("Threads:")?,
            streams: bigquery.open_streams(TABLE),
            rows: instance.metric("generic_consumer_written_rows_total").unwrap_or(0.0) as u64,
            lag: instance.lag().1 as u64,
        })
    }

    fn line(&self) -> String {
        let Self { seconds, resident_kib, descriptors, threads, streams, rows, lag } = self;
        format!("{seconds},{resident_kib},{descriptors},{threads},{streams},{rows},{lag}")
    }
}

/// The middle of what some samples have of something.
fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[test]
#[ignore = "takes half an hour: make soak"]
fn what_a_process_holds_does_not_grow() {
    let minutes = number("SOAK_MINUTES").unwrap_or(30);
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("soak: SOAK_MINUTES={minutes} CHAOS_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut kafka = Kafka::start("soak");
    let mut bigquery = EmbeddedBigQuery::start("soak", FAULTS, seed);
    let domain = Domain::new("soak", &kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(&kafka, &domain, seed), EVENTS_PER_SECOND);
    let mut steady = domain.start_ready();
    let mut other = domain.start_ready();
    let began = Instant::now();
    let (mut samples, mut disturbances) = (Vec::new(), 0);
    let mut due = began + QUIET;
    while began.elapsed() < Duration::from_secs(minutes * 60) {
        std::thread::sleep(SAMPLED_EVERY);
        // librdkafka may hang where its broker goes away; the process then ends, and is started anew.
        for each in [&mut steady, &mut other] {
            if each.has_hung() {
                println!("{} hung, and is started anew", each.process.name());
                *each = domain.start();
            }
            each.assert_running();
        }
        samples.extend(Sample::of(&steady, &bigquery, began));
        if Instant::now() < due {
            continue;
        }
        let what = *DISTURBANCES.choose(&mut dice).expect("some");
        println!("{:6} s {what:?}", began.elapsed().as_secs());
        let away = Duration::from_millis(dice.random_range(500..5_000));
        match what {
            Disturbance::Killed => {
                other.process.kill();
                other = domain.start();
            }
            Disturbance::Replaced => {
                let next = domain.start_ready();
                other.stop_or_hang(RECOVERS_WITHIN);
                other = next;
            }
            Disturbance::BrokerRestarted => {
                kafka.stop();
                std::thread::sleep(away);
                kafka.start_again();
            }
            Disturbance::BigQueryFrozen => {
                bigquery.freeze();
                std::thread::sleep(away);
                bigquery.thaw();
            }
            Disturbance::BigQueryKilled => {
                bigquery.kill();
                std::thread::sleep(away);
                bigquery.start_again();
            }
        }
        disturbances += 1;
        due = Instant::now() + QUIET;
    }
    let sent = feed.stop();
    wait_while(&bigquery, &sent, RECOVERS_WITHIN, || {});
    for each in [&mut steady, &mut other] {
        each.stop_or_hang(RECOVERS_WITHIN);
    }
    let arrived = compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    assert_whole(&domain, Guarantee::ExactlyOnce);
    println!("{} events, {disturbances} disturbances: {arrived:?}", sent.len());
    keep(&samples);
    judge(&samples);
}

/// Writes the samples for plots.
fn keep(samples: &[Sample]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder").join("soak");
    std::fs::create_dir_all(&folder).expect("created");
    let mut text = format!("{}\n", Sample::HEADER);
    for sample in samples {
        writeln!(text, "{}", sample.line()).expect("a string");
    }
    std::fs::write(folder.join("samples.csv"), text).expect("written");
}

/// The second half of the time must not hold more than the first one: caches and pools are filled by then.
fn judge(samples: &[Sample]) {
    assert!(samples.len() > 10, "{} samples", samples.len());
    // The first minute and a half is the start.
    let samples = &samples[samples.len().min(18) / 2..];
    let (first, second) = samples.split_at(samples.len() / 2);
    type Of = fn(&Sample) -> u64;
    let held: [(&str, Of, f64, u64); 4] = [
        ("resident KiB", |sample| sample.resident_kib, 1.15, 8 << 10),
        ("file descriptors", |sample| sample.descriptors, 1.1, 8),
        ("threads", |sample| sample.threads, 1.1, 4),
        ("write streams", |sample| sample.streams, 1.1, 8),
    ];
    let mut grown = Vec::new();
    for (what, of, factor, more) in held {
        let (before, after) = (median(first, of), median(second, of));
        let most = samples.iter().map(of).max().unwrap_or(0);
        println!("{what:18} first half {before:8}  second half {after:8}  most {most:8}");
        if after as f64 > before as f64 * factor + more as f64 {
            grown.push(format!("{what} from {before} to {after}"));
        }
    }
    assert!(grown.is_empty(), "{}", grown.join(", "));
}

#[test]
fn growth_is_found_and_steadiness_is_not() {
    let flat: Vec<Sample> = (0..100)
        .map(|seconds| Sample {
            seconds,
            resident_kib: 50_000 + seconds % 7 * 1_000,
            descriptors: 40 + seconds % 5,
            threads: 20,
            streams: 8,
            ..Sample::default()
        })
        .collect();
    judge(&flat);
    let leaks: [fn(&mut Sample, u64); 4] = [
        |sample, n| sample.resident_kib += n * 500,
        |sample, n| sample.descriptors += n / 2,
        |sample, n| sample.threads += n / 4,
        |sample, n| sample.streams += n,
    ];
    for leak in leaks {
        let mut samples = flat.clone();
        for (n, sample) in samples.iter_mut().enumerate() {
            leak(sample, n as u64);
        }
        assert!(std::panic::catch_unwind(|| judge(&samples)).is_err(), "a leak is not found");
    }
}
