//! The embedded broker: librdkafka's mock cluster in this process, on loopback, empty at every start.
//! It is for the first run and for fast tests; guarantees are tested on Apache Kafka.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};

use crate::record::UnsentRecord;
use crate::source::{message, start_mock_groups_at_once};

/// Bytes and records that the mock cluster keeps of a partition. It drops the oldest beyond them.
const KEPT: (usize, usize) = (5 << 20, 100_000);

/// The fewest and the most partitions of the topic.
const PARTITIONS: (usize, usize) = (4, 128);

/// Bytes that a record takes besides its key and value, at most.
const RECORD_OVERHEAD: usize = 100;

/// How long one record may take to arrive.
const DELIVERY: Duration = Duration::from_secs(10);

/// Deliveries under way at once.
const UNDER_WAY: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("start the embedded broker")]
    Start(#[source] KafkaError),
    #[error("librdkafka was built without its mock cluster")]
    NoCluster,
    #[error("create topic {topic} on the embedded broker")]
    Topic { topic: String, source: KafkaError },
    #[error("publish events to {topic} on the embedded broker")]
    Publish { topic: String, source: KafkaError },
    #[error(
        "event {number} has {bytes} bytes with its key and headers, and the embedded broker keeps 5 MiB of a partition"
    )]
    TooLarge { number: usize, bytes: usize },
    #[error("read how many events {topic} has on the embedded broker")]
    Count { topic: String, source: KafkaError },
    #[error(
        "the embedded broker has dropped {dropped} of {published} events: it keeps 5 MiB and \
         100,000 records of each of {partitions} partitions"
    )]
    Full { dropped: usize, published: usize, partitions: usize },
}

/// The running broker. Dropping the handle stops it.
pub struct EmbeddedBroker {
    /// The client whose mock cluster this is, and which filled it.
    producer: FutureProducer,
    bootstrap_servers: String,
}

impl EmbeddedBroker {
    /// Starts a broker with one topic, which has these records. Events of one key stay in order.
    pub async fn start(topic: &str, records: &[UnsentRecord]) -> Result<Self, BrokerError> {
        for (record, number) in records.iter().zip(1..) {
            if size(record) > KEPT.0 {
                return Err(BrokerError::TooLarge { number, bytes: size(record) });
            }
        }
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1").set("linger.ms", "1");
        // It would say that it ignores `bootstrap.servers`, which is not set.
        config.set_log_level(RDKafkaLogLevel::Warning);
        // By default librdkafka takes records of 1 MB only.
        config.set("message.max.bytes", (2 * KEPT.0).to_string());
        let producer: FutureProducer = config.create().map_err(BrokerError::Start)?;
        start_mock_groups_at_once(producer.client());
        let partitions = partitions(records);
        let bootstrap_servers = {
            let cluster = producer.client().mock_cluster().ok_or(BrokerError::NoCluster)?;
            cluster
                .create_topic(topic, partitions as i32, 1)
                .map_err(|source| BrokerError::Topic { topic: topic.to_owned(), source })?;
            cluster.bootstrap_servers()
        };
        let broker = Self { producer, bootstrap_servers };
        broker.publish(topic, records, partitions).await?;
        Ok(broker)
    }

    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    async fn publish(
        &self,
        topic: &str,
        records: &[UnsentRecord],
        partitions: usize,
    ) -> Result<(), BrokerError> {
        let failed = |source| BrokerError::Publish { topic: topic.to_owned(), source };
        let mut under_way = FuturesUnordered::new();
        for (index, record) in records.iter().enumerate() {
            if under_way.len() >= UNDER_WAY
                && let Some(Err((error, _))) = under_way.next().await
            {
                return Err(failed(error));
            }
            let mut message = message(topic, record);
            if record.key.is_none() {
                // librdkafka would send them to random partitions, and some of those would be full.
                message = message.partition((index % partitions) as i32);
            }
            under_way.push(self.producer.send(message, DELIVERY));
        }
        while let Some(delivered) = under_way.next().await {
            delivered.map_err(|(error, _)| failed(error))?;
        }
        let mut dropped = 0;
        for partition in 0..partitions {
            let (first, _) = self
                .producer
                .client()
                .fetch_watermarks(topic, partition as i32, DELIVERY)
                .map_err(|source| BrokerError::Count { topic: topic.to_owned(), source })?;
            dropped += usize::try_from(first).unwrap_or(0);
        }
        if dropped == 0 {
            return Ok(());
        }
        Err(BrokerError::Full { dropped, published: records.len(), partitions })
    }
}

/// As many partitions as hold the records several times, because keys distribute them unevenly.
fn partitions(records: &[UnsentRecord]) -> usize {
    let total: usize = records.iter().map(size).sum();
    let (kept_bytes, kept_records) = KEPT;
    let needed = (total / kept_bytes).max(records.len() / kept_records) + 1;
    (needed * 4).clamp(PARTITIONS.0, PARTITIONS.1)
}

/// The most bytes that a record takes.
fn size(record: &UnsentRecord) -> usize {
    let bytes = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter().map(|(name, value)| name.len() + bytes(value));
    RECORD_OVERHEAD + bytes(&record.key) + bytes(&record.value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize, bytes: usize, key: Option<&str>) -> Vec<UnsentRecord> {
        let record = UnsentRecord {
            key: key.map(|key| key.as_bytes().to_vec()),
            headers: Vec::new(),
            value: Some(vec![b'x'; bytes]),
        };
        vec![record; count]
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn events_that_the_broker_cannot_keep_are_an_error() {
        let one_key = records(9, 1 << 19, Some("k"));
        EmbeddedBroker::start("t", &one_key).await.expect("4.5 MiB fit one partition");
        let no_key = records(200, 1 << 19, None);
        EmbeddedBroker::start("t", &no_key).await.expect("100 MiB fit eighty partitions");
        let one_key = records(20, 1 << 19, Some("k"));
        match EmbeddedBroker::start("t", &one_key).await.map(drop) {
            Err(BrokerError::Full { dropped, published: 20, .. }) => assert!(dropped > 5),
            other => panic!("10 MiB in one partition: {other:?}"),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_event_may_be_as_large_as_what_the_broker_keeps() {
        let large = records(1, 5_000_000, None);
        EmbeddedBroker::start("t", &large).await.expect("5 MB fit");
        let too_large = [records(2, 10, None), records(1, 5 << 20, None)].concat();
        match EmbeddedBroker::start("t", &too_large).await.map(drop) {
            Err(error @ BrokerError::TooLarge { number: 3, .. }) => {
                assert!(error.to_string().contains("event 3 has 5242980 bytes"), "{error}");
            }
            other => panic!("more than 5 MiB: {other:?}"),
        }
    }

    #[test]
    fn there_are_partitions_enough_for_many_events() {
        assert_eq!(partitions(&records(400, 300, None)), 4);
        assert_eq!(partitions(&records(40, 1 << 20, None)), 36);
        assert_eq!(partitions(&records(350_000, 1, None)), 28);
    }
}
