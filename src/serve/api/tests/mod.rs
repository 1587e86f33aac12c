//! The event API over HTTP, on the embedded broker.
#![cfg(feature = "local")]

mod cloud_events;
mod embedded;
mod limits;
mod properties;

use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::registry::Registry;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message};
use rdkafka::{Offset, TopicPartitionList};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{EventApi, Publishing, Tokens};
use crate::app::{Domain, RowOptions};
use crate::clock::Clock;
use crate::config::ApiSettings;
use crate::contract;
use crate::local::broker::EmbeddedBroker;
use crate::shutdown::Shutdown;
use crate::source::Publisher;
use crate::telemetry::{ApiMetrics, Health};

pub const TOPIC: &str = "orders";
pub const JSON: &str = "application/json";

/// An order, whose type is in the payload.
pub const IN_PAYLOAD: &str = "";
/// The same, with the type in a header.
pub const IN_HEADER: &str = r#""x-event-type":"$message.header#/kind","#;

/// How an API is started.
pub struct Setup {
    pub channel: &'static str,
    pub ignore: Vec<String>,
    pub event_key: Option<Vec<String>>,
    pub tokens: Option<PathBuf>,
    /// `None`: the embedded broker.
    pub servers: Option<&'static str>,
    pub timeout: Duration,
    pub body_bytes: usize,
    pub in_flight_bytes: usize,
    pub largest: usize,
    pub disabled: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            channel: IN_PAYLOAD,
            ignore: vec!["Viewed".to_owned()],
            event_key: None,
            tokens: None,
            servers: None,
            timeout: Duration::from_secs(10),
            body_bytes: 1 << 20,
            in_flight_bytes: 64 << 20,
            largest: 1_000_000,
            disabled: false,
        }
    }
}

/// A running API.
pub struct Rig {
    pub url: String,
    pub client: Client,
    pub shutdown: Shutdown,
    pub serving: JoinHandle<bool>,
    pub health: Health,
    pub metrics: ApiMetrics,
    broker: EmbeddedBroker,
}

/// A record as it is on the topic.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    pub at: (i32, i64),
    pub key: Option<String>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

/// `Paid` and `Sent` have an amount and an order; `Viewed` is ignored.
pub fn domain(channel: &str, ignore: &[String]) -> Domain {
    let payload = r#"{"type":"object","required":["amount"],"properties":{
        "event_type":{"type":"string"},"amount":{"type":"number","maximum":1000},
        "order":{"type":"object","properties":{"id":{"type":["string","integer"]}}}}}"#;
    let document = format!(
        r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"{TOPIC}",{channel}"messages":{{
        "Paid":{{"payload":{payload}}},"Sent":{{"payload":{payload}}}}}}}}}}}"#
    );
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("c.json"), document).expect("written");
    let contract = contract::load(folder.path(), "c", "C", ignore).expect("loads");
    let options = RowOptions { ignore: ignore.to_vec(), ..RowOptions::default() };
    Domain::new(contract, options).expect("columns")
}

impl Rig {
    pub async fn start(setup: Setup) -> Self {
        let broker = EmbeddedBroker::start(TOPIC, &[]).await.expect("a broker");
        let domain = domain(setup.channel, &setup.ignore);
        let servers = setup.servers.unwrap_or(broker.bootstrap_servers());
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", servers)
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", setup.timeout.as_millis().to_string());
        let publisher = Publisher::open(&config, TOPIC).expect("a producer");
        let metrics = ApiMetrics::register(&mut Registry::default());
        let health = Health::new().of_event_api();
        let address = "127.0.0.1:0".parse().expect("an address");
        let settings = ApiSettings {
            address,
            tokens_file: None,
            body_bytes: setup.body_bytes,
            timeout: setup.timeout,
            event_key: setup.event_key,
        };
        let publishing = Publishing {
            contract: &domain.contract,
            ignored: domain.ignored(),
            plans: (0..2).map(|_| domain.plan(&domain.columns).expect("a plan")).collect(),
            settings,
            largest: setup.largest,
            in_flight_bytes: setup.in_flight_bytes,
            publisher,
            health: health.clone(),
            clock: Clock::System,
        };
        let publishing = Some(publishing).filter(|_| !setup.disabled);
        let tokens = setup.tokens.map(|file| Tokens::of(&file).expect("tokens"));
        let api = EventApi::listen(address, tokens, publishing, metrics.clone()).await;
        let api = api.expect("listens");
        let url = format!("http://{}", api.address);
        let shutdown = Shutdown::default();
        let serving = tokio::spawn(api.serve(shutdown.clone(), Duration::from_secs(10)));
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { url, client, shutdown, serving, health, metrics, broker }
    }

    pub fn post(&self, content_type: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        let url = format!("{}/v1/events", self.url);
        self.client.post(url).header("content-type", content_type).body(body.into())
    }

    /// The records of the topic, in the order of their partitions and offsets.
    pub fn stored(&self) -> Vec<Stored> {
        const WITHIN: Duration = Duration::from_secs(10);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.bootstrap_servers()).set("group.id", "reader");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let (mut list, mut left) = (TopicPartitionList::new(), 0);
        for partition in 0..4 {
            let (low, high) =
                consumer.fetch_watermarks(TOPIC, partition, WITHIN).expect("watermarks");
            left += high - low;
            list.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&list).expect("assigned");
        let mut stored = Vec::new();
        while left > 0 {
            let message = consumer.poll(WITHIN).expect("a record").expect("no error");
            left -= 1;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            stored.push(Stored {
                at: (message.partition(), message.offset()),
                key: message.key().map(text),
                value: message.payload().expect("a value").to_vec(),
                headers: headers
                    .map(|header| (header.key.to_owned(), text(header.value.unwrap_or_default())))
                    .collect(),
            });
        }
        stored.sort_by_key(|record| record.at);
        stored
    }
}

/// Sends the request; status and body of its answer.
pub async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    let expected = if status < 300 { "application/json" } else { "application/problem+json" };
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(kind, expected, "{body}");
    if status >= 300 {
        assert_eq!(body["status"], status, "{body}");
        for member in ["type", "title", "detail"] {
            assert!(body[member].is_string(), "{body}");
        }
    }
    (status, body)
}

/// A good event.
pub fn paid(amount: f64) -> String {
    format!(r#"{{"event_type":"Paid","amount":{amount},"order":{{"id":"o-{amount}"}}}}"#)
}
