//! Rebalances while batches are in flight.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use generic_consumer::record::{Offset, Partition};
use generic_consumer::source::{Beginning, Polled, Rebalance, Source};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance, PARTITIONS, TABLE};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::{Kafka, shared};
use crate::support::proof::{Guarantee, compare, wait, wait_progress};
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(120);

#[test]
fn a_partition_revoked_mid_batch_loses_and_repeats_nothing() {
    let kafka = shared();
    // Appends are delayed, so that batches are in flight at each revocation.
    let bigquery = EmbeddedBigQuery::start("revoked", "append_delay=0.3:200", 1);
    let domain = Domain::new("revoked", kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(kafka, &domain, 6), 500);
    let mut first = domain.start_ready();
    for _ in 0..3 {
        wait_progress(&bigquery, "before the second joins", WITHIN);
        let mut second = domain.start_ready();
        until_true("both own partitions", WITHIN, || {
            first.partitions() == 2 && second.partitions() == 2
        });
        wait_progress(&bigquery, "with two instances", WITHIN);
        second.stop();
        first.assert_running();
    }
    let sent = feed.stop();
    wait(&bigquery, &sent, WITHIN);
    first.stop();
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
}

/// Replaces all instances at once, as a deployment does. The group rebalances while they leave, and
/// they must still exit with code 0.
#[test]
fn instances_replaced_together_exit_with_code_0() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("replaced", "append_delay=0.3:200", 1);
    let domain = Domain::new("replaced", kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(kafka, &domain, 6), 500);
    let mut instances = vec![domain.start_ready(), domain.start_ready(), domain.start_ready()];
    for round in 0..4 {
        wait_progress(&bigquery, &format!("before replacement {round}"), WITHIN);
        let mut old = std::mem::take(&mut instances);
        old.iter_mut().for_each(|instance| instance.process.ask_to_stop());
        instances = vec![domain.start(), domain.start(), domain.start()];
        for mut instance in old {
            let status = instance.process.wait(WITHIN);
            assert_eq!(status.code(), Some(0), "{}", instance.process.output());
        }
        instances.iter_mut().for_each(|instance| instance.wait_ready());
    }
    let sent = feed.stop();
    wait(&bigquery, &sent, WITHIN);
    instances.iter_mut().for_each(|instance| instance.stop());
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
}

/// Replaces one of four instances every two seconds, for `ROLLING_SECONDS` (40). Rows keep coming: no
/// gap between two is longer than fifteen seconds, and every instance exits with code 0.
#[test]
fn rolling_replacement_does_not_stall_the_group() {
    let seconds = std::env::var("ROLLING_SECONDS").ok().and_then(|it| it.parse().ok());
    let rolling = Duration::from_secs(seconds.unwrap_or(40));
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("rolling", "", 1);
    let domain = Domain::with_partitions("rolling", kafka, &bigquery.urls(), 12);
    let feed = Feed::start(Publisher::new(kafka, &domain, 6), 500);
    let mut instances: VecDeque<Instance> = (0..4).map(|_| domain.start_ready()).collect();
    let (mut leaving, mut replaced) = (Vec::new(), 0);
    let (mut known, mut last, mut longest) = (0, Instant::now(), Duration::ZERO);
    let (began, mut due) = (Instant::now(), Instant::now());
    while began.elapsed() < rolling {
        if due.elapsed() >= Duration::from_secs(2) {
            due = Instant::now();
            instances.push_back(domain.start());
            if let Some(mut oldest) = instances.pop_front() {
                oldest.process.ask_to_stop();
                leaving.push(oldest);
            }
            replaced += 1;
        }
        let (visible, _) = bigquery.fresh_rows(TABLE, 0);
        if visible > known {
            longest = longest.max(last.elapsed());
            (known, last) = (visible, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    longest = longest.max(last.elapsed());
    println!(
        "{replaced} replaced in {rolling:?}, longest time without a new visible row {longest:?}"
    );
    for mut instance in leaving {
        let status = instance.process.wait(WITHIN);
        assert_eq!(status.code(), Some(0), "{}", instance.process.output());
    }
    assert!(longest < Duration::from_secs(15), "{longest:?} without a row");
    // The group waits for a member that does not say that it leaves.
    assert_eq!(kafka.timed_out("rolling"), Vec::<String>::new(), "all were stopped properly");
    let sent = feed.stop();
    wait(&bigquery, &sent, WITHIN);
    instances.iter_mut().for_each(Instance::stop);
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
}

/// librdkafka pauses all partitions while the group rebalances, and fetches records again. Its mock
/// cluster gets stuck with two members: it answers a SyncGroup that comes after the leader's with
/// INVALID_REQUEST, and then no JoinGroup.
#[test]
fn each_record_is_returned_once_while_a_second_member_joins() {
    let (kafka, topic) = (shared(), "second-member");
    kafka.create_topic(topic, PARTITIONS);
    let producer: ThreadedProducer<DefaultProducerContext> =
        kafka.client().create().expect("a producer");
    let mut published = 0;
    let publish = |published: &mut i64| {
        *published += 50;
        for number in 0..50 * PARTITIONS {
            let record =
                BaseRecord::<(), _>::to(topic).partition(number % PARTITIONS).payload("{}");
            producer.send(record).map_err(|(error, _)| error).expect("sent");
        }
        producer.flush(WITHIN).expect("delivered");
    };
    publish(&mut published);
    let mut next: BTreeMap<Partition, i64> =
        (0..PARTITIONS).map(|partition| (Partition(partition), 0)).collect();
    let mut first = member(kafka, topic);
    let began = Instant::now();
    while next.values().any(|offset| *offset < published) {
        assert!(began.elapsed() < WITHIN, "{next:?} of {published}");
        serve(&mut first, &mut next);
    }
    let (mut second, mut of_second) = (member(kafka, topic), 0);
    while of_second == 0 || next.values().any(|offset| *offset < published) {
        assert!(began.elapsed() < WITHIN, "{next:?} of {published}");
        of_second += serve(&mut second, &mut next);
        serve(&mut first, &mut next);
        if of_second == 0 {
            // More to read until the second member has partitions.
            publish(&mut published);
        }
    }
}

fn member(kafka: &Kafka, topic: &str) -> Source {
    let mut config = kafka.client();
    config
        .set("group.id", topic)
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("heartbeat.interval.ms", "500")
        .set("auto.offset.reset", "error");
    Source::open(&config, topic).expect("a consumer")
}

/// Polls until there is nothing, and carries rebalances out. `next`: the offset at which each
/// partition goes on. Returns the number of partitions that were assigned.
fn serve(source: &mut Source, next: &mut BTreeMap<Partition, i64>) -> usize {
    let mut assigned = 0;
    loop {
        match source.poll(Duration::from_millis(5)).expect("no error") {
            Polled::Record(record) => {
                let at = record.event().at;
                let expected = next.insert(at.partition, at.offset.0 + 1);
                assert_eq!(expected, Some(at.offset.0), "{at}");
            }
            Polled::Rebalance => {
                for change in source.rebalances() {
                    match change {
                        Rebalance::Assigned(partitions) => {
                            let begin = |partition: &Partition| Beginning {
                                partition: *partition,
                                offset: Offset(next[partition]),
                                check: None,
                            };
                            let beginnings: Vec<_> = partitions.iter().map(begin).collect();
                            source.assign(&beginnings).expect("assigned");
                            assigned += partitions.len();
                        }
                        Rebalance::Revoked { partitions, .. } => {
                            source.release(&partitions).expect("released");
                        }
                    }
                }
            }
            Polled::Nothing => return assigned,
        }
    }
}
