//! What the exactly-once protocol assumes about Kafka and librdkafka, tested on a real broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::kafka::{Kafka, shared};
use crate::support::until::{until, until_true};

const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_transaction_stores_offset_and_metadata() {
    let kafka = shared();
    kafka.create_topic("facts-metadata", 2);
    let member = Member::join(kafka, "facts-metadata", "facts-metadata");
    member.owns(2);
    let producer = producer(kafka, "facts-metadata", 10_000);
    let metadata = format!(r#"{{"v":1,"stream":"{}","flush_to":41}}"#, "s".repeat(600));
    let mut took = Vec::new();
    for offset in 1..=200 {
        // The broker writes the markers of the previous transaction meanwhile. Without this pause
        // it returns CONCURRENT_TRANSACTIONS, and librdkafka retries after retry.backoff.ms, 100 ms
        // by default.
        std::thread::sleep(Duration::from_millis(10));
        let began = Instant::now();
        producer.begin_transaction().unwrap();
        let offsets = offsets("facts-metadata", &[(0, offset, &metadata), (1, offset, "")]);
        producer.send_offsets_to_transaction(&offsets, &member.metadata(), WITHIN).unwrap();
        producer.commit_transaction(WITHIN).unwrap();
        took.push(began.elapsed());
    }
    took.sort();
    let (median, slow) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("one offsets transaction: median {median:?}, 99th percentile {slow:?}");
    let committed = committed(kafka, "facts-metadata", 2, "read_committed", WITHIN).unwrap();
    assert_eq!(committed, [(Offset::Offset(200), metadata), (Offset::Offset(200), String::new())]);
}

#[test]
fn a_pending_transaction_hides_the_committed_offset_until_it_times_out() {
    let (kafka, topic) = (shared(), "facts-pending");
    kafka.create_topic(topic, 1);
    let member = Member::join(kafka, topic, topic);
    member.owns(1);
    let send = |producer: &BaseProducer, offset, metadata: &str| {
        producer.begin_transaction().unwrap();
        let offsets = offsets(topic, &[(0, offset, metadata)]);
        producer.send_offsets_to_transaction(&offsets, &member.metadata(), WITHIN).unwrap();
    };
    let only = |offset, metadata: &str| vec![(Offset::Offset(offset), metadata.to_owned())];
    let first = producer(kafka, "facts-pending", 3_000);
    send(&first, 5, "five");
    first.commit_transaction(WITHIN).unwrap();
    send(&first, 6, "six");
    // `read_uncommitted` returns the old offset at once, though the transaction may yet commit.
    let unstable = committed(kafka, topic, 1, "read_uncommitted", WITHIN).unwrap();
    assert_eq!(unstable, only(5, "five"));
    // `read_committed` returns no offset before the transaction has ended.
    let asked = committed(kafka, topic, 1, "read_committed", Duration::from_secs(1));
    assert_eq!(code(&asked), Some(RDKafkaErrorCode::OperationTimedOut), "{asked:?}");
    // The broker aborts the transaction after transaction.timeout.ms; then the call returns.
    let stable = committed(kafka, topic, 1, "read_committed", WITHIN).unwrap();
    assert_eq!(stable, only(5, "five"));
    let late = first.commit_transaction(WITHIN);
    assert_eq!(code(&late), Some(RDKafkaErrorCode::Fenced), "{late:?}");
}

#[test]
fn reusing_a_transactional_id_aborts_the_pending_transaction() {
    let (kafka, topic) = (shared(), "facts-successor");
    kafka.create_topic(topic, 1);
    let member = Member::join(kafka, topic, topic);
    member.owns(1);
    let dead = producer(kafka, "facts-successor", 60_000);
    dead.begin_transaction().unwrap();
    let offsets = offsets(topic, &[(0, 7, "seven")]);
    dead.send_offsets_to_transaction(&offsets, &member.metadata(), WITHIN).unwrap();
    let began = Instant::now();
    let _successor = producer(kafka, "facts-successor", 60_000);
    let stable = committed(kafka, topic, 1, "read_committed", WITHIN).unwrap();
    assert_eq!(stable, [(Offset::Invalid, String::new())]);
    assert!(began.elapsed() < WITHIN, "the pending transaction was not aborted at once");
    let late = dead.commit_transaction(WITHIN);
    assert_eq!(code(&late), Some(RDKafkaErrorCode::Fenced), "{late:?}");
}

#[test]
fn a_stale_member_is_refused() {
    let (kafka, topic) = (shared(), "facts-stale");
    kafka.create_topic(topic, 2);
    let producer = producer(kafka, "facts-stale", 10_000);
    let send = |membership: &ConsumerGroupMetadata| {
        producer.begin_transaction().unwrap();
        let offsets = offsets(topic, &[(0, 1, "x")]);
        let sent = producer.send_offsets_to_transaction(&offsets, membership, WITHIN);
        match &sent {
            Ok(()) => producer.commit_transaction(WITHIN).unwrap(),
            // After the abort the producer can be used again.
            Err(_) => producer.abort_transaction(WITHIN).unwrap(),
        }
        code(&sent)
    };
    let first = Member::join(kafka, topic, topic);
    first.owns(2);
    let of_first = first.metadata();
    assert_eq!(send(&of_first), None);
    let second = Member::join(kafka, topic, topic);
    second.owns(1);
    first.owns(1);
    assert_eq!(send(&of_first), Some(RDKafkaErrorCode::IllegalGeneration));
    let of_second = second.metadata();
    drop(second);
    first.owns(2);
    assert_eq!(send(&of_second), Some(RDKafkaErrorCode::UnknownMemberId));
    let of_last = first.metadata();
    assert_eq!(send(&of_last), None);
    drop(first);
    // Even an empty group refuses the membership of a member that has left.
    assert_eq!(send(&of_last), Some(RDKafkaErrorCode::UnknownMemberId));
}

fn code<T>(answer: &Result<T, KafkaError>) -> Option<RDKafkaErrorCode> {
    match answer {
        Ok(_) => None,
        Err(KafkaError::Transaction(error)) => Some(error.code()),
        Err(error) => error.rdkafka_error_code(),
    }
}

fn producer(kafka: &Kafka, id: &str, timeout_ms: u32) -> BaseProducer {
    let producer: BaseProducer = kafka
        .client()
        .set("transactional.id", id)
        .set("transaction.timeout.ms", timeout_ms.to_string())
        .create()
        .unwrap();
    producer.init_transactions(WITHIN).unwrap();
    producer
}

fn offsets(topic: &str, of: &[(i32, i64, &str)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset, metadata) in of {
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(*offset)).unwrap();
        element.set_metadata(*metadata);
    }
    list
}

type Committed = Vec<(Offset, String)>;

/// Reads the group's committed offsets with a client that is not a member.
fn committed(
    kafka: &Kafka,
    group: &str,
    partitions: i32,
    isolation: &str,
    patience: Duration,
) -> Result<Committed, KafkaError> {
    let consumer: BaseConsumer =
        kafka.client().set("group.id", group).set("isolation.level", isolation).create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        // In these tests the topic has the name of the group.
        list.add_partition(group, partition);
    }
    let answer = consumer.committed_offsets(list, patience)?;
    let each = answer.elements().into_iter().map(|element| {
        element.error()?;
        Ok((element.offset(), element.metadata().to_owned()))
    });
    each.collect()
}

/// A group member, polled by a thread.
struct Member {
    consumer: Arc<BaseConsumer>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn join(kafka: &Kafka, group: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = kafka
            .client()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .create()
            .unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let (consumer, stop) = (Arc::new(consumer), Arc::new(AtomicBool::new(false)));
        let (polled, stopped) = (Arc::clone(&consumer), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let _ = polled.poll(Duration::from_millis(50));
            }
        });
        Self { consumer, stop, thread: Some(thread) }
    }

    fn owns(&self, partitions: usize) {
        until_true("the assignment", WITHIN, || {
            self.consumer.assignment().is_ok_and(|list| list.count() == partitions)
        });
    }

    fn metadata(&self) -> ConsumerGroupMetadata {
        until("the group's metadata", WITHIN, || self.consumer.group_metadata())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
