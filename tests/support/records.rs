//! Reads all records of a topic.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::bigquery::At;
use super::kafka::Kafka;

const WITHIN: Duration = Duration::from_secs(120);

/// A record as the broker stores it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp_ms: i64,
    /// Name and value; a header may have no value.
    pub headers: Vec<(String, Option<String>)>,
}

impl Record {
    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        value.as_deref()
    }

    fn of(message: &BorrowedMessage<'_>) -> Self {
        let mut headers = Vec::new();
        for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
            let value = header.value.map(|value| String::from_utf8_lossy(value).into_owned());
            headers.push((header.key.to_owned(), value));
        }
        Self {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            headers,
        }
    }
}

/// Reads every record of a topic.
pub fn records(kafka: &Kafka, topic: &str, partitions: i32) -> BTreeMap<At, Record> {
    let total: i64 = kafka.ends(topic, partitions).iter().sum();
    let reader: BaseConsumer = kafka.client().set("group.id", "reader").create().expect("a client");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    reader.assign(&list).expect("assigned");
    let began = Instant::now();
    let mut records = BTreeMap::new();
    while (records.len() as i64) < total {
        assert!(began.elapsed() < WITHIN, "{} of {total} records of {topic}", records.len());
        let Some(message) = reader.poll(Duration::from_millis(100)) else { continue };
        let message = message.expect("a record");
        records.insert((message.partition(), message.offset()), Record::of(&message));
    }
    records
}
