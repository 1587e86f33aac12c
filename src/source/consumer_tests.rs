//! The source on librdkafka's mock cluster.

use std::time::Instant;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::*;
use crate::config::StartFrom;

const RECORDS: i64 = 100;
const WITHIN: Duration = Duration::from_secs(30);

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn publish(cluster: &Cluster, partition: i32, count: i64) {
    publish_to(&cluster.bootstrap_servers(), partition, count);
}

fn publish_to(servers: &str, partition: i32, count: i64) {
    send(&producer(servers), partition, count);
}

fn producer(servers: &str) -> ThreadedProducer<DefaultProducerContext> {
    ClientConfig::new().set("bootstrap.servers", servers).create().unwrap()
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, partition: i32, count: i64) {
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
    open_with(cluster, &[])
}

fn open_with(cluster: &Cluster, properties: &[(&str, &str)]) -> Source {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "group")
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "error");
    for (name, value) in properties {
        config.set(*name, *value);
    }
    Source::open(&config, "events").unwrap()
}

/// Reads the partitions to this end. Returns the partitions and offsets of the records, in order.
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

fn starts(partitions: &[Partition], offset: i64) -> Vec<Beginning> {
    partitions.iter().map(|partition| start(*partition, offset)).collect()
}

fn start(partition: Partition, offset: i64) -> Beginning {
    Beginning { partition, offset: Offset(offset), check: None }
}

#[test]
fn the_ends_of_all_partitions_are_found_at_once() {
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

/// librdkafka finishes giving a partition up on another thread, after `release` has returned, and
/// then removes the forwarding of the next assignment.
#[test]
fn a_partition_that_is_released_and_assigned_again_at_once_is_read() {
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

/// librdkafka drops what it prefetched and fetches it again; what was taken from it is kept.
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

#[test]
fn a_partition_released_while_paused_is_read_when_it_is_assigned_again() {
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

#[test]
fn a_record_that_librdkafka_fetches_again_is_returned_once() {
    let cluster = filled(1);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    source.assign(&starts(&partitions, 0)).unwrap();
    assert_eq!(read(&mut source, &partitions, RECORDS).len() as i64, RECORDS);
    source.client().seek("events", 0, KafkaOffset::Beginning, WITHIN).unwrap();
    publish(&cluster, 0, 1);
    assert_eq!(read(&mut source, &partitions, RECORDS + 1), [(0, RECORDS)]);
}

/// Neither records that were prefetched nor records that were taken are returned.
#[test]
fn a_partition_released_halfway_begins_at_its_next_assignment() {
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
    source.assign(&[start(partitions[1], 3)]).unwrap();
    let offsets = read(&mut source, &partitions[1..], RECORDS);
    assert!(offsets.iter().copied().eq((3..RECORDS).map(|offset| (partitions[1].0, offset))));
}

#[test]
fn a_record_and_a_report_end_the_wait() {
    let cluster = filled(1);
    let mut source = open(&cluster);
    let partitions = assigned(&mut source);
    source.assign(&starts(&partitions, RECORDS)).unwrap();
    let (servers, reader) = (cluster.bootstrap_servers(), thread::current());
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(200));
            publish_to(&servers, 0, 1);
        });
        while !matches!(source.poll(WITHIN).unwrap(), Polled::Record(_)) {}
        // As a writer does when it reports.
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(200));
            reader.unpark();
        });
        assert!(matches!(source.poll(WITHIN), Ok(Polled::Nothing)));
    });
    assert!(began.elapsed() < WITHIN / 2, "{:?}", began.elapsed());
}

/// librdkafka unparks the thread for the first event in the queue alone, and rdkafka's poll serves
/// one at a time.
#[test]
fn a_record_behind_other_events_is_returned_without_a_wait() {
    let cluster = filled(1);
    let mut source = open_with(&cluster, &[("statistics.interval.ms", "1")]);
    let partitions = assigned(&mut source);
    for _ in 0..10 {
        source.assign(&starts(&partitions, 0)).unwrap();
        // A hundred statistics come between two polls. If each poll served one of them alone, the
        // records behind them would never be reached.
        let is_record = |source: &mut Source| {
            thread::sleep(Duration::from_millis(100));
            matches!(source.poll(Duration::ZERO).unwrap(), Polled::Record(_))
        };
        assert!((0..100).any(|_| is_record(&mut source)));
        source.release(&partitions).unwrap();
    }
}

#[test]
fn a_batch_that_librdkafka_cannot_read_ends_the_client() {
    use RDKafkaErrorCode as Code;
    let classified = |code| classify("events", KafkaError::MessageConsumption(code));
    for code in [Code::BadMessage, Code::BadCompression, Code::NotImplemented] {
        assert!(matches!(classified(code), PollError::Client(_)), "{code:?}");
    }
    let away = classified(Code::AllBrokersDown);
    assert!(matches!(away, PollError::Passing(_)), "{away:?}");
    let gone = classified(Code::AutoOffsetReset);
    assert!(matches!(gone, PollError::Refused { .. }), "{gone:?}");
}
