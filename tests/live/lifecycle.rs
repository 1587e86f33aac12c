//! How instances start and end: `--until-caught-up`, SIGTERM, `DISABLE`, and offsets that another
//! consumer committed.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Fate, Feed, Publisher, Sent, count};
use crate::support::kafka::shared;
use crate::support::proof::{Guarantee, compare, prove, wait_progress};

const WITHIN: Duration = Duration::from_secs(120);

#[test]
fn until_caught_up_ends_with_a_summary() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("caught-up", "", 1);
    let domain = Domain::new("caught-up", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 1);
    publisher.publish(3_000);
    let sent = publisher.flush();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0));
    // Compared without waiting: all rows must be visible when the process ends.
    let arrived = compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    let page = run.output();
    let number = |name: &str| -> usize {
        let line = page.lines().find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name:?} in\n{page}"));
        line.trim_start()[name.len()..].split_whitespace().next().unwrap().parse().unwrap()
    };
    assert_eq!(number("read "), sent.len());
    assert_eq!(number("written "), arrived.visible);
    assert_eq!(number("ignored "), count(&sent, |fate| *fate == Fate::Ignored));
    assert_eq!(number("dead-lettered "), arrived.letters);
    for reason in ["invalid_json", "unknown_event_type", "missing_field"] {
        assert_eq!(number(reason), count(&sent, |fate| *fate == Fate::Letter(reason)));
    }
    assert_eq!(
        kafka.committed(&domain.group, &domain.topic, PARTITIONS),
        kafka.ends(&domain.topic, PARTITIONS)
    );
    // A second run finds no new records and writes nothing.
    let mut again = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(again.wait(WITHIN).code(), Some(0));
    assert_eq!(compare(&bigquery, &sent, Guarantee::ExactlyOnce).visible, arrived.visible);
}

#[test]
fn ignored_events_advance_the_committed_offsets() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("all-ignored", "", 1);
    let domain = Domain::new("all-ignored", kafka, &bigquery.urls());
    let all: Vec<String> =
        domain.contract().events.iter().map(|event| event.name.clone()).collect();
    domain.set("IGNORE_EVENTS_DELIVERY", &all.join(","));
    let mut publisher = Publisher::new(kafka, &domain, 2);
    publisher.publish(500);
    publisher.flush();
    let mut instance = domain.start_ready();
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    crate::support::until::until_true("the offsets advance", WITHIN, || {
        kafka.committed(&domain.group, &domain.topic, PARTITIONS) == ends
    });
    instance.stop();
    assert_eq!(bigquery.fresh_rows(TABLE, 0), (0, 0));
}

#[test]
fn sigterm_drains_commits_and_leaves_the_group() {
    let kafka = shared();
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let name = format!("sigterm-{}", guarantee.key());
        // Appends are delayed, so that some are in flight when the signal arrives.
        let bigquery = EmbeddedBigQuery::start(&name, "append_delay=0.5:300", 1);
        let domain = Domain::new(&name, kafka, &bigquery.urls());
        domain.set("DELIVERY_GUARANTEE", guarantee.key());
        let feed = Feed::start(Publisher::new(kafka, &domain, 3), 500);
        let mut instance = domain.start();
        wait_progress(&bigquery, "before SIGTERM", WITHIN);
        instance.stop();
        let committed = kafka.committed(&domain.group, &domain.topic, PARTITIONS);
        assert_eq!(kafka.members(&domain.group).unwrap_or(0), 0, "it is still in the group");
        let sent = feed.stop();
        // The table has the rows below the committed offsets and no others: a clean shutdown drains
        // everything that was read, so that even at-least-once repeats nothing later.
        let settled: Sent = sent
            .iter()
            .filter(|((partition, offset), _)| *offset < committed[*partition as usize])
            .map(|(at, fate)| (*at, fate.clone()))
            .collect();
        assert!(!settled.is_empty() && settled.len() < sent.len(), "it did not stop midway");
        compare(&bigquery, &settled, guarantee);
        let mut instance = domain.start();
        let arrived = prove(&bigquery, &sent, guarantee, WITHIN);
        assert_eq!(arrived.repeated, 0);
        instance.stop();
    }
}

#[test]
fn a_disabled_instance_uses_neither_kafka_nor_bigquery() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("disabled", "", 1);
    let domain = Domain::new("disabled", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 4);
    publisher.publish(10);
    publisher.flush();
    domain.set("DISABLE", "true");
    let mut instance = domain.start_ready();
    assert_eq!(instance.get("/livez").map(|(status, _)| status), Some(200));
    assert_eq!(instance.metric("generic_consumer_read_records_total"), Some(0.0));
    assert_eq!(kafka.members(&domain.group), None, "a disabled instance must not create the group");
    assert!(!bigquery.has_table(TABLE));
    instance.stop();
}

#[test]
fn reading_continues_at_offsets_committed_by_another_consumer() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("cutover", "", 1);
    let domain = Domain::new("cutover", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 5);
    publisher.publish(1_000);
    let sent = publisher.flush();
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    let half: Vec<i64> = ends.iter().map(|end| end / 2).collect();
    let other: BaseConsumer = kafka.client().set("group.id", &domain.group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(&half) {
        offsets.add_partition_offset(&domain.topic, partition, Offset::Offset(*offset)).unwrap();
    }
    other.commit(&offsets, CommitMode::Sync).unwrap();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0));
    let rest: Sent = sent
        .into_iter()
        .filter(|((partition, offset), _)| *offset >= half[*partition as usize])
        .collect();
    compare(&bigquery, &rest, Guarantee::ExactlyOnce);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
}
