//! `replay`: rows that are taken out of a table come back, once, whatever goes on meanwhile.
//! `CHAOS_KILLS` replays are killed (3 by default), `CHAOS_SEED` repeats the moments.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::verify::{entries, rows_of, verify, written};
use crate::chaos::number;
use crate::support::bigquery::{At, EmbeddedBigQuery};
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Feed, Publisher, Sent, count};
use crate::support::kafka::shared;
use crate::support::postgres::Postgres;
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(120);

/// What holds the table.
pub enum Store {
    BigQuery(EmbeddedBigQuery),
    Postgres(Postgres),
}

impl Store {
    pub fn start(name: &str, is_postgres: bool) -> (Self, Domain) {
        if is_postgres {
            let server = Postgres::start(name);
            let domain = Domain::on_postgres(name, shared(), &server.section());
            return (Self::Postgres(server), domain);
        }
        let bigquery = EmbeddedBigQuery::start(name, "", 1);
        let domain = Domain::new(name, shared(), &bigquery.urls());
        (Self::BigQuery(bigquery), domain)
    }

    /// Takes rows out of the table.
    pub fn take(&self, rows: &BTreeSet<At>) {
        for (partition, offset) in rows {
            let of = format!("_kafka_partition = {partition} AND _kafka_offset = {offset}");
            match self {
                Self::BigQuery(bigquery) => {
                    let statement = format!("DELETE FROM {{table}} WHERE {of}");
                    assert_eq!(bigquery.plant(TABLE, &statement), 1);
                }
                Self::Postgres(server) => {
                    server.query(&format!("DELETE FROM {TABLE} WHERE {of}"));
                }
            }
        }
    }

    /// The positions of all visible rows, in order; one that is there twice comes twice.
    pub fn positions(&self) -> Vec<At> {
        let mut all: Vec<At> = match self {
            Self::BigQuery(bigquery) => {
                let rows = bigquery.rows(TABLE).into_iter().filter(|row| row.visible);
                rows.map(|row| (row.partition, row.offset)).collect()
            }
            Self::Postgres(server) => {
                let rows = format!("SELECT _kafka_partition, _kafka_offset FROM {TABLE}");
                let number = |cell: &Option<String>| cell.as_ref()?.parse::<i64>().ok();
                let at = |row: &Vec<Option<String>>| {
                    let (partition, offset) = (number(&row[0]), number(&row[1]));
                    (partition.expect("a number") as i32, offset.expect("a number"))
                };
                server.query(&rows).iter().map(at).collect()
            }
        };
        all.sort_unstable();
        all
    }

    /// How many dead letters there are; one that is there twice counts twice.
    pub fn letters(&self) -> usize {
        match self {
            Self::BigQuery(bigquery) => bigquery.all_letters(TABLE).len(),
            Self::Postgres(server) => {
                server.query(&format!("SELECT 1 FROM {TABLE}_dead_letters")).len()
            }
        }
    }
}

/// The positions of the events that are rows, in order.
pub fn expected(sent: &[&Sent]) -> Vec<At> {
    let rows = sent.iter().flat_map(|sent| sent.iter()).filter(|(_, fate)| fate.is_row());
    let mut all: Vec<At> = rows.map(|(at, _)| *at).collect();
    all.sort_unstable();
    all
}

fn replay(domain: &Domain, arguments: &[&str], code: i32) -> String {
    let mut process = domain.run(&[&["replay", "DELIVERY"], arguments].concat(), &[]);
    assert_eq!(process.wait(WITHIN).code(), Some(code), "{}", process.output());
    process.output()
}

fn gaps_are_filled(name: &str, is_postgres: bool) {
    let (store, domain) = Store::start(name, is_postgres);
    let sent = written(&domain, 51, 2_000);
    let rows = rows_of(&sent);
    let at = |partition: i32, index: usize| (partition, rows[&partition][index]);
    let middle = rows[&0].len() / 2;
    let lost = BTreeSet::from([at(0, middle), at(0, middle + 1), at(2, 5), at(2, 9), at(3, 40)]);
    let first = at(1, 0);
    let last = at(2, rows[&2].len() - 1);
    store.take(&lost);
    store.take(&BTreeSet::from([first, last]));

    let before = store.positions();
    let said = replay(&domain, &["--gaps", "--dry-run"], 0);
    assert!(said.contains("partition 3: offsets"), "{said}");
    assert_eq!(store.positions(), before, "a dry run writes nothing");

    let said = replay(&domain, &["--gaps"], 0);
    assert!(said.contains("inserted    5 rows into"), "{said}");
    assert!(said.contains("no row is before them"), "{said}");
    let all = expected(&[&sent]);
    let without =
        |gone: &[At]| -> Vec<At> { all.iter().filter(|at| !gone.contains(at)).copied().collect() };
    assert_eq!(store.positions(), without(&[first, last]));
    let (_, found) = verify(&domain, &[]);
    let missing = entries(&found, "missing");
    assert_eq!(missing.len(), 1, "the first row of a partition is left: {found}");

    // The same again: nothing is missing but what it has to be told about.
    let said = replay(&domain, &["--gaps"], 0);
    assert!(said.contains("read        nothing"), "{said}");
    let said = replay(&domain, &["--gaps", "--from", "0", "--partition", "1"], 0);
    assert!(said.contains("inserted    1 row into"), "{said}");
    assert_eq!(store.positions(), without(&[last]));

    // The instance has said that nothing was left to make visible, so the last row is nobody else's.
    let to = (last.1 + 1).to_string();
    let said = replay(&domain, &["--partition", "2", "--from", "0", "--to", &to], 0);
    assert!(said.contains("inserted    1 row into"), "{said}");
    let (code, found) = verify(&domain, &["--deep"]);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(store.positions(), all);
    // A whole part by time: everything is there already, and no dead letter is written a second time.
    let letters = store.letters();
    assert!(letters > 0);
    let said = replay(&domain, &["--from", "2020-01-01"], 0);
    assert!(said.contains("inserted    0 rows into"), "{said}");
    assert_eq!(store.letters(), letters);
    // A topic that is not there is told at once, and not taken for an outage.
    domain.set("IN_TOPIC", &format!("{name}-no-such-topic"));
    let began = Instant::now();
    replay(&domain, &["--gaps"], 3);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn the_gaps_of_a_table_of_bigquery_are_filled() {
    gaps_are_filled("replay-gaps", false);
}

#[test]
fn the_gaps_of_a_table_of_postgresql_are_filled() {
    gaps_are_filled("replay-gaps-pg", true);
}

/// Replays are killed at random moments while instances write; then one ends.
fn killed_beside_instances(name: &str, is_postgres: bool) {
    let kills = number("CHAOS_KILLS").unwrap_or(3);
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("{name}: CHAOS_SEED={seed} CHAOS_KILLS={kills}");
    let mut dice = StdRng::seed_from_u64(seed);
    let (store, domain) = Store::start(name, is_postgres);
    let sent = written(&domain, seed, 4_000);
    let mut rows = expected(&[&sent]);
    // Neither the first nor the last row of a partition.
    let ends = rows_of(&sent);
    rows.retain(|(partition, offset)| {
        let of = &ends[partition];
        *offset != of[0] && *offset != of[of.len() - 1]
    });
    rows.shuffle(&mut dice);
    let lost: BTreeSet<At> = rows[..600].iter().copied().collect();
    store.take(&lost);

    let mut instance = domain.start_ready();
    let feed = Feed::start(Publisher::new(shared(), &domain, seed + 1), 200);
    let arguments = ["replay", "DELIVERY", "--gaps", "--wait", "--lease-seconds", "2"];
    let (mut killed, mut longest) = (0, 2_000);
    while killed < kills {
        let mut process = domain.run(&arguments, &[]);
        let moment = Duration::from_millis(dice.random_range(0..longest));
        let began = Instant::now();
        while began.elapsed() < moment && process.ended().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if process.ended().is_some() {
            // It was done before the moment came: more is taken away, and the next moment is earlier.
            longest = (longest * 3 / 4).max(50);
            store.take(&rows[..100].iter().copied().collect());
        }
        killed += u64::from(process.ended().is_none());
        process.kill();
    }
    let mut process = domain.run(&arguments, &[]);
    assert_eq!(process.wait(WITHIN).code(), Some(0), "{}", process.output());
    let more = feed.stop();
    let all = expected(&[&sent, &more]);
    until_true("the instance has written the rest", WITHIN, || {
        store.positions().len() >= all.len()
    });
    instance.stop();
    assert_eq!(store.positions(), all, "each row once");
    let (code, found) = verify(&domain, &[]);
    assert_eq!(code, Some(0), "{found}");
    assert!(count(&more, |fate| fate.is_row()) > 100, "instances have written meanwhile");
}

#[test]
fn killed_replays_beside_instances_end_the_same_in_bigquery() {
    killed_beside_instances("replay-kills", false);
}

#[test]
fn killed_replays_beside_instances_end_the_same_in_postgresql() {
    killed_beside_instances("replay-kills-pg", true);
}

/// More than BigQuery puts into one answer: every place is read, and every letter is known.
#[test]
fn more_gaps_than_one_answer_has_are_filled() {
    let (store, domain) = Store::start("replay-many", false);
    let sent = written(&domain, 52, 4_000);
    let all = expected(&[&sent]);
    let of = rows_of(&sent);
    let lost: BTreeSet<At> = of
        .iter()
        .flat_map(|(partition, rows)| {
            // Every other row, but neither the first nor the last.
            let inner = rows[1..rows.len() - 1].iter().step_by(2);
            inner.map(|offset| (*partition, *offset)).collect::<Vec<_>>()
        })
        .collect();
    assert!(lost.len() > 1_200, "{}", lost.len());
    store.take(&lost);
    let (_, found) = verify(&domain, &[]);
    assert_eq!((entries(&found, "missing").len(), &found["cut"]), (lost.len(), &false.into()));
    replay(&domain, &["--gaps"], 0);
    assert_eq!(store.positions(), all);
    let letters = store.letters();
    assert!(letters > 0);
    replay(&domain, &["--from", "2020-01-01"], 0);
    assert_eq!(store.letters(), letters, "none is written a second time");
}

/// A part of a gap: what is missing before it stays known.
#[test]
fn a_part_that_begins_in_a_gap_leaves_nothing_behind() {
    let (store, domain) = Store::start("replay-part", true);
    let sent = written(&domain, 53, 600);
    let rows = rows_of(&sent)[&0].clone();
    let gap: BTreeSet<At> = rows[20..60].iter().map(|offset| (0, *offset)).collect();
    store.take(&gap);
    let part = [rows[30].to_string(), rows[40].to_string()];
    replay(&domain, &["--partition", "0", "--from", &part[0], "--to", &part[1]], 0);
    let (code, found) = verify(&domain, &["--deep"]);
    let missing = entries(&found, "missing");
    assert_eq!((code, missing.len()), (Some(1), 1), "{found}");
    assert_eq!(missing[0].1["kafka"]["rows"], 20, "{found}");
    replay(&domain, &["--gaps"], 0);
    assert_eq!(store.positions(), expected(&[&sent]));
    assert_eq!(verify(&domain, &["--deep"]).0, Some(0));
}

/// The same offsets are other records.
#[test]
fn a_topic_that_was_created_again_is_not_replayed() {
    let (store, domain) = Store::start("replay-again", true);
    let sent = written(&domain, 54, 400);
    let rows = rows_of(&sent)[&0].clone();
    store.take(&rows[20..30].iter().map(|offset| (0, *offset)).collect());
    shared().delete_topic(&domain.topic);
    shared().create_topic(&domain.topic, PARTITIONS);
    let mut publisher = Publisher::new(shared(), &domain, 55);
    publisher.publish(200);
    publisher.flush();
    let before = store.positions();
    for arguments in [["--gaps"].as_slice(), &["--from", "2020-01-01"]] {
        let said = replay(&domain, arguments, 3);
        assert!(said.contains("it was deleted and created again"), "{said}");
    }
    assert_eq!(store.positions(), before);
    let mut deep = domain.run(&["verify", "DELIVERY", "--deep"], &[]);
    assert_eq!(deep.wait(WITHIN).code(), Some(3), "{}", deep.output());
    assert_eq!(verify(&domain, &[]).0, Some(1), "the old rows are compared with each other");
}
