//! Records written in producer transactions: committed records become rows. Transaction markers,
//! aborted records and open transactions do not keep `--until-caught-up` from ending.

use std::collections::BTreeSet;
use std::time::Duration;

use generic_consumer::contract::sample::{Sample, Samples};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, IGNORED, PARTITIONS, TABLE};
use crate::support::events::event_id;
use crate::support::kafka::{Kafka, shared};

const WITHIN: Duration = Duration::from_secs(60);
const AROUND_MS: i64 = 1_794_000_000_000;
const EACH: usize = 40;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Commit,
    Abort,
    /// The transaction is still open when the run ends.
    Open,
}

fn producer(kafka: &Kafka, id: &str) -> BaseProducer {
    let producer: BaseProducer = kafka
        .client()
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "300000")
        .create()
        .unwrap();
    producer.init_transactions(WITHIN).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, samples: &[Sample], end: End) {
    producer.begin_transaction().unwrap();
    for (number, sample) in samples.iter().enumerate() {
        let partition = number as i32 % PARTITIONS;
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&sample.value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WITHIN).unwrap();
    match end {
        End::Commit => producer.commit_transaction(WITHIN).unwrap(),
        End::Abort => producer.abort_transaction(WITHIN).unwrap(),
        End::Open => {}
    }
}

fn rows_of(name: &str, guarantee: &str, ends: &[End]) {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start(name, "", 1);
    let domain = Domain::new(name, kafka, &bigquery.urls());
    domain.set("DELIVERY_GUARANTEE", guarantee);
    let contract = domain.contract();
    let mut samples = Samples::new(&contract, 7, AROUND_MS);
    let producer = producer(kafka, name);
    let mut expected = BTreeSet::new();
    for end in ends {
        let batch: Vec<Sample> = std::iter::from_fn(|| samples.event()).take(EACH).collect();
        send(&producer, &domain.topic, &batch, *end);
        if *end == End::Commit {
            let good = batch.iter().filter(|sample| sample.event_type != IGNORED);
            expected.extend(good.map(event_id));
        }
    }
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    let rows = bigquery.rows(TABLE);
    assert_eq!(rows.len(), expected.len());
    let arrived: BTreeSet<String> = rows.into_iter().map(|row| row.event_id).collect();
    assert_eq!(arrived, expected);
}

#[test]
fn a_topic_that_ends_with_a_committed_transaction() {
    rows_of("txn-commit", "exactly-once", &[End::Commit, End::Abort, End::Commit]);
}

#[test]
fn a_topic_that_ends_with_an_aborted_transaction() {
    rows_of("txn-abort", "exactly-once", &[End::Commit, End::Abort]);
    rows_of("txn-abort-at-least-once", "at-least-once", &[End::Commit, End::Commit, End::Abort]);
}

#[test]
fn a_topic_that_ends_with_an_open_transaction() {
    rows_of("txn-open", "exactly-once", &[End::Commit, End::Open]);
}

#[test]
fn a_topic_with_only_an_aborted_transaction() {
    rows_of("txn-nothing", "exactly-once", &[End::Abort]);
}
