//! The source on librdkafka's mock cluster.

use std::time::Instant;

use prometheus_client::registry::Registry;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::*;
use crate::config::StartFrom;

const RECORDS: i64 = 100;
const WITHIN: Duration = Duration::from_secs(30);

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn publish(cluster: &Cluster, partition: i32, count: i64) {
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for _ in 0..count {
        let record = BaseRecord::<(), _>::to("events").partition(partition).payload("{}");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WITHIN).unwrap();
}

fn filled(partitions: i32) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", partitions, 1).unwrap();
    for partition in 0..partitions {
        publish(&cluster, partition, RECORDS);
    }
    cluster
}

fn open(cluster: &Cluster) -> Source {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "group")
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "error");
    let metrics = Metrics::register(&mut Registry::default());
    Source::open(&config, "events", metrics).unwrap()
}

/// Reads the partitions to this end; answers with the offsets that came, in order.
fn read(source: &mut Source, partitions: &[Partition], end: i64) -> Vec<(i32, i64)> {
    let mut offsets = Vec::new();
    let began = Instant::now();
    while !partitions.iter().all(|partition| source.has_read_to(*partition, Offset(end))) {
        assert!(began.elapsed() < WITHIN, "{} records", offsets.len());
        if let Polled::Record(record) = source.poll(Duration::from_millis(100)).unwrap() {
            let at = record.event().at;
            offsets.push((at.partition.0, at.offset.0));
        }
    }
    offsets
}

fn assigned(source: &mut Source) -> Vec<Partition> {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < WITHIN, "no assignment");
        if let Polled::Rebalance = source.poll(Duration::from_millis(100)).unwrap() {
            for rebalance in source.rebalances() {
                if let Rebalance::Assigned(partitions) = rebalance {
                    return partitions;
                }
            }
        }
    }
}

fn starts(partitions: &[Partition], offset: i64) -> Vec<(Partition, Offset)> {
    partitions.iter().map(|partition| (*partition, Offset(offset))).collect()
}

#[test]
fn all_partitions_tell_where_they_begin_and_end() {
    let cluster = filled(3);
    publish(&cluster, 1, 7);
    let source = open(&cluster);
    let partitions = [0, 1, 2].map(Partition);
    let ends = |end| {
        let mut found = source.ends_of_log(&partitions, end).unwrap();
        found.sort_unstable();
        found.into_iter().map(|(partition, offset)| (partition.0, offset.0)).collect::<Vec<_>>()
    };
    assert_eq!(ends(StartFrom::Earliest), [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(ends(StartFrom::Latest), [(0, RECORDS), (1, RECORDS + 7), (2, RECORDS)]);
    assert!(source.ends_of_log(&[], StartFrom::Latest).unwrap().is_empty());
    assert!(source.ends_of_log(&[Partition(9)], StartFrom::Latest).is_err(), "no such partition");
}

/// Giving up is finished on another thread, which undoes the forwarding then: taking the
/// partition on at once must not leave it without.
#[test]
fn a_partition_given_up_and_taken_on_again_goes_on() {
    let cluster = filled(4);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    assert_eq!(partitions.len(), 4);
    for start in 0..10 {
        source.assign(&starts(&partitions, start)).unwrap();
        let mut offsets = read(&mut source, &partitions, RECORDS);
        offsets.sort_unstable();
        let expected = (0..4).flat_map(|p| (start..RECORDS).map(move |offset| (p, offset)));
        assert!(offsets.iter().copied().eq(expected), "from {start}: {} came", offsets.len());
        source.release(&partitions).unwrap();
    }
}

/// Pausing at the end and resuming reads the next record, and none twice.
#[test]
fn pausing_at_the_end_skips_nothing() {
    let cluster = filled(1);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    source.assign(&starts(&partitions, 0)).unwrap();
    assert_eq!(read(&mut source, &partitions, RECORDS).len() as i64, RECORDS);
    for round in 0..3 {
        source.pause(&partitions).unwrap();
        publish(&cluster, 0, 1);
        source.resume(&partitions).unwrap();
        let offsets = read(&mut source, &partitions, RECORDS + round + 1);
        assert_eq!(offsets, [(0, RECORDS + round)]);
    }
}

/// What was taken from librdkafka waits here, and nothing is read twice or left out.
#[test]
fn pausing_between_two_records_loses_and_repeats_none() {
    let cluster = filled(2);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    source.assign(&starts(&partitions, 0)).unwrap();
    let mut offsets = Vec::new();
    let began = Instant::now();
    while offsets.len() < 2 * RECORDS as usize {
        assert!(began.elapsed() < WITHIN, "{} records", offsets.len());
        if let Polled::Record(record) = source.poll(Duration::from_millis(100)).unwrap() {
            let at = record.event().at;
            offsets.push((at.partition.0, at.offset.0));
            drop(record);
            if offsets.len() % 7 == 0 {
                source.pause(&partitions).unwrap();
                assert!(matches!(source.poll(Duration::ZERO), Ok(Polled::Nothing)));
                source.resume(&partitions).unwrap();
            }
        }
    }
    offsets.sort_unstable();
    assert!(offsets.iter().copied().eq((0..2).flat_map(|p| (0..RECORDS).map(move |o| (p, o)))));
}

/// A pause is of what is owned: what is given up meanwhile, and comes back later, is read.
#[test]
fn a_partition_given_up_while_paused_comes_back_awake() {
    let cluster = filled(2);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    let (given_up, kept) = partitions.split_at(1);
    source.assign(&starts(&partitions, 0)).unwrap();
    source.pause(&partitions).unwrap();
    source.release(given_up).unwrap();
    source.resume(kept).unwrap();
    assert_eq!(read(&mut source, kept, RECORDS).len() as i64, RECORDS);
    source.assign(&starts(given_up, 0)).unwrap();
    assert_eq!(read(&mut source, given_up, RECORDS).len() as i64, RECORDS);
}

/// librdkafka may fetch again what it handed over already.
#[test]
fn a_record_that_is_fetched_again_comes_once() {
    let cluster = filled(1);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    source.assign(&starts(&partitions, 0)).unwrap();
    assert_eq!(read(&mut source, &partitions, RECORDS).len() as i64, RECORDS);
    source.consumer.seek("events", 0, KafkaOffset::Beginning, WITHIN).unwrap();
    publish(&cluster, 0, 1);
    assert_eq!(read(&mut source, &partitions, RECORDS + 1), [(0, RECORDS)]);
}

/// What is taken and not handed out goes with its partition.
#[test]
fn a_partition_given_up_halfway_begins_anew() {
    let cluster = filled(2);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    for taken in [1, 10, 60] {
        source.assign(&starts(&partitions, 0)).unwrap();
        let mut left = taken;
        while left > 0 {
            if let Polled::Record(_) = source.poll(Duration::from_millis(100)).unwrap() {
                left -= 1;
            }
        }
        source.release(&partitions).unwrap();
        assert!(source.records.is_empty());
    }
    source.assign(&[(partitions[1], Offset(3))]).unwrap();
    let offsets = read(&mut source, &partitions[1..], RECORDS);
    assert!(offsets.iter().copied().eq((3..RECORDS).map(|offset| (partitions[1].0, offset))));
}
