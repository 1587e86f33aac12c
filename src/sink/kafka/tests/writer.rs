//! A writer on librdkafka's mock cluster, which refuses what it is told to. It does not keep the offsets
//! of transactions, and takes messages of any size: the rest is in tests/live/kafka_sink.rs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use rdkafka::ClientConfig;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey;

use crate::config::{KafkaServer, KafkaSettings};
use crate::record::{DeadLetter, Event, Offset, Partition, Position, Reached, Reason, Rejection};
use crate::row::{RowBuffer, TableSchema};
use crate::sink::dead_letter::About;
use crate::sink::kafka::{KafkaSink, Reads, SinkParts};
use crate::sink::{
    Batch, BatchId, Command, DeadLimit, Lane, Report, Reports, Reread, Sink, Span, Start, Writer,
};
use crate::telemetry::Metrics;

const PATIENCE: Duration = Duration::from_secs(60);
const LANE: Lane = Lane { partition: Some(Partition(0)), epoch: 1 };

struct Nothing;

#[async_trait]
impl Reread for Nothing {
    async fn reread(&self, _: Position, _: Rejection) -> Option<DeadLetter> {
        None
    }
}

struct Rig {
    cluster: MockCluster<'static, DefaultProducerContext>,
    writer: Writer,
    reports: Receiver<(Lane, Report)>,
    waits: usize,
    // Dropped last: it waits for its writers.
    _sink: KafkaSink,
}

impl Rig {
    async fn start(broken: &[(RDKafkaApiKey, Code)]) -> Self {
        let cluster: MockCluster<'static, DefaultProducerContext> =
            MockCluster::new(1).expect("a mock cluster");
        for topic in ["in", "out", "out_dead_letters"] {
            cluster.create_topic(topic, 1, 1).expect("a topic");
        }
        let bootstrap = cluster.bootstrap_servers();
        let settings = KafkaSettings {
            server: KafkaServer { bootstrap: bootstrap.clone(), properties: BTreeMap::new() },
            topic: "out".to_owned(),
            key: None,
        };
        let mut source = ClientConfig::new();
        source.set("bootstrap.servers", &bootstrap).set("group.id", "group");
        let [topic, group, contract] = ["in", "group", "contract"].map(str::to_owned);
        let reads = Reads { group: group.clone(), topic: topic.clone(), config: source };
        let sink = KafkaSink::open(SinkParts {
            settings: &settings,
            columns: &TableSchema { columns: TableSchema::position_columns() },
            about: About { topic, group, contract },
            letters: None,
            reads,
            reread: Arc::new(Nothing),
            metrics: Metrics::register(&mut Registry::default()),
            source_is_new: false,
        })
        .await
        .expect("a sink");
        assert!(sink.commits_to_group(), "one cluster");
        for (api, error) in broken {
            cluster.request_errors(*api, &[*error]);
        }
        let (to, reports) = Reports::to_this_thread();
        let writer = sink.open(LANE, Start::Fresh, to);
        Self { cluster, writer, reports, waits: 0, _sink: sink }
    }

    fn next(&mut self) -> Report {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.reports.recv_timeout(deadline - Instant::now()).expect("a report") {
                (_, Report::Waiting(_)) => self.waits += 1,
                (_, report) => return report,
            }
        }
    }

    /// A batch of two rows and a letter, at these offsets.
    fn append(&self, first: i64) {
        let mut rows = RowBuffer::default();
        for offset in [first, first + 1] {
            let Ok(()) =
                rows.push(Position::new(0, offset), |_| Ok::<(), std::convert::Infallible>(()));
        }
        let rejection = Rejection::new(Reason::InvalidJson, "no JSON".to_owned(), None);
        let letter = DeadLetter::of(&Event::unknown(Position::new(0, first + 2)), rejection);
        let reached = Reached::at(Offset(first + 3));
        let span = Span { partition: Partition(0), first: Offset(first), reached };
        let (id, note) = (BatchId(first as u64), String::new());
        let limit = DeadLimit::default();
        let letters = vec![letter];
        let batch = Batch { id, spans: vec![span], rows, letters, oldest_ms: None, note, limit };
        self.writer.send(Command::Append(batch));
    }

    fn settled(&mut self, first: i64) {
        match self.next() {
            Report::Settled { batch, rows: 2, letters, .. } => {
                assert_eq!(batch, BatchId(first as u64));
                assert_eq!(letters.len(), 1);
                assert_eq!(letters[0].rejection.reason, Reason::InvalidJson);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_settled_one_after_another() {
    let mut rig = Rig::start(&[]).await;
    assert!(matches!(rig.next(), Report::Ready { stored: None }));
    for first in [0, 3, 6] {
        rig.append(first);
        rig.settled(first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_away_for_a_moment_is_asked_again() {
    let mut rig = Rig::start(&[]).await;
    assert!(matches!(rig.next(), Report::Ready { .. }));
    let errors = [
        (RDKafkaApiKey::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
        (RDKafkaApiKey::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
        (RDKafkaApiKey::EndTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
    ];
    for (api, error) in errors {
        rig.cluster.request_errors(api, &[error]);
    }
    rig.append(0);
    rig.settled(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_fenced_says_so_and_writes_nothing_more() {
    let mut rig = Rig::start(&[]).await;
    assert!(matches!(rig.next(), Report::Ready { .. }));
    let fenced = Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    rig.cluster.request_errors(RDKafkaApiKey::EndTxn, &[fenced]);
    rig.append(0);
    assert!(matches!(rig.next(), Report::Fenced));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_stops_with_what_to_grant() {
    let refused = Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let mut rig = Rig::start(&[(RDKafkaApiKey::InitProducerId, refused)]).await;
    match rig.next() {
        Report::Failed(stop) => {
            assert!(stop.hint.contains("transactional id group/in/0"), "{}", stop.hint);
        }
        other => panic!("{other:?}"),
    }
}
