//! What the PostgreSQL server refuses: rows, rights, tables, and transactions that succeed later.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::postgres::{WITHIN, catch_up, contract, publish};
use crate::support::domain::{Domain, TABLE};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::shared;
use crate::support::postgres::Postgres;
use crate::support::postgres::proof::{compare, prove};
use crate::support::records::records;
use crate::support::stored::wait_progress;

/// Values that are JSON, and that the contract allows, and no column takes.
fn refused() -> Vec<(&'static str, String)> {
    let field = |name: &str, value: &str| format!(r#","{name}":{value}"#);
    let nested = format!("{}{}", r#"{"a":"#.repeat(100), "1") + &"}".repeat(100);
    vec![
        ("a text with U+0000", field("name", r#""a\u0000b""#)),
        ("a text with U+0000 in JSON", field("more", r#"{"a":"b\u0000"}"#)),
        ("a key with U+0000 in JSON", field("more", r#"{"a\u0000":1}"#)),
        ("more than the column's precision", field("amount", r#""10000.00""#)),
        ("more than any numeric", field("any_amount", &format!("\"{}\"", "9".repeat(140_000)))),
        (
            "more decimals than any numeric",
            field("any_amount", &format!("\"0.{}\"", "1".repeat(20_000))),
        ),
        ("more than the column's integer", field("level", "3000000000")),
        ("a check", field("name", r#""forbidden""#)),
        // Not refused, and on the other side of a limit.
        ("good: nested", field("more", &nested)),
        (
            "good: as large as decimals may be",
            field("any_amount", &format!("\"{}\"", "9".repeat(29))),
        ),
    ]
}

#[test]
fn a_row_that_the_database_refuses_becomes_a_letter_and_its_neighbours_rows() {
    let kafka = shared();
    for letters in ["table", "kafka"] {
        let name = format!("pg-refused-{letters}");
        let server = Postgres::start(&name);
        let domain = Domain::on_postgres_with_partitions(&name, kafka, &server.section(), 1);
        domain.set_contract(&contract(
            &name,
            &json!({
                "name": { "type": "string" },
                "amount": { "type": "string", "format": "decimal" },
                "any_amount": { "type": "string", "format": "decimal" },
                "level": { "type": "integer" },
                "more": { "type": "object" },
            }),
        ));
        let dead = format!("{name}-dead");
        if letters == "kafka" {
            kafka.create_topic(&dead, 1);
            domain.set("DEAD_LETTER_DELIVERY", &format!("kafka:{dead}"));
        }
        // The instance creates the table, and a person changes its columns.
        catch_up(&domain, 0);
        server.query(&format!(
            "ALTER TABLE {TABLE} ALTER amount TYPE numeric(6, 2), ALTER level TYPE int4, \
             ADD CHECK (name <> 'forbidden')"
        ));
        let mut events = Vec::new();
        let mut expected = BTreeMap::new();
        for (what, value) in refused() {
            let mut add = |id: String, more: &str| {
                events.push(format!(r#"{{"event_type":"Small","event_id":"{id}"{more}}}"#));
            };
            add(format!("before {what}"), r#","name":"x","amount":"12.34","level":1"#);
            add(what.to_owned(), &value);
            if !what.starts_with("good") {
                expected.insert(events.len() as i64 - 1, what);
            }
        }
        publish(kafka, &name, &events);
        let output = catch_up(&domain, 0);
        let found: BTreeMap<i64, (String, usize)> = match letters {
            "table" => server.letters(TABLE).into_iter().map(|((_, at), it)| (at, it)).collect(),
            _ => records(kafka, &dead, 1)
                .into_values()
                .map(|letter| {
                    let header = |name: &str| letter.header(name).unwrap_or_default().to_owned();
                    let at = header("dead_letter.offset").parse().expect("an offset");
                    (at, (header("dead_letter.reason"), 1))
                })
                .collect(),
        };
        let stored: Vec<i64> = server.rows(TABLE).into_iter().map(|row| row.offset).collect();
        for (at, what) in &expected {
            // A number that no numeric holds may be refused before it is sent.
            let (reason, times) = found.get(at).unwrap_or_else(|| panic!("{what}: {found:?}"));
            let early = what.contains("numeric") && reason != "row_error";
            assert!(early || reason == "row_error", "{what}: {reason}");
            assert_eq!(*times, 1, "{what}");
            assert!(!stored.contains(at), "{what} is stored");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert_eq!(stored.len(), events.len() - expected.len(), "all others are rows: {output}");
        assert_eq!(server.has_table(&format!("{TABLE}_dead_letters")), letters == "table");
        assert!(!output.contains("forbidden"), "values are not logged");
    }
}

/// A JSON value that is nested so deeply that the server's stack ends is refused by no other code.
#[test]
fn json_that_is_too_deep_for_the_server_does_not_block_the_partition() {
    let kafka = shared();
    let name = "pg-deep";
    let server = Postgres::start(name);
    let domain = Domain::on_postgres_with_partitions(name, kafka, &server.section(), 1);
    domain.set_contract(&contract(name, &json!({ "more": { "type": "object" } })));
    let event = |id: &str, more: &str| {
        format!(r#"{{"event_type":"Small","event_id":"{id}","more":{{"a":{more}}}}}"#)
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    publish(kafka, name, &[event("a", "1"), event("deep", &deep), event("b", "2")]);
    catch_up(&domain, 0);
    let letters: Vec<i64> = server.letters(TABLE).into_keys().map(|(_, at)| at).collect();
    assert_eq!(letters, [1]);
    assert_eq!(server.count(TABLE), 2);
}

/// Each stops with a hint, and the log does not name the password.
#[test]
fn what_a_person_has_to_change_stops_the_instance() {
    let kafka = shared();
    let server = Postgres::start("stops");
    server.query("CREATE SCHEMA closed");
    server.query("CREATE SCHEMA read_only; GRANT USAGE ON SCHEMA read_only TO consumer");
    for (number, (table, manage, password, words)) in [
        ("closed.events", true, "a-secret", "grant"),
        ("closed.events", false, "a-secret", "MANAGE_TABLE"),
        ("read_only.events", true, "a-secret", "grant"),
        ("missing", false, "a-secret", "MANAGE_TABLE=true"),
        ("no_schema.events", true, "a-secret", "schema"),
        ("events", true, "another-secret", "password"),
    ]
    .into_iter()
    .enumerate()
    {
        let keys = server.section().replace("a-secret", password);
        let domain = Domain::on_postgres(&format!("pg-stops-{number}"), kafka, &keys);
        domain.set("PG_TABLE_DELIVERY", table).set("MANAGE_TABLE", &manage.to_string());
        let output = catch_up(&domain, 3);
        assert!(output.contains(words), "{table}: {words} is missing: {output}");
        assert!(!output.contains("another-secret"), "{output}");
    }
}

/// The right to write is taken away while the instance runs, and given back: nothing is lost.
#[test]
fn a_right_that_is_taken_away_stops_a_running_instance() {
    let kafka = shared();
    let server = Postgres::start("revoked");
    let domain = Domain::on_postgres("pg-revoked", kafka, &server.section());
    let mut publisher = Publisher::new(kafka, &domain, 51);
    publisher.publish(200);
    let mut instance = domain.start_ready();
    prove(&server, &publisher.flush(), WITHIN);
    server.query(&format!("ALTER TABLE {TABLE} OWNER TO postgres"));
    publisher.publish(200);
    let sent = publisher.flush();
    assert_eq!(instance.process.wait(WITHIN).code(), Some(3));
    let output = instance.process.output();
    assert!(output.contains("42501") && output.contains("grant"), "{output}");
    server.query(&format!("ALTER TABLE {TABLE} OWNER TO consumer"));
    catch_up(&domain, 0);
    compare(&server, &sent);
}

/// A trigger fails the first inserts with codes that say: try again.
#[test]
fn transactions_that_fail_in_passing_are_repeated() {
    const TIMES: usize = 6;
    let kafka = shared();
    let server = Postgres::start("passing");
    let domain = Domain::on_postgres("pg-passing", kafka, &server.section());
    let mut publisher = Publisher::new(kafka, &domain, 52);
    publisher.publish(100);
    publisher.flush();
    catch_up(&domain, 0);
    // A sequence is not rolled back. A statement's trigger fires for COPY too.
    server.query(&format!(
        "CREATE SEQUENCE tries; GRANT ALL ON tries TO consumer; \
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $f$ \
         DECLARE try int := nextval('tries'); \
         BEGIN \
           IF try <= {TIMES} THEN \
             RAISE EXCEPTION 'try again' \
             USING ERRCODE = (ARRAY['40001', '40P01', '53100'])[1 + try % 3]; \
           END IF; \
           RETURN NULL; \
         END $f$; \
         CREATE TRIGGER fail AFTER INSERT ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION fail()"
    ));
    publisher.publish(400);
    let sent = publisher.flush();
    let output = catch_up(&domain, 0);
    compare(&server, &sent);
    let tries: usize = server.value("SELECT last_value FROM tries").parse().expect("a number");
    assert!(tries > TIMES, "{tries} tries: {output}");
    for code in ["40001", "40P01", "53100"] {
        assert!(output.contains(code), "{code} is in the log: {output}");
    }
}

#[test]
fn connections_that_the_server_ends_are_made_anew() {
    let kafka = shared();
    let server = Postgres::start("ended");
    let domain = Domain::on_postgres("pg-ended", kafka, &server.section());
    let feed = Feed::start(Publisher::new(kafka, &domain, 53), 300);
    let mut instance = domain.start_ready();
    for round in 0..8 {
        wait_progress(&server, &format!("in round {round}"), WITHIN, || instance.assert_running());
        // Somewhere between BEGIN and the answer to COMMIT.
        std::thread::sleep(Duration::from_millis(37 * round));
        server.end_connections();
    }
    prove(&server, &feed.stop(), WITHIN);
    instance.stop();
}

/// A server that is away for longer than a transaction may take neither ends the instance nor loses
/// anything; an instance that starts meanwhile waits for it.
#[test]
fn a_server_that_is_away_is_waited_for() {
    let kafka = shared();
    let mut server = Postgres::start("away");
    let domain = Domain::on_postgres("pg-away", kafka, &server.section());
    let feed = Feed::start(Publisher::new(kafka, &domain, 54), 200);
    let mut instance = domain.start_ready();
    wait_progress(&server, "before the outage", WITHIN, || instance.assert_running());
    server.kill();
    let mut second = domain.start();
    std::thread::sleep(Duration::from_secs(20));
    for one in [&mut instance, &mut second] {
        one.assert_running();
    }
    assert!(instance.get("/livez").is_some_and(|(status, _)| status == 200));
    server.start_again();
    wait_progress(&server, "after the outage", WITHIN, || instance.assert_running());
    let sent = feed.stop();
    prove(&server, &sent, WITHIN);
    for mut one in [instance, second] {
        one.stop();
    }
    compare(&server, &sent);
}

/// A letter that the table does not take as it is costs no other letter of its batch its parts.
#[test]
fn a_letter_that_the_database_refuses_is_cut_alone() {
    let kafka = shared();
    let server = Postgres::start("pg-letters");
    let domain = Domain::on_postgres_with_partitions("pg-letters", kafka, &server.section(), 1);
    domain.set_contract(&contract("pg-letters", &json!({})));
    let unknown = |event_type: &str| format!(r#"{{"event_type":"{event_type}","event_id":"a"}}"#);
    let mut events: Vec<String> = (0..400).map(|n| unknown(&format!("Other{n}"))).collect();
    events[200] = unknown(r"a\u0000b");
    publish(kafka, "pg-letters", &events);
    catch_up(&domain, 0);
    let count = |of: &str| server.value(&format!("SELECT count({of}) FROM {TABLE}_dead_letters"));
    assert_eq!(count("*"), "400");
    assert_eq!((count("value"), count("_event_type")), ("399".to_owned(), "399".to_owned()));
    let cut = format!("SELECT _kafka_offset FROM {TABLE}_dead_letters WHERE value IS NULL");
    assert_eq!(server.value(&cut), "200");
}
