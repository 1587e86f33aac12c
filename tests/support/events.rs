//! Publishes random events, and records what the consumer has to do with each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use generic_consumer::contract::Contract;
use generic_consumer::contract::sample::{Sample, Samples};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::bigquery::At;
use super::domain::{Domain, IGNORED};
use super::kafka::Kafka;

/// Long enough for the broker to restart meanwhile.
const DELIVERED_WITHIN: Duration = Duration::from_secs(180);

/// The longest wait for the ends of a partition.
const WITHIN: Duration = Duration::from_secs(60);

/// 6 November 2026; the samples' times are in the day before it.
const AROUND_MS: i64 = 1_794_000_000_000;

/// What the consumer has to do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Write a row with this id.
    Row {
        event_id: String,
    },
    Ignored,
    /// Write a dead letter with this reason code.
    Letter(&'static str),
}

impl Fate {
    pub fn is_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }
}

/// The events that the broker has acknowledged, by position.
pub type Sent = BTreeMap<At, Fate>;

/// The number of events whose fate satisfies the condition.
pub fn count(sent: &Sent, fate: impl Fn(&Fate) -> bool) -> usize {
    sent.values().filter(|each| fate(each)).count()
}

/// What the broker has acknowledged.
#[derive(Default)]
struct Acknowledged {
    sent: Sent,
    /// Events without an offset, by partition and in order: the answer to their batch was lost, and to
    /// the second copy the broker answers only that it has it already.
    unplaced: BTreeMap<i32, Vec<Fate>>,
    /// Why events were not delivered. Where a test has failed, its broker is gone before its events are.
    failed: Vec<String>,
}

impl Acknowledged {
    fn add(&mut self, partition: i32, offset: i64, fate: Fate) {
        if offset < 0 {
            self.unplaced.entry(partition).or_default().push(fate);
            return;
        }
        let at = (partition, offset);
        let before = self.sent.insert(at, fate);
        assert_eq!(before, None, "two events at {at:?}");
    }

    /// Gives the events without an offset the offsets that no other event has: an idempotent
    /// producer keeps a partition's order. `log` returns where the partition begins and ends.
    fn place(&mut self, log: impl Fn(i32) -> (i64, i64)) {
        for (partition, fates) in std::mem::take(&mut self.unplaced) {
            let (begin, end) = log(partition);
            let free: Vec<i64> = (begin..end)
                .filter(|offset| !self.sent.contains_key(&(partition, *offset)))
                .collect();
            assert_eq!(free.len(), fates.len(), "partition {partition}: free offsets {free:?}");
            for (offset, fate) in free.into_iter().zip(fates) {
                self.add(partition, offset, fate);
            }
        }
    }
}

struct Deliveries(Arc<Mutex<Acknowledged>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Fate>;

    fn delivery(&self, result: &DeliveryResult<'_>, fate: Box<Fate>) {
        match result {
            Ok(message) => {
                self.0.lock().expect("no panics").add(message.partition(), message.offset(), *fate)
            }
            Err((error, _)) => self.0.lock().expect("no panics").failed.push(error.to_string()),
        }
    }
}

/// A producer of random events. One in fifty is a tombstone, which is ignored; one in thirty is
/// bad; of the others, one in seven has the ignored event type.
pub struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    topic: String,
    contract: Contract,
    dice: StdRng,
    /// Bytes of a field that is added to each good event and is not in the contract.
    padding: usize,
    /// Whether some events are bad.
    has_bad: bool,
}

impl Publisher {
    pub fn new(kafka: &Kafka, domain: &Domain, seed: u64) -> Self {
        let acknowledged = Arc::<Mutex<Acknowledged>>::default();
        let producer = kafka
            .client()
            .set("enable.idempotence", "true")
            // Where a broker dies with several requests on their way, a later one may reach it first when
            // it is back. The producer then begins a new epoch and sends again what the topic has.
            .set("max.in.flight.requests.per.connection", "1")
            .set("linger.ms", "5")
            .set("message.timeout.ms", DELIVERED_WITHIN.as_millis().to_string())
            .create_with_context(Deliveries(Arc::clone(&acknowledged)))
            .expect("a producer");
        Self {
            producer,
            acknowledged,
            topic: domain.topic.clone(),
            contract: domain.contract(),
            dice: StdRng::seed_from_u64(seed),
            padding: 0,
            has_bad: true,
        }
    }

    /// Adds a field of this many bytes to each good event.
    pub fn padded(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// Without bad events: where a dead letter would be an incident.
    pub fn without_bad(self) -> Self {
        Self { has_bad: false, ..self }
    }

    pub fn publish(&mut self, count: usize) {
        let (contract, seed) = (self.contract.clone(), self.dice.random());
        let mut samples = Samples::new(&contract, seed, AROUND_MS);
        let bad = samples.bad_events(contract.events.last().expect("an event type"));
        for _ in 0..count {
            let key = format!("key-{}", self.dice.random_range(0..1_000));
            let draw = self.dice.random_range(0..150);
            if draw < 3 {
                self.send(&key, None, Fate::Ignored);
            } else if draw < 8 && self.has_bad {
                let (reason, sample) = &bad[self.dice.random_range(0..bad.len())];
                self.send(&key, Some(&sample.value), Fate::Letter(reason.code()));
            } else {
                let sample = samples.event().expect("the contract has events");
                let (value, fate) = self.good(&sample);
                self.send(&key, Some(&value), fate);
            }
        }
    }

    /// Waits until the broker has acknowledged everything; returns all events sent so far.
    pub fn flush(&self) -> Sent {
        self.producer.flush(DELIVERED_WITHIN).expect("everything is delivered");
        let mut acknowledged = self.acknowledged.lock().expect("no panics");
        assert_eq!(acknowledged.failed, [""; 0], "events were not delivered");
        acknowledged.place(|partition| {
            let log = self.producer.client().fetch_watermarks(&self.topic, partition, WITHIN);
            log.expect("the ends of a partition")
        });
        acknowledged.sent.clone()
    }

    fn good(&self, sample: &Sample) -> (Vec<u8>, Fate) {
        let mut event: serde_json::Value =
            serde_json::from_slice(&sample.value).expect("samples are JSON");
        let event_id = event["event_id"].as_str().expect("an id").to_owned();
        if self.padding > 0 {
            event["padding"] = "x".repeat(self.padding).into();
        }
        let ignored = sample.event_type == IGNORED;
        let fate = if ignored { Fate::Ignored } else { Fate::Row { event_id } };
        (event.to_string().into_bytes(), fate)
    }

    fn send(&self, key: &str, value: Option<&[u8]>, fate: Fate) {
        let mut record = BaseRecord::with_opaque_to(&self.topic, Box::new(fate)).key(key);
        record.payload = value;
        while let Err((error, back)) = self.producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, full, "publish an event");
            std::thread::sleep(Duration::from_millis(10));
            record = back;
        }
    }
}

/// Publishes events at a constant rate from its own thread, until stopped.
pub struct Feed {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Sent>>,
}

impl Feed {
    pub fn start(mut publisher: Publisher, per_second: usize) -> Self {
        const TICK: Duration = Duration::from_millis(20);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut published = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * per_second as f64) as usize;
                publisher.publish(due.saturating_sub(published));
                published = due;
                std::thread::sleep(TICK);
            }
            publisher.flush()
        });
        Self { stop, thread: Some(thread) }
    }

    /// Stops publishing; returns all events that were sent.
    pub fn stop(mut self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("stopped once").join().expect("every event was delivered")
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The id of a sample's event.
pub fn event_id(sample: &Sample) -> String {
    let event: serde_json::Value = serde_json::from_slice(&sample.value).unwrap();
    event["event_id"].as_str().unwrap().to_owned()
}

#[test]
fn events_without_an_offset_take_the_free_ones_in_order() {
    let fate = |id: &str| Fate::Row { event_id: id.to_owned() };
    let mut acknowledged = Acknowledged::default();
    for (offset, id) in [(0, "a"), (-1001, "b"), (-1001, "c"), (3, "d")] {
        acknowledged.add(7, offset, fate(id));
    }
    acknowledged.place(|_| (0, 4));
    let expected = ["a", "b", "c", "d"].map(fate);
    assert_eq!(acknowledged.sent.values().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
}
