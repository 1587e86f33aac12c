//! Transfers into PostgreSQL are killed, cut off and frozen, their servers too, and two run at once: the
//! target is as it was, or as it should be. `CHAOS_KILLS` is the number of runs that are killed,
//! `CHAOS_SEED` repeats the choices.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::chaos::number;
use crate::support::cuts::Cuts;
use crate::support::events::{Fate, Publisher, count};
use crate::support::kafka::shared;
use crate::support::postgres::{Postgres, url};
use crate::support::process::Process;
use crate::support::signal::Signal;
use crate::support::until::until_true;
use crate::transfer::{WITHIN, today, write_orders};
use crate::transfer_postgres::Scene;

const SOON: Duration = Duration::from_secs(20);

/// What happens to a run at a random moment.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    /// Its connections break.
    Cut,
    AnswersLost,
    RequestsLate,
    /// The server ends its connections.
    ConnectionsEnded,
    ServerKilled,
}

/// All rows of a table with all columns.
fn contents(server: &Postgres, table: &str) -> Vec<String> {
    let rows = server.query(&format!("SELECT t::text FROM {table} AS t ORDER BY 1"));
    rows.into_iter().map(|mut row| row.pop().flatten().expect("a text")).collect()
}

/// Starts a run that reaches the server through the proxy.
fn through(cuts: &Cuts, scene: &Scene, arguments: &[&str]) -> Process {
    let url = url("127.0.0.1", cuts.port(), "disable");
    scene.start(arguments, &[("WRITE__LIVE__POSTGRES__URL", &url)])
}

#[test]
fn whatever_happens_to_a_run_of_postgres_the_next_ends_as_one_left_alone() {
    use Blow::*;
    let kills = number("CHAOS_KILLS").unwrap_or(5) as usize;
    let seed = number("CHAOS_SEED").unwrap_or(28);
    println!("CHAOS_KILLS={kills} CHAOS_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut scene = Scene::new("transfer-pg-chaos");
    let today = today();
    let day = today.strftime("%Y%m%d").to_string();
    scene.server.query("CREATE TABLE sales (id int, at timestamptz, amount numeric(12, 2))");
    scene.server.query("GRANT ALL ON sales TO consumer");
    let mut publisher = Publisher::new(shared(), &scene.domain, seed);
    publisher.publish(3_000);
    let sent = publisher.flush();
    // Two versions of each source, except of the topic.
    let write = |scene: &Scene, version: u32| {
        write_orders(&scene.domain, &today.to_string(), version);
        scene.server.query(&format!(
            "TRUNCATE sales; INSERT INTO sales SELECT n, \
             TIMESTAMP '{today}' AT TIME ZONE 'Europe/Berlin' + n * INTERVAL '13 seconds', \
             n / 7.0 + {version} FROM generate_series(-100, 5999) AS n"
        ));
    };
    let names = [("orders", "orders"), ("sales", "sales_by_day"), ("delivery", "from_topic")];
    let mut runs = Vec::new();
    let mut whole = [Vec::new(), Vec::new()];
    let mut took = Duration::ZERO;
    for version in [1, 2] {
        write(&scene, version);
        for (index, (name, table)) in names.into_iter().enumerate() {
            for mode in ["truncate", "delta"] {
                let began = Instant::now();
                scene.run(&[&day, name, mode, "--max-rejected=100%"], 0);
                took = took.max(began.elapsed());
                let found = contents(&scene.server, table);
                whole[version as usize - 1].push(found);
                if version == 1 {
                    runs.push((index, mode));
                }
            }
        }
    }
    let rows = count(&sent, |fate| matches!(fate, Fate::Row { .. }));
    assert_eq!(whole[0][4].len(), rows, "each event is a row once");
    assert_eq!((whole[0][0].len(), whole[0][2].len()), (4_000, 6_000));
    for versions in &whole {
        for pair in versions.chunks(2) {
            assert_eq!(pair[0], pair[1], "both modes write the same");
        }
    }
    assert_ne!(whole[0][0], whole[1][0]);

    let mut blows = vec![Kill; kills];
    for other in [Cut, AnswersLost, RequestsLate, ConnectionsEnded, ServerKilled] {
        blows.extend([other].repeat((kills / 4).max(1)));
    }
    for (turn, blow) in blows.into_iter().enumerate() {
        let (index, mode) = runs[(turn * 5 + 1) % runs.len()];
        let (name, table) = names[index];
        let version = turn % 2;
        write(&scene, version as u32 + 1);
        let arguments = [day.as_str(), name, mode, "--max-rejected=100%", "--wait"];
        let at = took.mul_f64(dice.random_range(0.0..1.0));
        let said = format!("{turn}: {blow:?} after {at:?}: {name} {mode}");
        println!("{said}");
        let cuts = Cuts::start(scene.server.port());
        let mut process = through(&cuts, &scene, &arguments);
        std::thread::sleep(at);
        match blow {
            Kill => process.kill(),
            Cut => _ = cuts.cut(),
            AnswersLost => _ = cuts.lose_answers(Duration::from_millis(100)),
            RequestsLate => _ = cuts.deliver_late(Duration::from_millis(100)),
            ConnectionsEnded => _ = scene.server.end_connections(),
            ServerKilled => {
                scene.server.kill();
                scene.server.start_again();
            }
        }
        match blow {
            Kill => {
                let found = contents(&scene.server, table);
                let is_whole = whole.iter().any(|versions| versions[index * 2] == found);
                assert!(is_whole, "{said}: the target is neither as it was nor as it should be");
                scene.run(&arguments, 0);
            }
            Cut | AnswersLost | RequestsLate | ConnectionsEnded | ServerKilled => {
                let code = process.wait(WITHIN).code();
                // The source is read in one snapshot, which ends with its connection.
                let may_stop = name == "sales" && process.output().contains(" the source");
                match code {
                    Some(3) if may_stop => _ = scene.run(&arguments, 0),
                    code => assert_eq!(code, Some(0), "{said}: {}", process.output()),
                }
            }
        }
        let found = contents(&scene.server, table);
        assert_eq!(found, whole[version][index * 2], "{said}: {}", process.output());
    }
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}

#[test]
fn a_change_whose_answer_is_lost_happens_once() {
    let scene = Scene::new("transfer-pg-answers");
    scene.orders("2026-11-20", &[("a", 1.0)]);
    scene.run(&["20261120", "orders", "truncate"], 0);
    // What ends the transaction takes its time.
    scene.server.query(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END'; \
         CREATE TRIGGER wait BEFORE INSERT ON generic_consumer_transfers \
         FOR EACH ROW EXECUTE FUNCTION wait()",
    );
    let ending = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%no_row_aborts%' \
                  AND state = 'active' AND pid <> pg_backend_pid()";
    for (mode, amount, said) in [
        ("truncate", 2.0, "1 inserted, 0 updated, 1 deleted"),
        ("delta", 3.0, "0 inserted, 1 updated"),
    ] {
        scene.orders("2026-11-20", &[("a", amount)]);
        let cuts = Cuts::start(scene.server.port());
        let mut process = through(&cuts, &scene, &["20261120", "orders", mode]);
        until_true("the transaction ends", SOON, || !scene.server.query(ending).is_empty());
        cuts.lose_answers(Duration::from_millis(1_000));
        assert_eq!(process.wait(WITHIN).code(), Some(0), "{}", process.output());
        assert!(process.output().contains(said), "{}", process.output());
        assert_eq!(scene.rows(), [format!("a 2026-11-20 {amount}")]);
    }
    let runs = "SELECT count(*), count(DISTINCT job), min(state) FROM generic_consumer_transfers";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(scene.server.query(runs), [[text("3"), text("3"), text("done")]]);
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}

#[test]
fn a_second_run_leaves_or_waits_and_one_that_was_away_changes_nothing() {
    let scene = Scene::new("transfer-pg-twice");
    scene.orders("2026-11-20", &[("a", 1.0)]);
    scene.domain.file("before.sql", "SELECT pg_sleep(1.5)");
    scene.change_transfers("lease_seconds", "before = \"before.sql\"\nlease_seconds");
    let arguments = ["20261120", "orders", "truncate"];
    let is_before = || {
        let asked = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(1.5)%' \
                     AND state = 'active'";
        !scene.server.query(asked).is_empty()
    };
    let mut first = scene.start(&arguments, &[]);
    until_true("the first run has begun", SOON, is_before);
    let said = scene.run(&arguments, 6);
    assert!(said.contains("the run is held by process"), "{said}");
    assert!(said.contains("wait for it with --wait"), "{said}");
    // Another date is another run.
    scene.orders("2026-11-21", &[("b", 2.0)]);
    scene.run(&["20261121", "orders", "truncate"], 0);
    let mut third = scene.start(&[&arguments[..], &["--wait"]].concat(), &[]);
    assert_eq!(first.wait(WITHIN).code(), Some(0), "{}", first.output());
    assert_eq!(third.wait(WITHIN).code(), Some(0), "{}", third.output());
    assert_eq!(scene.rows(), ["a 2026-11-20 1", "b 2026-11-21 2"]);

    let mut away = scene.start(&arguments, &[]);
    until_true("the run has begun", SOON, is_before);
    away.signal(Signal::STOP);
    // The file of the run that is away stays as it is: one that changes is an error of its own.
    let other = r#"{"order_id":"a","placed_at":"2026-11-20T10:00:00Z","amount":7}"#;
    scene.domain.file("others-20261120.ndjson", other);
    scene.change_transfers("orders-{date}", "others-{date}");
    scene.run(&[&arguments[..], &["--wait"]].concat(), 0);
    away.signal(Signal::CONT);
    assert_eq!(away.wait(WITHIN).code(), Some(3), "{}", away.output());
    assert!(away.output().contains("another run has taken over"), "{}", away.output());
    assert_eq!(scene.rows(), ["a 2026-11-20 7", "b 2026-11-21 2"]);
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}
