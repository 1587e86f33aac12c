//! The embedded broker: librdkafka's mock cluster in this process, on loopback, empty at every start.
//! It is for the first run and for fast tests; guarantees are tested on Apache Kafka.

use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};

use crate::contract::Contract;
use crate::contract::sample::{Sample, Samples};

/// Partitions of a first run's topic. The mock cluster keeps 5 MiB per partition, so four hold many
/// times the sample events.
pub const PARTITIONS: i32 = 4;

/// Number of sample events of a first run.
pub const SAMPLES: usize = 400;

/// One of this many sample events is bad.
const BAD_EVERY: usize = 50;

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("start the embedded broker")]
    Start(#[source] KafkaError),
    #[error("create topic {topic} on the embedded broker")]
    Topic { topic: String, source: KafkaError },
    #[error("publish sample events to {topic}")]
    Publish { topic: String, source: KafkaError },
}

/// The running broker. Dropping the handle stops it.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    pub fn start(topic: &str, partitions: i32) -> Result<Self, BrokerError> {
        let cluster = MockCluster::new(1).map_err(BrokerError::Start)?;
        cluster
            .create_topic(topic, partitions, 1)
            .map_err(|source| BrokerError::Topic { topic: topic.to_owned(), source })?;
        Ok(Self { cluster })
    }

    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Publishes generated events of the contract, a few of them bad, and returns their number.
    pub async fn fill(
        &self,
        contract: &Contract,
        seed: u64,
        now_ms: i64,
    ) -> Result<usize, BrokerError> {
        let topic = &contract.topic;
        let failed = |source| BrokerError::Publish { topic: topic.clone(), source };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers()).set("linger.ms", "1");
        let producer: FutureProducer = config.create().map_err(failed)?;
        let events = samples(contract, seed, now_ms);
        let sent = events.iter().enumerate().map(|(index, sample)| {
            let (producer, key) = (&producer, format!("sample-{:03}", index % 97));
            async move {
                let mut headers = OwnedHeaders::new()
                    .insert(Header { key: "source", value: Some("generic-consumer samples") });
                if let Some((name, value)) = &sample.header {
                    headers = headers.insert(Header { key: name, value: Some(value) });
                }
                let record =
                    FutureRecord::to(topic).key(&key).payload(&sample.value).headers(headers);
                producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error)
            }
        });
        for delivered in join_all(sent).await {
            delivered.map_err(failed)?;
        }
        Ok(events.len())
    }
}

/// A first run's events: good ones, with the contract's bad ones among them.
fn samples(contract: &Contract, seed: u64, now_ms: i64) -> Vec<Sample> {
    let mut source = Samples::new(contract, seed, now_ms);
    let mut bad = source.bad_events().into_iter().map(|(_, sample)| sample);
    let mut events = Vec::with_capacity(SAMPLES);
    while events.len() < SAMPLES {
        let bad_is_due = events.len() % BAD_EVERY == BAD_EVERY / 2;
        let next = if bad_is_due { bad.next() } else { None };
        match next.or_else(|| source.event()) {
            Some(event) => events.push(event),
            None => break,
        }
    }
    events
}
