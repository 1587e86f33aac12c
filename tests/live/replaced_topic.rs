//! A committed offset that no longer means the record it meant: a topic that was deleted and created
//! again, a log that was cut off and written anew. The instance stops and says so; it never skips.

use std::time::{Duration, Instant as Clock};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance, PARTITIONS};
use crate::support::events::{Publisher, Sent};
use crate::support::kafka::{Kafka, shared};
use crate::support::proof::{Guarantee, compare, prove};
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(90);
const BOTH: [Guarantee; 2] = [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce];

fn publish(kafka: &Kafka, domain: &Domain, seed: u64, count: usize) -> Sent {
    let mut publisher = Publisher::new(kafka, domain, seed);
    publisher.publish(count);
    publisher.flush()
}

/// The group's consumer, for its committed offsets.
fn group(kafka: &Kafka, domain: &Domain) -> BaseConsumer {
    kafka.client().set("group.id", &domain.group).create().expect("a client")
}

fn committed(kafka: &Kafka, domain: &Domain) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&domain.topic, 0, PARTITIONS - 1);
    group(kafka, domain).committed_offsets(list, WITHIN).expect("the offsets")
}

/// Deletes the topic and creates it again. The broker deletes the group's offsets with the topic;
/// they come back as when offsets are copied to another cluster or restored.
fn recreate(kafka: &Kafka, domain: &Domain) {
    let offsets = committed(kafka, domain);
    kafka.delete_topic(&domain.topic);
    kafka.create_topic(&domain.topic, PARTITIONS);
    until_true("the offsets are back", WITHIN, || {
        group(kafka, domain).commit(&offsets, CommitMode::Sync).is_ok()
    });
}

/// An instance that has written all of four hundred events and goes on reading.
fn running(
    kafka: &Kafka,
    name: &str,
    guarantee: Guarantee,
) -> (EmbeddedBigQuery, Domain, Instance) {
    let bigquery = EmbeddedBigQuery::start(name, "", 1);
    let domain = Domain::new(name, kafka, &bigquery.urls());
    domain.set("DELIVERY_GUARANTEE", guarantee.key());
    let sent = publish(kafka, &domain, 1, 400);
    let instance = domain.start_ready();
    prove(&bigquery, &sent, guarantee, WITHIN);
    (bigquery, domain, instance)
}

/// The id that the message offers to accept.
fn offered(output: &str) -> String {
    let (_, rest) = output.split_once("ACCEPT_TOPIC_ID=").expect("the key that accepts it");
    rest.chars().take_while(|it| it.is_ascii_alphanumeric() || "-_".contains(*it)).collect()
}

#[test]
fn a_topic_created_again_while_nobody_reads_it_stops_the_next_instance() {
    let kafka = shared();
    for guarantee in BOTH {
        // The new topic ends before the old offsets, and after them.
        for count in [100, 900] {
            let name = format!("recreated-{}-{count}", guarantee.key());
            let bigquery = EmbeddedBigQuery::start(&name, "", 1);
            let domain = Domain::new(&name, kafka, &bigquery.urls());
            domain.set("DELIVERY_GUARANTEE", guarantee.key());
            publish(kafka, &domain, 1, 400);
            let run = |code| {
                let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
                assert_eq!(run.wait(WITHIN).code(), Some(code), "{name}");
                run.output()
            };
            run(0);
            recreate(kafka, &domain);
            let sent = publish(kafka, &domain, 2, count);
            let output = run(3);
            let id = offered(&output);
            assert_eq!(id.len(), 22, "{output}");
            assert!(output.matches(&id).count() >= 2, "both ids are named: {output}");
            // Rows of the old topic stay, so the new one gets a table without them.
            domain.set("BQ_TABLE_DELIVERY", "after");
            domain.set("ACCEPT_TOPIC_ID", &id);
            run(0);
            let rows = bigquery.rows("after").into_iter().filter(|row| row.visible).count();
            let good = sent.values().filter(|fate| fate.is_row()).count();
            assert_eq!(rows, good, "{name}: the new topic is read from its beginning");
            run(0);
        }
    }
}

#[test]
fn a_topic_created_again_stops_a_running_instance() {
    let kafka = shared();
    for guarantee in BOTH {
        let name = format!("recreated-running-{}", guarantee.key());
        let (_bigquery, domain, mut instance) = running(kafka, &name, guarantee);
        kafka.delete_topic(&domain.topic);
        kafka.create_topic(&domain.topic, PARTITIONS);
        publish(kafka, &domain, 2, 900);
        assert_eq!(instance.process.wait(WITHIN).code(), Some(3), "{name}");
        let output = instance.process.output();
        assert_eq!(offered(&output).len(), 22, "{output}");
    }
}

/// The group's offsets go with the topic, so nothing but the instance's memory of the old topic's id
/// says that the new one is another. A second member makes the group rebalance meanwhile.
#[test]
fn a_topic_that_was_away_for_a_while_stops_a_running_instance() {
    let kafka = shared();
    for guarantee in BOTH {
        let name = format!("recreated-later-{}", guarantee.key());
        let (_bigquery, domain, mut instance) = running(kafka, &name, guarantee);
        kafka.delete_topic(&domain.topic);
        let away = Clock::now();
        while away.elapsed() < Duration::from_secs(12) {
            instance.assert_running();
            std::thread::sleep(Duration::from_millis(500));
        }
        kafka.create_topic(&domain.topic, PARTITIONS);
        let mut second = domain.start();
        publish(kafka, &domain, 2, 900);
        assert_eq!(instance.process.wait(WITHIN).code(), Some(3), "{name}");
        let output = instance.process.output();
        assert_eq!(offered(&output).len(), 22, "{output}");
        second.process.ask_to_stop();
        second.process.wait(WITHIN);
    }
}

#[test]
fn a_topic_created_again_after_a_kill_stops_the_next_instance() {
    let kafka = shared();
    for guarantee in BOTH {
        let name = format!("recreated-killed-{}", guarantee.key());
        let (_bigquery, domain, mut instance) = running(kafka, &name, guarantee);
        instance.process.kill();
        until_true("the group has missed the member", WITHIN, || {
            kafka.members(&domain.group).unwrap_or(0) == 0
        });
        recreate(kafka, &domain);
        publish(kafka, &domain, 2, 900);
        let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(3), "{name}: {}", run.output());
        assert_eq!(offered(&run.output()).len(), 22);
    }
}

#[test]
fn a_log_that_was_cut_off_stops_the_next_instance() {
    // A broker of its own: it is stopped, and its files are changed.
    let mut kafka = Kafka::start("cut-off");
    for guarantee in BOTH {
        // The log ends before the committed offset, at it, and after it.
        for count in [0, 300, 900] {
            let name = format!("cut-off-{}-{count}", guarantee.key());
            let bigquery = EmbeddedBigQuery::start(&name, "", 1);
            let domain = Domain::with_partitions(&name, &kafka, &bigquery.urls(), 1);
            domain.set("DELIVERY_GUARANTEE", guarantee.key());
            let sent = publish(&kafka, &domain, 1, 300);
            let run = |code| {
                let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
                assert_eq!(run.wait(WITHIN).code(), Some(code), "{name}: {}", run.output());
                run.output()
            };
            run(0);
            compare(&bigquery, &sent, guarantee);
            kafka.stop();
            kafka.cut_off(&domain.topic, 0, 0);
            kafka.start_again();
            if count > 0 {
                publish(&kafka, &domain, 2, count);
            }
            let output = run(3);
            assert!(output.contains("--reset-offsets"), "{output}");
            assert_eq!(bigquery.rows("delivery_events").len(), arrived(&sent), "{name}");
        }
    }
}

fn arrived(sent: &Sent) -> usize {
    sent.values().filter(|fate| fate.is_row()).count()
}
