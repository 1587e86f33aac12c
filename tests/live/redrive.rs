//! `dlq redrive`: what a wrong deployment rejected becomes rows, once, whatever goes on meanwhile.
//! `CHAOS_KILLS` redrives are killed (3 by default), `CHAOS_SEED` repeats the moments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::dlq::{deal_with, list};
use super::replay::{Store, expected};
use super::verify::{entries, rows_of, verify, written};
use crate::chaos::number;
use crate::support::bigquery::At;
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Fate, Feed, Publisher, Sent, count};
use crate::support::kafka::shared;
use crate::support::until::until_true;

pub const WITHIN: Duration = Duration::from_secs(120);

const LETTER_PARTITIONS: i32 = 2;

/// Publishes events while the domain has a contract that none of them fits, and has them rejected.
pub fn wrongly_deployed(domain: &Domain, mut publisher: Publisher, events: usize) -> Sent {
    let right = domain.env_text();
    domain.set_contract(&json!({
        "asyncapi": "3.0.0",
        "info": {"title": "wrong", "version": "1"},
        "channels": {"C": {"address": domain.topic, "messages": {"Other": {"payload": {
            "type": "object",
            "properties": {"event_type": {"type": "string"}},
        }}}}},
    }));
    publisher.publish(events);
    let sent = publisher.flush();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    for line in right.lines() {
        let (name, value) = line.split_once('=').expect("an assignment");
        domain.set(name, value.trim_matches('\''));
    }
    sent
}

pub fn redrive(domain: &Domain, arguments: &[&str]) -> Value {
    let arguments = [&["dlq", "redrive", "DELIVERY", "--json"], arguments].concat();
    let mut run = domain.run(&arguments, &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    let output = run.output();
    let line = output.lines().find(|line| line.starts_with("{\"dry_run\""));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no JSON in\n{output}"))).expect("JSON")
}

/// How many letters have come to each fate.
pub fn fates(found: &Value) -> BTreeMap<String, u64> {
    let mut fates = BTreeMap::new();
    for one in found["tried"].as_array().expect("a list") {
        let fate = one["fate"].as_str().expect("a text").to_owned();
        *fates.entry(fate).or_default() += one["letters"].as_u64().expect("a number");
    }
    fates
}

/// The table's rows are those of these events, and nothing is wrong with their chain.
fn assert_rows(store: &Store, domain: &Domain, sent: &[&Sent]) {
    assert_eq!(store.positions(), expected(sent), "each row once");
    let (code, found) = verify(domain, &["--deep"]);
    assert_eq!(code, Some(0), "{found}");
    // Nothing is known of what is before a partition's first row, and before the first row of an instance.
    let unproven = entries(&found, "unproven");
    assert!(unproven.len() <= 2 * PARTITIONS as usize, "{found}");
    for (partition, one) in unproven {
        assert_eq!(one["kafka"]["rows"], 0, "partition {partition}: {one}");
    }
}

/// Makes a letter one that three redrives have written, and returns its position.
fn often_tried(store: &Store, sent: &Sent) -> At {
    let stays_dead = sent.iter().find(|(_, fate)| matches!(fate, Fate::Letter(_)));
    let (partition, offset) = *stays_dead.expect("a bad event").0;
    let of = format!("WHERE _kafka_partition = {partition} AND _kafka_offset = {offset}");
    let letters = format!("{TABLE}_dead_letters");
    let mark = |row: &str| format!("SET consumer_group = 'redrive run ' || {row} {of}");
    match store {
        Store::BigQuery(bigquery) => {
            for _ in 0..2 {
                let again = format!("INSERT INTO {{table}} SELECT * FROM {{table}} {of} LIMIT 1");
                bigquery.plant(&letters, &again);
            }
            bigquery.plant(&letters, &format!("UPDATE {{table}} {}", mark("rowid")));
        }
        Store::Postgres(server) => {
            for _ in 0..2 {
                let again = format!("SELECT * FROM {letters} {of} LIMIT 1");
                server.query(&format!("INSERT INTO {letters} {again}"));
            }
            server.query(&format!("UPDATE {letters} {}", mark("ctid::text")));
        }
    }
    (partition, offset)
}

/// Makes the row of a position that of another record.
fn made_anothers(store: &Store, (partition, offset): At) {
    let of = format!("WHERE _kafka_partition = {partition} AND _kafka_offset = {offset}");
    match store {
        Store::BigQuery(bigquery) => {
            // The store keeps times as text.
            let earlier = "SET _kafka_timestamp = '2001' || substr(_kafka_timestamp, 5)";
            assert_eq!(bigquery.plant(TABLE, &format!("UPDATE {{table}} {earlier} {of}")), 1);
        }
        Store::Postgres(server) => {
            let later = "SET _kafka_timestamp = _kafka_timestamp + interval '1 millisecond'";
            server.query(&format!("UPDATE {TABLE} {later} {of}"));
        }
    }
}

fn letters_become_rows(name: &str, is_postgres: bool) {
    let (store, domain) = Store::start(name, is_postgres);
    let first = written(&domain, 61, 300);
    let wrong = wrongly_deployed(&domain, Publisher::new(shared(), &domain, 62), 600);
    let sent = [&first, &wrong];
    let rows = expected(&[&first]);
    let to_redrive = count(&wrong, Fate::is_row) as u64;
    assert_eq!(store.positions(), rows);

    let dry = redrive(&domain, &["--dry-run"]);
    assert_eq!((&dry["rows"], &dry["inserted"]), (&json!(to_redrive), &json!(0)), "{dry}");
    assert_eq!(store.positions(), rows, "a dry run writes nothing");
    let some = redrive(&domain, &["--limit", "50", "--rate", "1000/s"]);
    assert_eq!(some["inserted"], 50, "{some}");
    let rest = redrive(&domain, &[]);
    assert_eq!(rest["inserted"], to_redrive - 50, "{rest}");
    assert_eq!(fates(&rest)["there"], 50, "{rest}");
    assert_rows(&store, &domain, &sent);
    let listed = list(&domain, &[]);
    assert_eq!(listed["redriven"], to_redrive, "{listed}");

    // The same again: nothing is inserted, and what stays dead has no further letter.
    let letters = store.letters();
    let same = redrive(&domain, &[]);
    assert_eq!((&same["inserted"], fates(&same)["there"]), (&json!(0), to_redrive), "{same}");
    assert!(fates(&same)["dead"] > 0, "{same}");
    assert_eq!(store.letters(), letters, "{same}");

    often_tried(&store, &wrong);
    made_anothers(&store, *expected(&[&wrong]).first().expect("a row"));
    let dry = fates(&redrive(&domain, &["--dry-run"]));
    assert_eq!((dry["tried"], dry["taken"]), (1, 1), "{dry:?}");
    assert_eq!(fates(&redrive(&domain, &["--dry-run", "--again"])).get("tried"), None);
    let left = redrive(&domain, &[]);
    assert_eq!((&left["inserted"], fates(&left)["taken"]), (&json!(0), 1), "{left}");
    assert_eq!(store.positions(), expected(&sent));
}

#[test]
fn letters_become_rows_of_bigquery() {
    letters_become_rows("redrive", false);
}

#[test]
fn letters_become_rows_of_postgresql() {
    letters_become_rows("redrive-pg", true);
}

/// Redrives are killed at random moments while instances write; then one ends.
fn killed_beside_instances(name: &str, is_postgres: bool, is_topic: bool) {
    let kills = number("CHAOS_KILLS").unwrap_or(3);
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("{name}: CHAOS_SEED={seed} CHAOS_KILLS={kills}");
    let mut dice = StdRng::seed_from_u64(seed);
    let (store, domain) = Store::start(name, is_postgres);
    let publisher = |seed| {
        let publisher = Publisher::new(shared(), &domain, seed);
        // A row that the table refuses is a link of the chain, which verify does not see in a topic.
        if is_topic { publisher.without_bad() } else { publisher }
    };
    if is_topic {
        letters_in_a_topic(&domain);
    }
    let wrong = wrongly_deployed(&domain, publisher(seed), 1_000);
    let mut instance = domain.start_ready();
    let feed = Feed::start(publisher(seed + 1), 200);
    let arguments = ["dlq", "redrive", "DELIVERY", "--wait", "--lease-seconds", "4"];
    for _ in 0..kills {
        let mut process = domain.run(&arguments, &[]);
        let moment = Duration::from_millis(dice.random_range(0..2_000));
        let began = Instant::now();
        while began.elapsed() < moment && process.ended().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        process.kill();
    }
    let mut process = domain.run(&arguments, &[]);
    assert_eq!(process.wait(WITHIN).code(), Some(0), "{}", process.output());
    let more = feed.stop();
    let all = expected(&[&wrong, &more]);
    until_true("the instance has written the rest", WITHIN, || {
        store.positions().len() >= all.len()
    });
    instance.stop();
    assert_rows(&store, &domain, &[&wrong, &more]);
    let listed = list(&domain, &[]);
    match is_topic {
        true => assert_eq!(listed["letters"], 0, "{listed}"),
        false => assert_eq!(listed["redriven"], count(&wrong, Fate::is_row), "{listed}"),
    }
    assert!(count(&more, Fate::is_row) > 100, "instances have written meanwhile");
}

#[test]
fn killed_redrives_beside_instances_end_the_same_in_bigquery() {
    killed_beside_instances("redrive-kills", false, false);
}

#[test]
fn killed_redrives_beside_instances_end_the_same_in_postgresql() {
    killed_beside_instances("redrive-kills-pg", true, false);
}

#[test]
fn killed_redrives_of_a_topic_end_the_same() {
    killed_beside_instances("redrive-kills-topic", false, true);
}

/// Has the domain send its dead letters to a topic, and returns that.
pub fn letters_in_a_topic(domain: &Domain) -> String {
    let topic = format!("{}-dead", domain.topic);
    shared().create_topic(&topic, LETTER_PARTITIONS);
    domain.set("DEAD_LETTER_DELIVERY", &format!("kafka:{topic}"));
    topic
}

fn letters_of_a_topic_become_rows(name: &str, is_postgres: bool) {
    let (store, domain) = Store::start(name, is_postgres);
    let topic = letters_in_a_topic(&domain);
    let group = format!("{}-dead-letters", domain.group);
    let publisher = |seed| Publisher::new(shared(), &domain, seed);
    let mut good = publisher(64).without_bad();
    good.publish(300);
    let first = good.flush();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    let wrong = wrongly_deployed(&domain, publisher(65).without_bad(), 600);
    let rows = count(&wrong, Fate::is_row) as u64;
    let letters = list(&domain, &[])["letters"].as_u64().expect("a number");

    // Some are chosen: what lies between them is not dealt with.
    let chosen = redrive(&domain, &["--reason", "unknown_event_type", "--limit", "10"]);
    assert_eq!((&chosen["inserted"], &chosen["moved"]), (&json!(10), &Value::Null), "{chosen}");
    let some = redrive(&domain, &["--limit", "50"]);
    // Which of two partitions comes first is open.
    let there = fates(&some).get("there").copied().unwrap_or(0);
    assert!(some["inserted"] == 50 && there <= 10, "{some}");
    let (passed, left) = moved(&some);
    assert!(passed >= 50 + there && passed + left == letters, "{some}");
    assert_eq!(list(&domain, &[])["letters"], left);
    let rest = redrive(&domain, &[]);
    assert_eq!(rest["inserted"], rows - 60, "{rest}");
    assert_eq!(moved(&rest), (left, 0), "{rest}");
    assert_eq!(list(&domain, &[])["letters"], 0);
    assert_rows(&store, &domain, &[&first, &wrong]);

    // As if the process had died before the group was moved: the rows are there.
    for partition in 0..LETTER_PARTITIONS {
        deal_with(shared(), &group, &topic, partition, 0);
    }
    let same = redrive(&domain, &[]);
    assert_eq!((&same["inserted"], fates(&same)["there"]), (&json!(0), rows), "{same}");
    assert_eq!(moved(&same), (letters, 0), "{same}");

    // What stays dead is not written a second time, and nothing behind it is passed.
    let bad = wrongly_deployed(&domain, publisher(66), 400);
    let all = list(&domain, &["--all"])["letters"].clone();
    let some = redrive(&domain, &[]);
    let dead = fates(&some)["dead"];
    assert_eq!(some["inserted"], count(&bad, Fate::is_row) as u64, "{some}");
    assert!(dead > 0 && moved(&some).1 >= dead, "{some}");
    let again = redrive(&domain, &[]);
    assert_eq!((&again["inserted"], fates(&again)["dead"]), (&json!(0), dead), "{again}");
    assert_eq!(moved(&again), (0, moved(&some).1), "{again}");
    assert_eq!(list(&domain, &["--all"])["letters"], all);
    assert_eq!(store.positions(), expected(&[&first, &wrong, &bad]));
}

/// How many offsets the group of the letters has passed, and how many are left.
pub fn moved(found: &Value) -> (u64, u64) {
    let number = |name: &str| found["moved"][name].as_u64().expect("a number");
    (number("passed"), number("left"))
}

#[test]
fn letters_of_a_topic_become_rows_of_bigquery() {
    letters_of_a_topic_become_rows("redrive-topic", false);
}

#[test]
fn letters_of_a_topic_become_rows_of_postgresql() {
    letters_of_a_topic_become_rows("redrive-topic-pg", true);
}

/// Rows around letters are missing: a row of a letter would name another as the one before it, and hide that.
#[test]
fn letters_among_missing_rows_wait_for_a_replay() {
    let (store, domain) = Store::start("redrive-gap", false);
    let first = written(&domain, 67, 300);
    let wrong = wrongly_deployed(&domain, Publisher::new(shared(), &domain, 68), 300);
    let more = written(&domain, 69, 300);
    let last = rows_of(&first)[&0].iter().rev().take(5).copied().collect::<Vec<_>>();
    let next = rows_of(&more)[&0].iter().take(5).copied().collect::<Vec<_>>();
    let lost = last.iter().chain(&next).map(|offset| (0, *offset)).collect();
    store.take(&lost);
    let done = redrive(&domain, &[]);
    let rows = rows_of(&wrong);
    let others = rows.iter().filter(|(partition, _)| **partition != 0);
    assert_eq!(done["inserted"], others.map(|(_, rows)| rows.len()).sum::<usize>(), "{done}");
    assert!(fates(&done)["gap"] >= rows[&0].len() as u64, "{done}");
    // What is missing is still known to be missing.
    let mut run = domain.run(&["replay", "DELIVERY", "--gaps"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    redrive(&domain, &[]);
    assert_rows(&store, &domain, &[&first, &wrong, &more]);
}
