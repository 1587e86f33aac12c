//! Committed offsets and lag: where a group begins, what is committed past transaction markers, and
//! what a person is told about it.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, PARTITIONS};
use crate::support::events::{Publisher, Sent};
use crate::support::kafka::{Kafka, shared};
use crate::support::proof::{Guarantee, compare, prove};
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(60);
const BOTH: [Guarantee; 2] = [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce];

struct Scene {
    kafka: &'static Kafka,
    bigquery: EmbeddedBigQuery,
    domain: Domain,
}

impl Scene {
    fn new(test: &str, guarantee: Guarantee) -> Self {
        let kafka = shared();
        let name = format!("{test}-{}", guarantee.key());
        let bigquery = EmbeddedBigQuery::start(&name, "", 1);
        let domain = Domain::new(&name, kafka, &bigquery.urls());
        domain.set("DELIVERY_GUARANTEE", guarantee.key());
        Self { kafka, bigquery, domain }
    }

    fn publisher(&self, seed: u64) -> Publisher {
        Publisher::new(self.kafka, &self.domain, seed)
    }

    fn catch_up(&self, code: i32) -> String {
        let mut run = self.domain.run(&["DELIVERY", "--until-caught-up"], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(code), "{}", run.output());
        run.output()
    }
}

#[test]
fn the_lag_of_each_owned_partition_is_published() {
    for guarantee in BOTH {
        let scene = Scene::new("lag", guarantee);
        let mut publisher = scene.publisher(1);
        publisher.publish(500);
        publisher.flush();
        let mut instance = scene.domain.start_ready();
        until_true("each partition has a lag", WITHIN, || instance.lag().0 == PARTITIONS as usize);
        until_true("the lag is 0 once caught up", WITHIN, || instance.lag() == (4, 0.0));
        // Nothing can be committed, so the lag grows with the topic.
        scene.bigquery.freeze();
        publisher.publish(2_000);
        publisher.flush();
        until_true("the lag grows", WITHIN, || instance.lag().1 >= 1_000.0);
        scene.bigquery.thaw();
        until_true("the lag is 0 again", WITHIN, || instance.lag() == (4, 0.0));
        // A second member takes half of the partitions, and their lags with them.
        let mut second = scene.domain.start_ready();
        until_true("each partition's lag is published once", WITHIN, || {
            let (first, second) = (instance.lag().0, second.lag().0);
            assert!(first + second <= 2 * PARTITIONS as usize);
            (first, second) == (2, 2)
        });
        second.stop();
        instance.stop();
    }
}

/// Writes `count` records in a transaction to each partition, and ends it as told.
fn transaction(scene: &Scene, count: usize, commit: Option<bool>) -> BaseProducer {
    let id = format!("{}-{}", scene.domain.topic, count);
    let producer: BaseProducer = scene
        .kafka
        .client()
        .set("transactional.id", &id)
        .set("transaction.timeout.ms", "300000")
        .create()
        .unwrap();
    producer.init_transactions(WITHIN).unwrap();
    producer.begin_transaction().unwrap();
    for number in 0..count as i32 * PARTITIONS {
        let record = BaseRecord::<(), _>::to(&scene.domain.topic);
        producer
            .send(record.partition(number % PARTITIONS).payload("{}"))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    producer.flush(WITHIN).unwrap();
    match commit {
        Some(true) => producer.commit_transaction(WITHIN).unwrap(),
        Some(false) => producer.abort_transaction(WITHIN).unwrap(),
        None => {}
    }
    producer
}

/// Offsets without records are committed too, so that nothing seems lost once retention has removed
/// them.
#[test]
fn what_has_no_record_at_the_end_is_committed_past() {
    for guarantee in BOTH {
        let scene = Scene::new("markers", guarantee);
        transaction(&scene, 3, Some(true));
        transaction(&scene, 5, Some(false));
        let mut instance = scene.domain.start_ready();
        let ends = scene.kafka.ends(&scene.domain.topic, PARTITIONS);
        until_true("markers and aborted records are committed past", WITHIN, || {
            scene.kafka.committed(&scene.domain.group, &scene.domain.topic, PARTITIONS) == ends
        });
        until_true("the lag is 0", WITHIN, || instance.lag() == (4, 0.0));
        instance.stop();
        scene.kafka.delete_records(&scene.domain.topic, &ends);
        let mut publisher = scene.publisher(1);
        publisher.publish(200);
        let sent = publisher.flush();
        scene.catch_up(0);
        let rows = scene.bigquery.rows("delivery_events").len();
        assert_eq!(rows, sent.values().filter(|fate| fate.is_row()).count());
    }
}

/// Records that retention removed before they were read: partition, range and count are named.
#[test]
fn a_log_that_begins_after_the_committed_offset_stops_with_the_range() {
    for guarantee in BOTH {
        let scene = Scene::new("expired", guarantee);
        let mut publisher = scene.publisher(1);
        publisher.publish(200);
        publisher.flush();
        scene.catch_up(0);
        let read = scene.kafka.ends(&scene.domain.topic, PARTITIONS);
        publisher.publish(400);
        publisher.flush();
        let before: Vec<i64> = read.iter().map(|end| end + 10).collect();
        scene.kafka.delete_records(&scene.domain.topic, &before);
        let output = scene.catch_up(3);
        let range = |partition: usize| {
            let (from, to) = (read[partition], before[partition] - 1);
            format!("the 10 offsets from {from} to {to}")
        };
        assert!(
            (0..PARTITIONS as usize).any(|partition| output.contains(&range(partition))),
            "{output}"
        );
        assert!(output.contains("markers"), "it does not claim more than it knows: {output}");
    }
}

/// A group that begins at the latest offsets begins there once: neither a kill, nor an idle partition,
/// nor a partition that is added later loses a record.
#[test]
fn start_from_latest_skips_nothing_after_the_group_has_begun() {
    for guarantee in BOTH {
        let scene = Scene::new("latest", guarantee);
        scene.domain.set("START_FROM", "latest");
        let mut publisher = scene.publisher(1);
        publisher.publish(300);
        let old = publisher.flush();
        let mut instance = scene.domain.start_ready();
        instance.process.kill();
        publisher.publish(300);
        let mut sent = publisher.flush();
        sent.retain(|at, _| !old.contains_key(at));
        scene.catch_up(0);
        compare(&scene.bigquery, &sent, guarantee);
        // A partition is added, and gets records before anybody reads it.
        scene.kafka.add_partitions(&scene.domain.topic, PARTITIONS as usize + 2);
        let mut publisher = scene.publisher(2);
        until_true("the new partitions have records", WITHIN, || {
            publisher.publish(50);
            let new = |sent: Sent| sent.keys().any(|(partition, _)| *partition >= PARTITIONS);
            new(publisher.flush())
        });
        sent.extend(publisher.flush());
        let mut instance = scene.domain.start_ready();
        prove(&scene.bigquery, &sent, guarantee, WITHIN);
        instance.stop();
    }
}

/// Committed records behind an open transaction cannot be read; the summary says so.
#[test]
fn the_summary_names_an_open_transaction() {
    let scene = Scene::new("held-up", Guarantee::ExactlyOnce);
    let open = transaction(&scene, 2, None);
    let mut publisher = scene.publisher(1);
    publisher.publish(100);
    publisher.flush();
    let output = scene.catch_up(0);
    let lines: Vec<&str> = output.lines().filter(|line| line.starts_with("held up")).collect();
    assert_eq!(lines.len(), PARTITIONS as usize, "{output}");
    assert!(lines.iter().all(|line| line.contains("open transaction, since 20")), "{output}");
    open.abort_transaction(WITHIN).unwrap();
    let output = scene.catch_up(0);
    assert!(!output.contains("held up"), "{output}");
}

#[test]
fn a_topic_that_does_not_exist_is_named() {
    let scene = Scene::new("no-topic", Guarantee::ExactlyOnce);
    // What is written before the instance finds the new topic is not skipped either.
    scene.domain.set("START_FROM", "latest");
    scene.kafka.delete_topic(&scene.domain.topic);
    let instance = scene.domain.start();
    let reason = format!("topic {} does not exist", scene.domain.topic);
    until_true("/readyz names the topic", WITHIN, || {
        instance
            .get("/readyz")
            .is_some_and(|(status, body)| status != 200 && body.contains(&reason))
    });
    let output = scene.catch_up(3);
    assert!(output.contains(&reason) && output.contains("create the topic"), "{output}");
    // The instance that runs on goes on trying.
    scene.kafka.create_topic(&scene.domain.topic, PARTITIONS);
    let mut publisher = scene.publisher(1);
    publisher.publish(100);
    let sent = publisher.flush();
    let mut instance = instance;
    prove(&scene.bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
    instance.stop();
}

/// A shutdown while the broker is away, with nothing read or everything settled: 0, and soon.
#[test]
fn a_shutdown_while_the_broker_is_away_is_a_clean_end() {
    let mut kafka = Kafka::start("away-at-stop");
    for guarantee in BOTH {
        for read in [true, false] {
            let name = format!("away-at-stop-{}-{read}", guarantee.key());
            let bigquery = EmbeddedBigQuery::start(&name, "", 1);
            let domain = Domain::new(&name, &kafka, &bigquery.urls());
            domain.set("DELIVERY_GUARANTEE", guarantee.key());
            let mut instance = if read {
                let mut publisher = Publisher::new(&kafka, &domain, 1);
                publisher.publish(200);
                let sent = publisher.flush();
                let instance = domain.start_ready();
                prove(&bigquery, &sent, guarantee, WITHIN);
                until_true("all is committed", WITHIN, || instance.lag() == (4, 0.0));
                kafka.kill();
                instance
            } else {
                kafka.kill();
                domain.start()
            };
            std::thread::sleep(Duration::from_secs(3));
            let began = Instant::now();
            let (status, _) = instance.process.stop(WITHIN);
            assert_eq!(status.code(), Some(0), "{name}: {}", instance.process.output());
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
            kafka.start_again();
        }
    }
}
