//! Fills a topic with events.

use std::time::Duration;

use generic_consumer::contract::Contract;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::events::Drawn;
use crate::support::kafka::Kafka;

/// How many different events there are: more than a processor's caches hold.
const POOL: usize = 16_384;

const FLUSH: Duration = Duration::from_secs(180);

/// The topic to fill, and its events.
pub struct Feed<'a> {
    pub topic: &'a str,
    pub partitions: i32,
    pub count: u64,
    pub drawn: Drawn<'a>,
    /// Whether each record has a `traceparent` of a trace that is sampled.
    pub traced: bool,
}

/// The counts of a filled topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Events that become rows.
    pub rows: u64,
    pub ignored: u64,
    /// Bytes of all values.
    pub bytes: u64,
}

/// The header of W3C Trace Context, of a trace of its own.
fn traceparent(number: u64) -> OwnedHeaders {
    let value = format!("00-{:032x}-{:016x}-01", number + 1, number + 1);
    OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(&value) })
}

/// Publishes the events and waits until the broker has acknowledged them all.
pub fn fill(kafka: &Kafka, contract: &Contract, feed: &Feed<'_>) -> Filled {
    let pool = feed.drawn.from(contract, POOL);
    let producer: ThreadedProducer<DefaultProducerContext> = kafka
        .client()
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .create()
        .expect("a producer");
    let mut filled = Filled { rows: 0, ignored: 0, bytes: 0 };
    for number in 0..feed.count {
        let (ignored, value) = &pool[number as usize % pool.len()];
        filled.ignored += u64::from(*ignored);
        filled.rows += u64::from(!*ignored);
        filled.bytes += value.len() as u64;
        let key = format!("key-{:06}", number % 1_000_000);
        let partition = (number % feed.partitions as u64) as i32;
        let mut record = BaseRecord::to(feed.topic).partition(partition).key(&key).payload(value);
        if feed.traced {
            record = record.headers(traceparent(number));
        }
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
