//! `verify`: faults are planted into a table of a real run, and exactly those are found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::dlq::deal_with;
use crate::support::bigquery::{At, EmbeddedBigQuery};
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Publisher, Sent, count};
use crate::support::kafka::shared;
use crate::support::postgres::Postgres;
use crate::support::proof::Guarantee;

const WITHIN: Duration = Duration::from_secs(120);

/// Publishes events and writes them.
pub fn written(domain: &Domain, seed: u64, events: usize) -> Sent {
    let mut publisher = Publisher::new(shared(), domain, seed);
    publisher.publish(events);
    let sent = publisher.flush();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    sent
}

/// The exit code, and what `verify --json` prints.
pub fn verify(domain: &Domain, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["verify", "DELIVERY", "--json"], arguments].concat();
    let mut run = domain.run(&arguments, &[]);
    let code = run.wait(WITHIN).code();
    let output = run.output();
    let line = output.lines().find(|line| line.starts_with("{\"domain\""));
    let line = line.unwrap_or_else(|| panic!("no JSON in\n{output}"));
    (code, serde_json::from_str(line).expect("JSON"))
}

/// `verify` finds nothing wrong; rows may be there more than once where that is promised.
pub fn assert_whole(domain: &Domain, guarantee: Guarantee) {
    let (code, found) = verify(domain, &[]);
    match guarantee {
        Guarantee::ExactlyOnce => assert_eq!(code, Some(0), "{found}"),
        Guarantee::AtLeastOnce => {
            assert!(entries(&found, "missing").is_empty(), "{found}");
            let partitions = found["partitions"].as_array().expect("partitions");
            assert!(partitions.iter().all(|one| one["tail"].is_null()), "{found}");
        }
    }
}

/// The lists of a kind, of all partitions: each entry with its partition.
pub fn entries(found: &Value, kind: &str) -> Vec<(i32, Value)> {
    let partitions = found["partitions"].as_array().expect("partitions").iter();
    partitions
        .flat_map(|one| {
            let partition = one["partition"].as_i64().expect("a number") as i32;
            let entries = one[kind].as_array().expect("a list").clone();
            entries.into_iter().map(move |entry| (partition, entry))
        })
        .collect()
}

/// The rows of each partition, in order.
pub fn rows_of(sent: &Sent) -> BTreeMap<i32, Vec<i64>> {
    let mut rows: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for ((partition, offset), _) in sent.iter().filter(|(_, fate)| fate.is_row()) {
        rows.entry(*partition).or_default().push(*offset);
    }
    rows
}

/// What is planted: rows that are taken away, and rows that are there again.
struct Planted {
    lost: BTreeSet<At>,
    last: At,
    twice: At,
}

/// Three rows one after the other, the first one and the last one of a partition are lost; another is
/// there three times.
fn planted(sent: &Sent) -> Planted {
    let rows = rows_of(sent);
    let at = |partition: i32, index: usize| (partition, rows[&partition][index]);
    let middle = rows[&0].len() / 2;
    let last = at(3, rows[&3].len() - 1);
    Planted {
        lost: BTreeSet::from([at(0, middle), at(0, middle + 1), at(0, middle + 2), at(1, 0)]),
        last,
        twice: at(2, rows[&2].len() / 3),
    }
}

fn check(domain: &Domain, sent: &Sent, planted: &Planted) {
    let (code, found) = verify(domain, &["--deep"]);
    assert_eq!((code, &found["complete"]), (Some(1), &Value::from(false)), "{found}");
    let missing = entries(&found, "missing");
    assert_eq!(missing.len(), 2, "{missing:?}");
    let lost: BTreeSet<At> = missing
        .iter()
        .flat_map(|(partition, one)| {
            let offsets = one["kafka"]["offsets"].as_array().expect("read again").iter();
            offsets.map(|offset| (*partition, offset.as_i64().expect("a number")))
        })
        .collect();
    assert_eq!(lost, planted.lost);
    let repeated = entries(&found, "repeated");
    let (partition, offset) = planted.twice;
    assert_eq!(repeated, [(partition, serde_json::json!({ "offset": offset, "rows": 3 }))]);
    for one in found["partitions"].as_array().expect("partitions") {
        let partition = one["partition"].as_i64().expect("a number") as i32;
        let tail = (partition == planted.last.0).then_some(planted.last.1);
        assert_eq!(one["tail"]["to"].as_i64(), tail, "{one}");
    }
    // What is before the first row, Kafka says, is not a row.
    for (partition, one) in entries(&found, "unproven") {
        assert_eq!(one["kafka"]["rows"], 0, "partition {partition}: {one}");
    }
    let rows: u64 = found["partitions"]
        .as_array()
        .expect("partitions")
        .iter()
        .map(|one| one["rows"].as_u64().expect("a number"))
        .sum();
    let expected = count(sent, |fate| fate.is_row()) - planted.lost.len() - 1 + 2;
    assert_eq!(rows, expected as u64);
}

#[test]
fn faults_that_are_planted_into_a_table_of_bigquery_are_found() {
    let bigquery = EmbeddedBigQuery::start("verify", "", 1);
    let domain = Domain::new("verify", shared(), &bigquery.urls());
    let sent = written(&domain, 31, 2_000);
    let (code, found) = verify(&domain, &["--deep"]);
    assert_eq!((code, &found["complete"]), (Some(0), &Value::from(true)), "{found}");
    let planted = planted(&sent);
    for (partition, offset) in planted.lost.iter().chain([&planted.last]) {
        let statement = format!(
            "DELETE FROM {{table}} WHERE _kafka_partition = {partition} AND _kafka_offset = {offset}"
        );
        assert_eq!(bigquery.plant(TABLE, &statement), 1);
    }
    let (partition, offset) = planted.twice;
    for _ in 0..2 {
        let statement = format!(
            "INSERT INTO {{table}} SELECT * FROM {{table}} WHERE _kafka_partition = {partition} AND \
             _kafka_offset = {offset} LIMIT 1"
        );
        assert_eq!(bigquery.plant(TABLE, &statement), 1);
    }
    check(&domain, &sent, &planted);
    // A part without them is complete: the events are all published now, so nothing is of before.
    let (code, found) = verify(&domain, &["--to", "2020-01-01"]);
    assert_eq!((code, entries(&found, "missing").len()), (Some(0), 0), "{found}");
}

#[test]
fn faults_that_are_planted_into_a_table_of_postgresql_are_found() {
    let server = Postgres::start("verify");
    let domain = Domain::on_postgres("verify-pg", shared(), &server.section());
    let sent = written(&domain, 32, 2_000);
    let (code, found) = verify(&domain, &["--deep"]);
    assert_eq!((code, &found["complete"]), (Some(0), &Value::from(true)), "{found}");
    let planted = planted(&sent);
    for (partition, offset) in planted.lost.iter().chain([&planted.last]) {
        server.query(&format!(
            "DELETE FROM {TABLE} WHERE _kafka_partition = {partition} AND _kafka_offset = {offset}"
        ));
    }
    let (partition, offset) = planted.twice;
    for _ in 0..2 {
        server.query(&format!(
            "INSERT INTO {TABLE} SELECT * FROM {TABLE} WHERE _kafka_partition = {partition} AND \
             _kafka_offset = {offset} LIMIT 1"
        ));
    }
    check(&domain, &sent, &planted);
}

/// Offsets that somebody has set say nothing of the rows before them, and a group that is gone neither.
#[test]
fn offsets_that_somebody_has_set_do_not_say_which_row_is_the_last() {
    let bigquery = EmbeddedBigQuery::start("verify-set", "", 1);
    let domain = Domain::new("verify-set", shared(), &bigquery.urls());
    let sent = written(&domain, 33, 400);
    let last = *rows_of(&sent)[&0].last().expect("a row");
    let statement =
        format!("DELETE FROM {{table}} WHERE _kafka_partition = 0 AND _kafka_offset = {last}");
    assert_eq!(bigquery.plant(TABLE, &statement), 1);
    shared().delete_group(&domain.group);
    let (code, found) = verify(&domain, &[]);
    assert_eq!((code, &found["tails_checked"]), (Some(0), &Value::from(false)), "{found}");
    for (partition, end) in (0..).zip(shared().ends(&domain.topic, PARTITIONS)) {
        deal_with(shared(), &domain.group, &domain.topic, partition, end);
    }
    let (code, found) = verify(&domain, &["--deep"]);
    assert_eq!((code, &found["tails_checked"]), (Some(1), &Value::from(false)), "{found}");
    let open = entries(&found, "unproven").into_iter().filter(|(_, one)| one["kafka"]["rows"] != 0);
    let open: Vec<_> =
        open.map(|(partition, one)| (partition, one["kafka"]["offsets"].clone())).collect();
    assert_eq!(open, [(0, serde_json::json!([last]))]);
}
