//! A topic on the mock cluster, a store in memory, and runs over both.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use serde_json::json;
use tokio::runtime::Runtime;

use super::memory_sink::{Faults, MemorySink, Store};
use crate::app::{Domain, RowOptions};
use crate::clock::Clock;
use crate::config::{Limits, StartFrom};
use crate::contract;
use crate::pipeline::run::run_with;
use crate::pipeline::{Flow, Steps, Succession, Summary, Until, run};
use crate::record::{Partition, Position, Reason};
use crate::shutdown::Shutdown;
use crate::sink::{Durability, Sink};
use crate::source::{Committer, Subscription, start_mock_groups_at_once};
use crate::steps::{Watchers, Work};
use crate::stop::Stop;
use crate::telemetry::otlp::Tracer;
use crate::telemetry::{Health, Metrics};
use crate::transcode::Plan;

pub const TOPIC: &str = "events";
pub const GROUP: &str = "group";
pub const PARTITIONS: i32 = 3;

/// Far beyond what any step takes; only a hang is ended by it.
pub const WITHIN: Duration = Duration::from_secs(60);

/// Every way in which a sink makes rows durable.
pub const ALL: [Durability; 3] = [Durability::Visible, Durability::Promised, Durability::Stored];

/// What a record of the topic becomes, by its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Row,
    Ignored,
    Rejected,
}

impl Kind {
    pub fn of(offset: i64) -> Self {
        match offset % 10 {
            3 | 4 => Self::Ignored,
            7 => Self::Rejected,
            _ => Self::Row,
        }
    }

    fn value(self, offset: i64) -> String {
        match self {
            Self::Row => format!(r#"{{"event_type":"A","n":{offset}}}"#),
            Self::Ignored => r#"{"event_type":"Ignored"}"#.to_owned(),
            Self::Rejected => r#"{"event_type":"A","n":"text"}"#.to_owned(),
        }
    }
}

pub struct Rig {
    /// The client whose mock cluster this is; it ends with the client.
    _cluster: ThreadedProducer<DefaultProducerContext>,
    bootstrap_servers: String,
    pub runtime: Runtime,
    pub store: Arc<Mutex<Store>>,
    pub domain: Domain,
    /// What the spans of the next instances are made with.
    pub tracer: Option<Tracer>,
}

/// What a run returns.
type Ended = Result<(Summary, bool), Stop>;

/// Runs with offset commits that the mock cluster keeps.
fn run_kept(flow: Flow) -> Ended {
    run_with(flow, &|flow| {
        Ok(match flow.sink.durability() {
            Durability::Visible | Durability::Stored => Committer::Plain,
            Durability::Promised => Committer::Synchronous,
        })
    })
}

/// A run on a thread of its own.
pub struct Running {
    pub shutdown: Shutdown,
    pub metrics: Metrics,
    pub faults: Arc<Mutex<Faults>>,
    pub succession: Succession,
    thread: JoinHandle<Ended>,
}

impl Rig {
    pub fn new() -> Self {
        let (cluster, bootstrap_servers) = cluster();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (store, domain) = (Arc::default(), domain());
        Self { _cluster: cluster, bootstrap_servers, runtime, store, domain, tracer: None }
    }

    /// Publishes the records of offsets `first..next` to every partition.
    pub fn publish(&self, first: i64, next: i64) {
        let producer: ThreadedProducer<DefaultProducerContext> =
            self.client().create().expect("a producer");
        for partition in 0..PARTITIONS {
            for offset in first..next {
                let value = Kind::of(offset).value(offset);
                let record = BaseRecord::<(), _>::to(TOPIC).partition(partition).payload(&value);
                producer.send(record).map_err(|(error, _)| error).expect("queued");
            }
        }
        producer.flush(WITHIN).expect("published");
    }

    /// Publishes the record of an offset with a header that names a span.
    pub fn publish_in_trace(&self, partition: i32, offset: i64, traceparent: &str) {
        let producer: ThreadedProducer<DefaultProducerContext> =
            self.client().create().expect("a producer");
        let value = Kind::Row.value(offset);
        let headers = crate::source::headers(&[(
            "traceparent".to_owned(),
            Some(traceparent.as_bytes().to_vec()),
        )]);
        let record = BaseRecord::<(), _>::to(TOPIC).partition(partition).payload(&value);
        let record = record.headers(headers.expect("one header"));
        producer.send(record).map_err(|(error, _)| error).expect("queued");
        producer.flush(WITHIN).expect("published");
    }

    /// Starts an instance, with offset commits that the mock cluster keeps.
    pub fn start(&self, durability: Durability, until: Until, faults: Faults) -> Running {
        self.start_with(durability, until, faults, limits())
    }

    pub fn start_with(
        &self,
        durability: Durability,
        until: Until,
        faults: Faults,
        limits: Limits,
    ) -> Running {
        let sink = MemorySink::new(durability, self.store.clone(), faults);
        let faults = sink.faults.clone();
        let mut flow = self.flow(sink, until);
        flow.limits = limits;
        self.spawn(faults, flow, run_kept)
    }

    /// Starts an instance on another sink.
    pub fn start_on(&self, sink: impl Sink + 'static) -> Running {
        let faults = Arc::new(Mutex::new(Faults::none()));
        self.spawn(faults, self.flow(sink, Until::Stopped), run_kept)
    }

    /// Starts an instance that works on each event before it becomes a row.
    pub fn start_with_steps(
        &self,
        of: (Durability, Until),
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Running {
        self.start_watched(of, work, limits, (Watchers::default(), Faults::none()))
    }

    /// The same with subscribers and faults.
    pub fn start_watched(
        &self,
        (durability, until): (Durability, Until),
        work: Arc<dyn Work>,
        limits: Limits,
        (watchers, faults): (Watchers, Faults),
    ) -> Running {
        let sink = MemorySink::new(durability, self.store.clone(), faults);
        let faults = sink.faults.clone();
        let mut flow = self.flow(sink, until);
        let gate = self.plan();
        flow.steps = Some(Steps { gate, work, watchers });
        flow.limits = limits;
        self.spawn(faults, flow, run_kept)
    }

    /// Starts an instance that commits in transactions, whose offsets the mock cluster forgets.
    pub fn start_in_transactions(&self) -> Running {
        let sink = MemorySink::new(Durability::Promised, self.store.clone(), Faults::none());
        let faults = sink.faults.clone();
        self.spawn(faults, self.flow(sink, Until::CaughtUp), run)
    }

    pub fn flow(&self, sink: impl Sink + 'static, until: Until) -> Flow {
        Flow {
            topic: None,
            topic_was_missing: false,
            subscription: self.subscription(),
            succession: Succession::default(),
            plan: self.plan(),
            steps: None,
            sink: Arc::new(sink),
            limits: limits(),
            until,
            metrics: Metrics::register(&mut Registry::default()),
            health: Health::new(),
            tracer: self.tracer.clone(),
            clock: Clock::Fixed(1_795_255_200_000_000),
            shutdown: Shutdown::default(),
        }
    }

    pub fn plan(&self) -> Plan {
        self.domain.plan(&self.domain.columns).expect("compiles")
    }

    /// Starts a flow without faults of the sink.
    pub fn run(&self, flow: Flow) -> Running {
        self.spawn(Arc::new(Mutex::new(Faults::none())), flow, run_kept)
    }

    fn spawn(
        &self,
        faults: Arc<Mutex<Faults>>,
        flow: Flow,
        run: impl FnOnce(Flow) -> Ended + Send + 'static,
    ) -> Running {
        let (metrics, shutdown) = (flow.metrics.clone(), flow.shutdown.clone());
        let succession = flow.succession.clone();
        let runtime = self.runtime.handle().clone();
        let thread = std::thread::spawn(move || {
            let _entered = runtime.enter();
            run(flow)
        });
        Running { shutdown, metrics, faults, succession, thread }
    }

    /// Runs an instance until it has caught up, and checks what it says of itself.
    pub fn catch_up(&self, durability: Durability, faults: Faults) -> Summary {
        let (summary, drained) =
            self.start(durability, Until::CaughtUp, faults).join().expect("no stop");
        assert!(drained, "{durability:?}");
        summary
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap_servers);
        config
    }

    pub fn subscription(&self) -> Subscription {
        let mut consumer = self.client();
        consumer
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("auto.offset.reset", "error")
            // A group of the mock cluster rebalances a second before this, whoever has joined.
            .set("session.timeout.ms", "1500")
            .set("heartbeat.interval.ms", "100")
            .set("fetch.wait.max.ms", "10");
        Subscription {
            topic: TOPIC.to_owned(),
            group: GROUP.to_owned(),
            start_from: StartFrom::Earliest,
            accept_topic: None,
            transactions: self.client(),
            consumer,
        }
    }

    /// The group's committed offsets and metadata, by partition; -1 where there is none.
    pub fn committed(&self) -> Vec<(i64, String)> {
        let consumer = self.observer();
        let committed = consumer.committed_offsets(all_partitions(), WITHIN).expect("an answer");
        let elements = committed.elements();
        let offset = |offset: KafkaOffset| offset.to_raw().filter(|raw| *raw >= 0).unwrap_or(-1);
        elements
            .iter()
            .map(|element| (offset(element.offset()), element.metadata().to_owned()))
            .collect()
    }

    /// Commits an offset for the whole group, as another program would.
    pub fn commit(&self, offset: i64, metadata: &str) {
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let mut element = list.add_partition(TOPIC, partition);
            element.set_offset(KafkaOffset::Offset(offset)).expect("an offset");
            element.set_metadata(metadata);
        }
        self.observer().commit(&list, CommitMode::Sync).expect("committed");
    }

    fn observer(&self) -> BaseConsumer {
        self.client().set("group.id", GROUP).create().expect("a consumer")
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no panic elsewhere")
    }

    /// The rows of offsets below `end` are visible, once each or (at-least-once) at least once, the
    /// dead letters are there, and the group has been told.
    pub fn assert_complete(&self, durability: Durability, end: i64, context: &str) {
        let mut visible = self.store().visible();
        if durability == Durability::Visible {
            visible.dedup();
        }
        assert_eq!(visible, positions(end, Kind::Row), "rows: {durability:?} {context}");
        let mut letters: Vec<Position> = self.store().letters.iter().map(|(at, _)| *at).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters, positions(end, Kind::Rejected), "letters: {durability:?} {context}");
        assert!(self.store().letters.iter().all(|(_, reason)| *reason == Reason::WrongType));
        let offsets: Vec<i64> = self.committed().into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(offsets, vec![end; PARTITIONS as usize], "offsets: {durability:?} {context}");
    }
}

impl Running {
    /// What the run returned.
    pub fn join(self) -> Ended {
        self.thread.join().expect("no panic")
    }

    pub fn stop(self) -> (Summary, bool) {
        self.shutdown.request();
        self.join().expect("no stop")
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no panic elsewhere")
    }
}

/// Whether a commit with this metadata promises rows.
pub fn promises(metadata: &str) -> bool {
    metadata.contains("\"stream\"")
}

/// Positions of all records of a kind below `end`.
pub fn positions(end: i64, kind: Kind) -> Vec<Position> {
    (0..PARTITIONS)
        .flat_map(|partition| {
            let offsets = (0..end).filter(|offset| Kind::of(*offset) == kind);
            offsets.map(move |offset| Position::new(partition, offset)).collect::<Vec<_>>()
        })
        .collect()
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < WITHIN, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn all() -> Vec<Partition> {
    (0..PARTITIONS).map(Partition).collect()
}

fn all_partitions() -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(TOPIC, 0, PARTITIONS - 1);
    list
}

/// Small batches, so that a run has many.
pub fn limits() -> Limits {
    Limits {
        in_flight_bytes: 1 << 20,
        batch_bytes: 1 << 16,
        batch_rows: 7,
        batch_age: Duration::from_millis(2),
        commit_interval: Duration::from_millis(5),
        freshness: Some(Duration::from_secs(3_600)),
        drain: Duration::from_secs(20),
        most_dead: None,
    }
}

/// A mock cluster with the topic.
fn cluster() -> (ThreadedProducer<DefaultProducerContext>, String) {
    let client: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("test.mock.num.brokers", "1").create().expect("a client");
    start_mock_groups_at_once(client.client());
    let bootstrap_servers = {
        let cluster = client.client().mock_cluster().expect("a mock cluster");
        cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
        cluster.bootstrap_servers()
    };
    (client, bootstrap_servers)
}

fn domain() -> Domain {
    let payload = json!({"type": "object", "required": ["n"], "properties": {
        "event_type": {"type": "string"},
        "n": {"type": "integer"},
    }});
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {"title": "test", "version": "1"},
        "channels": {"Topic": {"address": TOPIC, "messages": {"A": {"payload": payload}}}},
    });
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("test.json"), &document.to_string());
    let contract = contract::load(folder.path(), "test", "Topic", &[]).expect("a contract");
    let options = RowOptions { ignore: vec!["Ignored".to_owned()], ..RowOptions::default() };
    Domain::new(contract, options).expect("columns")
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}
