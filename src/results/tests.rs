//! Records of a topic by the contract of the example CCX, and a follower on librdkafka's mock cluster.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::*;
use crate::app::{Domain, RowOptions};
use crate::clock::Clock;
use crate::contract;
use crate::record::{Event, NoHeaders, Position, Reason};
use crate::shutdown::Shutdown;
use crate::stop::Stop;
use crate::telemetry::{Health, ResultsMetrics};

const TOPIC: &str = "ccx.results";

fn domain() -> Domain {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ccx/contracts");
    let contract = contract::load(&folder, "contracts.ccx.reports_v1", "Reports", &[]);
    Domain::new(contract.expect("loads"), RowOptions::default()).expect("columns")
}

fn intake() -> Intake {
    let domain = domain();
    Intake::new(domain.plan_for(&domain.columns, None).expect("compiles"), Clock::System)
}

/// The id of a cluster.
fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn text(organization: &str, cluster: u32, rules: &[&str]) -> String {
    let finding =
        |rule: &&str| format!(r#"{{"rule":"{rule}","key":"K","severity":"low","details":{{}}}}"#);
    let findings: Vec<String> = rules.iter().map(finding).collect();
    format!(
        r#"{{"report_version":1,"organization":"{organization}","cluster":"{}","findings":[{}],
        "skips":[],"versions":{{"rules":"r","program":"p"}}}}"#,
        uuid(cluster),
        findings.join(",")
    )
}

#[test]
fn a_record_is_a_report_a_removal_or_is_rejected() {
    let mut intake = intake();
    let good = text("1", 7, &["a", "b", "a"]);
    let mut outcome = |key: Option<&str>, value: Option<&str>| {
        let event = Event {
            at: Position::new(1, 2),
            timestamp_ms: Some(3),
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            headers: &NoHeaders,
        };
        intake.read(&event)
    };
    match outcome(Some("k"), Some(&good)) {
        Outcome::Change(Change { at, timestamp_ms: Some(3), identity, report: Some(report) }) => {
            assert_eq!((at, identity), (Position::new(1, 2), Identity::of_key(b"k")));
            assert_eq!((report.organization, report.cluster), ("1".to_owned(), uuid(7)));
            let found: Vec<_> = report.findings.into_iter().collect();
            assert_eq!(found, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
            assert_eq!(report.text, good, "byte for byte");
        }
        other => panic!("{other:?}"),
    }
    match (outcome(None, Some(&good)), outcome(None, Some(&text("1", 8, &[])))) {
        (Outcome::Change(one), Outcome::Change(other)) => assert_ne!(one.identity, other.identity),
        other => panic!("{other:?}"),
    }
    match outcome(Some("k"), None) {
        Outcome::Change(Change { identity, report: None, .. }) => {
            assert_eq!(identity, Identity::of_key(b"k"));
        }
        other => panic!("{other:?}"),
    }
    let unknown = good.replace("report_version\":1", "report_version\":2");
    for (key, value, reason) in [
        (None, None, Reason::Empty),
        (Some("k"), Some(""), Reason::Empty),
        (Some("k"), Some("{"), Reason::InvalidJson),
        (Some("k"), Some("{}"), Reason::MissingField),
        (Some("k"), Some(unknown.as_str()), Reason::ContractViolation),
    ] {
        match outcome(key, value) {
            Outcome::Rejected(rejection) => assert_eq!(rejection.reason, reason, "{value:?}"),
            other => panic!("{value:?}: {other:?}"),
        }
    }
}

#[test]
fn a_contract_without_the_fields_of_a_report_is_refused() {
    assert_eq!(check_fields(&domain().contract, &[]), Ok(()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ccx/contracts");
    let archives = contract::load(&folder, "contracts.ccx.archives_v1", "Archives", &[]);
    let said = check_fields(&archives.expect("loads"), &[]).expect_err("refused").to_string();
    for field in ["/organization", "/cluster", "/findings/*/rule"] {
        assert!(said.contains(field), "{said}");
    }
}

struct Cluster {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Cluster {
    fn start() -> Self {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic(TOPIC, 2, 1).expect("a topic");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        Self { producer: config.create().expect("a producer"), cluster }
    }

    fn publish(&self, partition: i32, key: &str, value: Option<&str>) {
        let mut record = BaseRecord::to(TOPIC).partition(partition).key(key);
        if let Some(value) = value {
            record = record.payload(value);
        }
        self.producer.send(record).map_err(|(error, _)| error).expect("taken");
        self.producer.flush(Duration::from_secs(30)).expect("published");
    }
}

/// A follower on a thread of its own.
struct Running {
    reports: Reports,
    metrics: ResultsMetrics,
    health: Health,
    shutdown: Shutdown,
    thread: JoinHandle<Result<(), Stop>>,
}

impl Running {
    fn start(cluster: &Cluster, path: PathBuf) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", cluster.cluster.bootstrap_servers())
            .set("group.id", "reports")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error");
        let (store, reports) = open(&path, TOPIC, "c@1").expect("opens");
        let metrics = ResultsMetrics::register(&mut Registry::default());
        let health = Health::new().of_results();
        let follower = Follower {
            config,
            topic: TOPIC.to_owned(),
            intake: intake(),
            store,
            reports: reports.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
            clock: Clock::System,
        };
        let shutdown = Shutdown::default();
        let asked = shutdown.clone();
        let thread = std::thread::spawn(move || follower.follow(&asked));
        Self { reports, metrics, health, shutdown, thread }
    }

    fn stop(self) {
        self.shutdown.request();
        self.thread.join().expect("no panic").expect("no error");
    }

    /// Offset and organization of the cluster's reports, once they are these.
    fn wait_for(&self, cluster: u32, expected: &[(i64, &str)]) {
        let began = Instant::now();
        loop {
            let found = self.reports.of_cluster(&uuid(cluster), None, 9).expect("read");
            let found: Option<Vec<(i64, String)>> = found.map(|found| {
                let place = |one: ClusterReport| (one.held.at.offset.0, one.held.organization);
                found.into_iter().map(place).collect()
            });
            let expected = expected.iter().map(|(at, name)| (*at, (*name).to_owned()));
            if found == Some(expected.collect()) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{cluster}: {found:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_topic_is_followed_across_restarts_and_read_anew_when_it_is_another_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.sqlite");
    let cluster = Cluster::start();
    cluster.publish(0, "one", Some(&text("1", 1, &["a"])));
    cluster.publish(1, "two", Some(&text("1", 2, &["a"])));
    let running = Running::start(&cluster, path.clone());
    running.wait_for(1, &[(0, "1")]);
    running.wait_for(2, &[(0, "1")]);
    // It says so as soon as the store has it.
    let began = Instant::now();
    while running.health.check_ready().is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "never ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    // A record that is no report leaves the former one, a tombstone does not.
    cluster.publish(0, "one", Some("{}"));
    cluster.publish(1, "two", None);
    running.wait_for(2, &[]);
    running.wait_for(1, &[(0, "1")]);
    // The cluster has gone to another organization.
    cluster.publish(0, "one", Some(&text("2", 1, &[])));
    running.wait_for(1, &[(2, "2")]);
    assert_eq!(running.metrics.read.get(), 5);
    running.stop();

    cluster.publish(0, "three", Some(&text("3", 3, &["a", "a"])));
    let running = Running::start(&cluster, path.clone());
    running.wait_for(3, &[(3, "3")]);
    running.wait_for(1, &[(2, "2")]);
    assert_eq!((running.metrics.read.get(), running.metrics.rebuilds.get()), (1, 0));
    running.stop();

    // The topic of another cluster has another id, as one that was created again.
    let other = Cluster::start();
    other.publish(0, "four", Some(&text("4", 4, &[])));
    let running = Running::start(&other, path);
    running.wait_for(4, &[(0, "4")]);
    running.wait_for(1, &[]);
    assert_eq!((running.metrics.read.get(), running.metrics.rebuilds.get()), (1, 1));
    running.stop();
}
