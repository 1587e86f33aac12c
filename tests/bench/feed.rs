//! Events in a topic: drawn from a pool of samples of the contract, seeded.

use std::time::Duration;

use generic_consumer::contract::Contract;
use generic_consumer::contract::sample::Samples;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;

use crate::support::kafka::Kafka;

/// Different events: more than a processor's caches hold.
const POOL: usize = 16_384;

/// November 2026.
const AROUND_MS: i64 = 1_794_000_000_000;

const FLUSH: Duration = Duration::from_secs(180);

/// What a topic is filled with.
pub struct Feed<'a> {
    pub topic: &'a str,
    pub partitions: i32,
    pub count: u64,
    /// Event type that consumers leave out, and its share.
    pub ignored: (&'a str, f64),
    /// Bytes of an event at least: this field is made longer until it has them.
    pub padded: Option<(&'a str, usize)>,
}

/// What it was filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    pub rows: u64,
    pub ignored: u64,
    /// Bytes of all values.
    pub bytes: u64,
}

/// Publishes and waits until the broker has everything.
pub fn fill(kafka: &Kafka, contract: &Contract, feed: &Feed<'_>) -> Filled {
    let pool = pool(contract, feed);
    let producer: ThreadedProducer<DefaultProducerContext> = kafka
        .client()
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .create()
        .expect("a producer");
    let mut filled = Filled { rows: 0, ignored: 0, bytes: 0 };
    for number in 0..feed.count {
        let (ignored, value) = &pool[number as usize % POOL];
        filled.ignored += u64::from(*ignored);
        filled.rows += u64::from(!*ignored);
        filled.bytes += value.len() as u64;
        let key = format!("key-{:06}", number % 1_000_000);
        let partition = (number % feed.partitions as u64) as i32;
        let mut record = BaseRecord::to(feed.topic).partition(partition).key(&key).payload(value);
        while let Err((error, back)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, full, "publish an event");
            std::thread::sleep(Duration::from_millis(5));
            record = back;
        }
    }
    producer.flush(FLUSH).expect("everything is delivered");
    let ends: i64 = kafka.ends(feed.topic, feed.partitions).iter().sum();
    assert_eq!(ends as u64, feed.count, "events on the broker");
    filled
}

/// One event for each measurement of latency.
pub fn one(contract: &Contract, ignored: &str) -> Vec<u8> {
    let feed = Feed { topic: "", partitions: 1, count: 1, ignored: (ignored, 0.0), padded: None };
    pool(contract, &feed).swap_remove(0).1
}

/// Whether it is to be ignored, and its value.
fn pool(contract: &Contract, feed: &Feed<'_>) -> Vec<(bool, Vec<u8>)> {
    const SEED: u64 = 20_261_121;
    let (type_left_out, share) = feed.ignored;
    let (ignored, others): (Vec<_>, Vec<_>) =
        contract.events.iter().partition(|event| event.name == type_left_out);
    let mut dice = StdRng::seed_from_u64(SEED);
    let mut samples = Samples::new(contract, SEED, AROUND_MS);
    let draw = |_| {
        let left_out = !ignored.is_empty() && dice.random_bool(share);
        let from = if left_out { &ignored } else { &others };
        let event = from.choose(&mut dice).expect("the contract has such events");
        (left_out, padded(samples.event_of(event).value, feed.padded))
    };
    (0..POOL).map(draw).collect()
}

fn padded(value: Vec<u8>, wanted: Option<(&str, usize)>) -> Vec<u8> {
    let Some((field, bytes)) = wanted.filter(|(_, bytes)| *bytes > value.len()) else {
        return value;
    };
    let mut event: Value = serde_json::from_slice(&value).expect("samples are JSON");
    let text = event[field].as_str().unwrap_or_default();
    event[field] = format!("{text}{}", "x".repeat(bytes - value.len())).into();
    event.to_string().into_bytes()
}
