//! `dlq redrive` into Kafka and InfluxDB, which cannot be asked which rows they have.
//! `CHAOS_KILLS` redrives are killed (3 by default), `CHAOS_SEED` repeats the moments.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::dlq::list;
use super::redrive::{WITHIN, fates, letters_in_a_topic, redrive, wrongly_deployed};
use super::replay::expected;
use crate::chaos::number;
use crate::postgres::catch_up;
use crate::support::bigquery::At;
use crate::support::domain::{Domain, TABLE};
use crate::support::events::{Fate, Feed, Publisher, count};
use crate::support::influx::Influx;
use crate::support::kafka::{Kafka, shared};
use crate::support::messages::read_all;
use crate::support::until::until_true;

/// Where rows and letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Letters in the topic beside the rows, in the cluster that is read.
    OneCluster,
    /// The same in another cluster.
    OtherCluster,
    Influx,
}

/// A domain, and the store of its rows. The fields are dropped in this order.
struct Scene {
    domain: Domain,
    out: Option<Kafka>,
    server: Option<Influx>,
}

impl Scene {
    fn start(name: &str, place: Where) -> Self {
        let kafka = shared();
        let (mut out, mut server) = (None, None);
        let domain = match place {
            Where::OneCluster => Domain::on_kafka(name, kafka, kafka),
            Where::OtherCluster => {
                let out = out.insert(Kafka::start(&format!("{name}-out")));
                Domain::on_kafka(name, kafka, out)
            }
            Where::Influx => {
                let server = server.insert(Influx::start(name));
                Domain::on_influx(name, kafka, &server.section())
            }
        };
        if place == Where::Influx {
            letters_in_a_topic(&domain);
        }
        Self { domain, out, server }
    }

    /// The positions of all rows, in order, each as often as it is there.
    fn positions(&self) -> Vec<At> {
        let mut all: Vec<At> = match &self.server {
            Some(server) => {
                server.rows(TABLE).iter().map(|row| (row.partition, row.offset)).collect()
            }
            None => {
                let config = self.out.as_ref().unwrap_or(shared()).client();
                let rows = read_all(&config, &format!("{}-out", self.domain.topic));
                let number =
                    |row: &crate::support::messages::Out, name| row.number(name).expect("a number");
                let at =
                    |row| (number(row, "source_partition") as i32, number(row, "source_offset"));
                rows.iter().map(at).collect()
            }
        };
        all.sort_unstable();
        all
    }

    fn publisher(&self, seed: u64) -> Publisher {
        Publisher::new(shared(), &self.domain, seed)
    }
}

fn letters_become_rows(name: &str, place: Where) {
    let scene = Scene::start(name, place);
    let domain = &scene.domain;
    let mut good = scene.publisher(71);
    good.publish(300);
    let first = good.flush();
    catch_up(domain, 0);
    let wrong = wrongly_deployed(domain, scene.publisher(72), 600);
    let rows = count(&wrong, Fate::is_row) as u64;
    let dead = |fate: &Fate| matches!(fate, Fate::Letter(_));
    let stay = (count(&first, dead) + count(&wrong, dead)) as u64;
    let letters = list(domain, &[])["letters"].as_u64().expect("a number");

    let dry = redrive(domain, &["--dry-run"]);
    assert_eq!((&dry["rows"], fates(&dry)["row"]), (&json!(rows), rows), "{dry}");
    assert_eq!(list(domain, &[])["letters"], letters, "a dry run moves nothing");

    // Some are chosen: the others keep their places in the order, behind.
    let chosen = redrive(domain, &["--reason", "unknown_event_type", "--limit", "10"]);
    assert_eq!(chosen["inserted"], 10, "{chosen}");
    let passed = 10 + fates(&chosen).get("ignored").unwrap_or(&0);
    assert_eq!(list(domain, &[])["letters"], letters - passed, "{chosen}");
    let some = redrive(domain, &["--limit", "50"]);
    assert_eq!(some["inserted"], 50, "{some}");
    let rest = redrive(domain, &[]);
    assert_eq!(rest["inserted"], rows - 60, "{rest}");
    assert_eq!(scene.positions(), expected(&[&first, &wrong]), "each once");

    // What stays dead is there once, with the reason of now, and is left alone from then on.
    assert_eq!(list(domain, &[])["letters"], stay);
    let again = redrive(domain, &[]);
    assert_eq!((&again["inserted"], &again["moved"]), (&json!(0), &Value::Null), "{again}");
    assert_eq!((fates(&again)["dead"], &list(domain, &[])["letters"]), (stay, &json!(stay)));
    assert_eq!(scene.positions(), expected(&[&first, &wrong]));

    // Brokers forget the offsets of a group without members after a week. Points overwrite themselves, and
    // letters beside rows have marks.
    let cluster = scene.out.as_ref().unwrap_or(shared());
    cluster.delete_group(&format!("{}-dead-letters", domain.group));
    let forgotten = redrive(domain, &[]);
    match place {
        Where::Influx => assert_eq!(forgotten["inserted"], rows, "{forgotten}"),
        Where::OneCluster | Where::OtherCluster => {
            assert_eq!(forgotten["inserted"], 0, "{forgotten}");
            assert_eq!(list(domain, &[])["letters"], stay);
        }
    }
    assert_eq!(scene.positions(), expected(&[&first, &wrong]));

    // The instances go on beside it, and no letter is redriven twice.
    let more = wrongly_deployed(domain, scene.publisher(73), 300);
    let done = redrive(domain, &[]);
    assert_eq!(done["inserted"], count(&more, Fate::is_row) as u64, "{done}");
    assert_eq!(list(domain, &[])["letters"], stay + count(&more, dead) as u64);
    assert_eq!(scene.positions(), expected(&[&first, &wrong, &more]));
}

#[test]
fn letters_beside_rows_of_kafka_become_rows() {
    letters_become_rows("redrive-kafka", Where::OneCluster);
}

#[test]
fn letters_and_rows_in_another_cluster_become_rows() {
    letters_become_rows("redrive-kafka-two", Where::OtherCluster);
}

/// An instance writes such a letter before the offset, and may make a row of its record after all.
#[test]
fn letters_that_may_be_rows_are_not_redriven_into_kafka() {
    let scene = Scene::start("redrive-kafka-apart", Where::OneCluster);
    letters_in_a_topic(&scene.domain);
    let mut run = scene.domain.run(&["dlq", "redrive", "DELIVERY"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(1), "{}", run.output());
    assert!(run.output().contains("DEAD_LETTER=table"), "{}", run.output());
}

#[test]
fn letters_become_points() {
    letters_become_rows("redrive-influx", Where::Influx);
}

/// Redrives are killed at random moments while instances write, two of them at a time; then one ends.
fn killed_beside_instances(name: &str, place: Where) {
    let kills = number("CHAOS_KILLS").unwrap_or(3);
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("{name}: CHAOS_SEED={seed} CHAOS_KILLS={kills}");
    let mut dice = StdRng::seed_from_u64(seed);
    let scene = Scene::start(name, place);
    let domain = &scene.domain;
    let wrong = wrongly_deployed(domain, scene.publisher(seed), 3_000);
    let mut instance = domain.start_ready();
    let feed = Feed::start(scene.publisher(seed + 1), 200);
    let arguments = ["dlq", "redrive", "DELIVERY", "--json"];
    for _ in 0..kills {
        let [mut first, mut second] = [(); 2].map(|()| domain.run(&arguments, &[]));
        let moment = Duration::from_millis(dice.random_range(0..2_500));
        let began = Instant::now();
        while began.elapsed() < moment {
            std::thread::sleep(Duration::from_millis(5));
        }
        first.kill();
        // Of two the one that came later takes over, and may be the one that is left.
        let code = second.wait(WITHIN).code();
        assert!(matches!(code, Some(0 | 6)), "{code:?}: {}", second.output());
    }
    // What was on its way when its redrive died waits until its transaction is given up.
    let mut rows = 0;
    until_true("nothing is left to be redriven", WITHIN, || {
        rows += 1;
        let done = redrive(domain, &[]);
        done["inserted"] == 0
    });
    let more = feed.stop();
    let all = expected(&[&wrong, &more]);
    until_true("the instance has written the rest", WITHIN, || {
        scene.positions().len() >= all.len()
    });
    instance.stop();
    assert_eq!(scene.positions(), all, "each once, after {rows} redrives");
    assert!(count(&more, Fate::is_row) > 100, "the instance has written meanwhile");
    // Every letter that is left is of a record that is no row, and none is lost.
    let dead = |fate: &Fate| matches!(fate, Fate::Letter(_));
    let stay = (count(&wrong, dead) + count(&more, dead)) as u64;
    let left = list(domain, &[])["letters"].as_u64().expect("a number");
    match place {
        Where::OneCluster | Where::OtherCluster => assert_eq!(left, stay),
        // A letter that is written before its offset may be there twice.
        Where::Influx => assert!(left >= stay, "{left} of {stay}"),
    }
}

#[test]
fn killed_redrives_into_kafka_end_the_same() {
    killed_beside_instances("redrive-kafka-kills", Where::OneCluster);
}

#[test]
fn killed_redrives_into_another_cluster_end_the_same() {
    killed_beside_instances("redrive-other-kills", Where::OtherCluster);
}

#[test]
fn killed_redrives_into_influxdb_end_the_same() {
    killed_beside_instances("redrive-influx-kills", Where::Influx);
}
