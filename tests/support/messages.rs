//! Reads what the Kafka sink has written, as any reader does that takes committed messages only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use super::bigquery::At;
use super::domain::{Domain, TABLE};
use super::events::Sent;
use super::kafka::Kafka;
use super::stored::{self, Arrived, Store, StoredRow, wait_while};

const WITHIN: Duration = Duration::from_secs(60);

/// A message of the topic of rows or of dead letters.
#[derive(Debug, Clone)]
pub struct Out {
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

impl Out {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let mut headers = BTreeMap::new();
        for header in message.headers().into_iter().flat_map(|all| all.iter()) {
            let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
            headers.insert(header.key.to_owned(), value);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { key: message.key().map(text), value: message.payload().map(<[u8]>::to_vec), headers }
    }

    pub fn number(&self, header: &str) -> Option<i64> {
        self.headers.get(header)?.parse().ok()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.value.as_deref().unwrap_or_default()).expect("a JSON value")
    }
}

/// All committed messages of a topic.
pub fn read_all(config: &ClientConfig, topic: &str) -> Vec<Out> {
    let client = reader(config, topic);
    let mut open = client.assignment().expect("assigned").count();
    let (mut messages, began) = (Vec::new(), Instant::now());
    while open > 0 {
        assert!(began.elapsed() < WITHIN, "the end of {topic} is not reached");
        match client.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => messages.push(Out::of(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            _ => {}
        }
    }
    messages
}

/// A reader of committed messages, from the first on, of all partitions.
fn reader(config: &ClientConfig, topic: &str) -> BaseConsumer {
    let client: BaseConsumer = config
        .clone()
        .set("group.id", "reader")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .expect("a client");
    let metadata = client.fetch_metadata(Some(topic), WITHIN).expect("the topic");
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    client.assign(&list).expect("assigned");
    client
}

/// The topics that a domain writes to, with readers that go on reading.
pub struct Written {
    config: ClientConfig,
    source: String,
    topic: String,
    counts: Arc<[AtomicUsize; 2]>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Written {
    pub fn of(domain: &Domain, out: &Kafka) -> Self {
        let topic = format!("{}-out", domain.topic);
        let (counts, stop) = (Arc::<[AtomicUsize; 2]>::default(), Arc::<AtomicBool>::default());
        let threads = (0..2).map(|index| {
            let topic = [topic.clone(), format!("{topic}_dead_letters")][index].clone();
            let (client, counts, stop) =
                (reader(&out.client(), &topic), Arc::clone(&counts), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(Ok(_)) = client.poll(Duration::from_millis(100)) {
                        counts[index].fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { config: out.client(), source: domain.topic.clone(), topic, counts, stop, threads }
    }

    /// Waits until everything has arrived, then compares it all.
    pub fn prove(&self, sent: &Sent, patience: Duration) -> Arrived {
        wait_while(self, sent, patience, || {});
        self.compare(sent)
    }
}

impl Store for Written {
    fn rows_in(&self, table: &str) -> usize {
        self.counts[usize::from(table != TABLE)].load(Ordering::Relaxed)
    }

    fn compare(&self, sent: &Sent) -> Arrived {
        let rows = read_all(&self.config, &self.topic).into_iter().map(|row| {
            assert_eq!(row.headers["source_topic"], self.source);
            StoredRow {
                partition: row.number("source_partition").expect("a partition") as i32,
                offset: row.number("source_offset").expect("an offset"),
                event_id: row.json()["event_id"].as_str().unwrap_or_default().to_owned(),
                previous: row.number("source_previous"),
            }
        });
        let mut letters: BTreeMap<At, (String, usize)> = BTreeMap::new();
        for letter in read_all(&self.config, &format!("{}_dead_letters", self.topic)) {
            let partition = letter.number("dead_letter.partition").expect("a partition") as i32;
            let at = (partition, letter.number("dead_letter.offset").expect("an offset"));
            let reason = letter.headers["dead_letter.reason"].clone();
            letters.entry(at).or_insert((reason, 0)).1 += 1;
        }
        stored::compare(rows.collect(), letters, sent)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}
