//! `dlq list` and `dlq show` on each store of dead letters, after a real run.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::support::bigquery::{At, DATASET, EmbeddedBigQuery, PROJECT};
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Fate, Publisher, Sent};
use crate::support::kafka::{Kafka, shared};
use crate::support::postgres::Postgres;
use crate::support::records::{Record, records};

const WITHIN: Duration = Duration::from_secs(120);

/// Publishes events and has them written; returns the reasons of those that are dead letters.
fn written(domain: &Domain, kafka: &Kafka, seed: u64) -> BTreeMap<At, &'static str> {
    let mut publisher = Publisher::new(kafka, domain, seed);
    publisher.publish(2_000);
    let sent: Sent = publisher.flush();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    let dead = sent.into_iter().filter_map(|(at, fate)| match fate {
        Fate::Letter(reason) => Some((at, reason)),
        Fate::Row { .. } | Fate::Ignored => None,
    });
    dead.collect()
}

/// The exit code, and the lines of JSON that a command prints.
fn dlq(domain: &Domain, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let arguments = [&["dlq"], arguments, &["--json"]].concat();
    let mut run = domain.run(&arguments, &[]);
    let code = run.wait(WITHIN).code();
    let output = run.output();
    let lines = output.lines().filter(|line| line.starts_with('{'));
    (code, lines.map(|line| serde_json::from_str(line).expect("JSON")).collect(), output)
}

pub fn list(domain: &Domain, arguments: &[&str]) -> Value {
    let (code, mut lines, output) = dlq(domain, &[&["list", "DELIVERY"], arguments].concat());
    assert_eq!((code, lines.len()), (Some(0), 1), "{output}");
    lines.remove(0)
}

/// How many letters the groups of each reason have.
fn by_reason(found: &Value) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for group in found["groups"].as_array().expect("groups") {
        let reason = group["reason"].as_str().expect("a reason").to_owned();
        *all.entry(reason).or_default() += group["letters"].as_u64().expect("a number");
    }
    all
}

fn counted<'a>(reasons: impl Iterator<Item = &'a &'static str>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for reason in reasons {
        *all.entry((*reason).to_owned()).or_default() += 1;
    }
    all
}

/// What would become of letters: by reason, fate and new reason.
fn dry_run(domain: &Domain) -> BTreeMap<(String, String, String), u64> {
    let (code, lines, output) = dlq(domain, &["redrive", "DELIVERY", "--dry-run"]);
    assert_eq!((code, lines.len()), (Some(0), 1), "{output}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tried = lines[0]["tried"].as_array().expect("a list").iter();
    tried
        .map(|one| {
            let letters = one["letters"].as_u64().expect("a number");
            ((text(&one["reason"]), text(&one["fate"]), text(&one["of"])), letters)
        })
        .collect()
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().expect("a text").parse().expect("a time")
}

fn bytes(letter: &Value, name: &str) -> Option<Vec<u8>> {
    let encoded = letter[format!("{name}_base64")].as_str();
    let text = letter[name].as_str().map(|text| text.as_bytes().to_vec());
    text.or_else(|| encoded.map(|text| STANDARD.decode(text).expect("base64")))
}

/// Every letter is listed, and shown with the record that it came from.
fn check(domain: &Domain, kafka: &Kafka, dead: &BTreeMap<At, &'static str>) {
    let found = list(domain, &[]);
    assert_eq!(by_reason(&found), counted(dead.values()), "{found}");
    assert_eq!((&found["letters"], &found["redriven"]), (&json!(dead.len()), &json!(0)));
    for group in found["groups"].as_array().expect("groups") {
        let example = &group["example"];
        let at = (
            example["partition"].as_i64().expect("a number") as i32,
            example["offset"].as_i64().expect("a number"),
        );
        assert_eq!(dead.get(&at).copied(), group["reason"].as_str(), "{group}");
        assert!(group["contract"].as_str().is_some_and(|id| id.contains("delivery_events_v10")));
        assert!(time(&group["first"]) <= time(&group["last"]), "{group}");
    }
    let originals = records(kafka, &domain.topic, PARTITIONS);
    // Every letter has its record.
    let (code, letters, output) =
        dlq(domain, &["show", "DELIVERY", "--limit", "10000", "--payload"]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(letters.len(), dead.len());
    for letter in &letters {
        let at = (
            letter["partition"].as_i64().expect("a number") as i32,
            letter["offset"].as_i64().expect("a number"),
        );
        assert_eq!(dead.get(&at).copied(), letter["reason"].as_str(), "{letter}");
        let original: &Record = &originals[&at];
        assert_eq!(bytes(letter, "key"), original.key, "{letter}");
        assert_eq!(bytes(letter, "value"), original.value, "{letter}");
        assert_eq!(letter["whole"], true);
        assert_eq!(letter["topic"], domain.topic.as_str());
        assert_eq!(time(&letter["timestamp"]).as_millisecond(), original.timestamp_ms);
    }
    for (limit, is_cut) in [(dead.len() - 1, true), (dead.len(), false)] {
        let mut run = domain.run(&["dlq", "show", "DELIVERY", "--limit", &limit.to_string()], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
        assert_eq!(run.output().contains("there are more letters: --limit"), is_cut, "{limit}");
    }
    // One by its position, and some of a reason, without values.
    let ((partition, offset), reason) = dead.iter().next().expect("a letter");
    let position = format!("{partition}/{offset}");
    let (code, letters, output) = dlq(domain, &["show", "DELIVERY", &position]);
    assert_eq!((code, letters.len()), (Some(0), 1), "{output}");
    assert_eq!((&letters[0]["offset"], letters[0].get("value")), (&json!(offset), None));
    let (_, letters, output) =
        dlq(domain, &["show", "DELIVERY", "--reason", reason, "--limit", "2"]);
    let wanted = dead.values().filter(|other| *other == reason).count().min(2);
    assert_eq!(letters.len(), wanted, "{output}");
    assert!(letters.iter().all(|letter| letter["reason"] == *reason), "{output}");
    let (code, letters, output) = dlq(domain, &["show", "DELIVERY", "0/999999"]);
    assert_eq!((code, letters.len()), (Some(1), 0), "{output}");
    assert!(output.contains("no such letter"), "{output}");
    // Nothing was rejected then.
    assert_eq!(list(domain, &["--to", "2020-01-01"])["letters"], 0);
    assert_eq!(list(domain, &["--from", "2020-01-01"])["letters"], dead.len());
    // By the same contract they are dead again, each for the same reason.
    let tried = dry_run(domain);
    assert_eq!(tried.len(), counted(dead.values()).len(), "{tried:?}");
    for ((reason, fate, of), letters) in &tried {
        assert_eq!((fate.as_str(), of), ("dead", reason), "{tried:?}");
        assert_eq!(*letters, counted(dead.values())[reason], "{tried:?}");
    }
    // A page for people has no values of payloads, and what was counted.
    let mut run = domain.run(&["dlq", "list", "DELIVERY"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0));
    assert!(run.output().contains(&format!("{} dead letters", dead.len())), "{}", run.output());
}

/// What `list` says once a letter's record is a row, and another letter is there twice.
fn check_redriven(domain: &Domain, dead: &BTreeMap<At, &'static str>, reason: &str) {
    let found = list(domain, &[]);
    assert_eq!((&found["letters"], &found["redriven"]), (&json!(dead.len()), &json!(1)), "{found}");
    let groups = found["groups"].as_array().expect("groups").iter();
    let redriven: Vec<&Value> = groups.filter(|group| group["redriven"] == 1).collect();
    assert_eq!(redriven.len(), 1, "{found}");
    assert_eq!(redriven[0]["reason"], reason);
    let there = dry_run(domain).into_iter().filter(|((_, fate, _), _)| fate == "there");
    let there: Vec<_> = there.map(|((of, ..), letters)| (of, letters)).collect();
    assert_eq!(there, [(reason.to_owned(), 1)]);
}

#[test]
fn letters_in_a_table_of_bigquery_are_listed_and_shown() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("dlq", "", 1);
    let domain = Domain::new("dlq", kafka, &bigquery.urls());
    let (code, _, output) = dlq(&domain, &["list", "DELIVERY"]);
    assert_eq!(code, Some(3), "{output}");
    assert!(output.contains("there is no such table"), "{output}");
    let dead = written(&domain, kafka, 41);
    check(&domain, kafka, &dead);
    let ((partition, offset), reason) = dead.iter().next_back().expect("a letter");
    let letters = format!("\"{PROJECT}.{DATASET}.{TABLE}_dead_letters\"");
    let place = format!("_kafka_partition = {partition} AND _kafka_offset = {offset}");
    let statement = format!(
        "UPDATE {{table}} SET _kafka_partition = {partition}, _kafka_offset = {offset}, \
         _kafka_timestamp = (SELECT _kafka_timestamp FROM {letters} WHERE {place} LIMIT 1) WHERE \
         rowid = (SELECT min(rowid) FROM {{table}} WHERE __visible = 1)"
    );
    assert_eq!(bigquery.plant(TABLE, &statement), 1);
    let again = format!("INSERT INTO {{table}} SELECT * FROM {{table}} WHERE {place}");
    assert_eq!(bigquery.plant(&format!("{TABLE}_dead_letters"), &again), 1);
    check_redriven(&domain, &dead, reason);
}

#[test]
fn letters_in_a_table_of_postgresql_are_listed_and_shown() {
    let kafka = shared();
    let server = Postgres::start("dlq");
    let domain = Domain::on_postgres("dlq-pg", kafka, &server.section());
    let dead = written(&domain, kafka, 42);
    check(&domain, kafka, &dead);
    let ((partition, offset), reason) = dead.iter().next_back().expect("a letter");
    let letters = format!("{TABLE}_dead_letters");
    let place = format!("_kafka_partition = {partition} AND _kafka_offset = {offset}");
    server.query(&format!(
        "UPDATE {TABLE} SET _kafka_partition = {partition}, _kafka_offset = {offset}, \
         _kafka_timestamp = (SELECT _kafka_timestamp FROM {letters} WHERE {place} LIMIT 1) WHERE \
         ctid = (SELECT min(ctid) FROM {TABLE})"
    ));
    server.query(&format!("INSERT INTO {letters} SELECT * FROM {letters} WHERE {place}"));
    check_redriven(&domain, &dead, reason);
}

/// Commits that so many letters of a partition of the topic are dealt with.
pub fn deal_with(kafka: &Kafka, group: &str, topic: &str, partition: i32, letters: i64) {
    let client: BaseConsumer = kafka.client().set("group.id", group).create().expect("a client");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(letters)).expect("an offset");
    client.commit(&list, CommitMode::Sync).expect("committed");
}

fn check_backlog(domain: &Domain, kafka: &Kafka, topic: &str, dead: &BTreeMap<At, &'static str>) {
    let group = format!("{}-dead-letters", domain.group);
    let found = list(domain, &[]);
    assert_eq!(found["backlog"]["committed"], false, "{found}");
    assert_eq!(kafka.committed(&group, topic, 1), [-1], "looking commits nothing");
    deal_with(kafka, &group, topic, 0, 3);
    let found = list(domain, &[]);
    assert_eq!(found["letters"], dead.len() - 3, "{found}");
    assert_eq!(
        (&found["backlog"]["committed"], &found["backlog"]["before"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(list(domain, &["--all"])["letters"], dead.len());
    let (_, letters, _) = dlq(domain, &["show", "DELIVERY", "--limit", "10000"]);
    assert_eq!(letters.len(), dead.len() - 3);
}

#[test]
fn letters_in_a_topic_of_the_environment_are_listed_and_shown() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("dlq-topic", "", 1);
    let domain = Domain::new("dlq-topic", kafka, &bigquery.urls());
    let topic = "dlq-topic-dead";
    kafka.create_topic(topic, 1);
    domain.set("DEAD_LETTER_DELIVERY", &format!("kafka:{topic}"));
    let dead = written(&domain, kafka, 43);
    check(&domain, kafka, &dead);
    check_backlog(&domain, kafka, topic, &dead);
    // By a contract that takes every object, only what is no object is dead again.
    domain.set_contract(&json!({
        "asyncapi": "3.0.0",
        "info": {"title": "all", "version": "1"},
        "channels": {"C": {"address": domain.topic, "x-event-type": "only", "messages": {
            "Any": {"payload": {"type": "object"}},
        }}},
    }));
    let tried = dry_run(&domain);
    assert!(tried.keys().any(|(_, fate, _)| fate == "row"), "{tried:?}");
    for (reason, fate, of) in tried.keys() {
        let broken = ["empty", "not_utf8", "invalid_json", "registry_framed", "too_deep"];
        match broken.contains(&reason.as_str()) {
            true => assert_eq!((fate.as_str(), of), ("dead", reason), "{tried:?}"),
            false => assert_eq!(fate, "row", "{tried:?}"),
        }
    }
}

/// They are in the cluster of the rows, in transactions.
#[test]
fn letters_in_the_topic_beside_the_rows_are_listed_and_shown() {
    let kafka = shared();
    let domain = Domain::on_kafka("dlq-kafka", kafka, kafka);
    let dead = written(&domain, kafka, 44);
    check(&domain, kafka, &dead);
}

#[test]
fn a_measurement_is_not_read() {
    let section = "url = \"http://127.0.0.1:9\"
bucket = \"b\"
";
    let domain = Domain::on_influx("dlq-influx", shared(), section);
    let (code, _, output) = dlq(&domain, &["list", "DELIVERY"]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("`dlq` does not read the measurement"), "{output}");
}
