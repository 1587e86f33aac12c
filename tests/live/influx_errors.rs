//! What InfluxDB 1.8 refuses: points, users, places, requests that are too large.

use std::collections::BTreeMap;

use serde_json::json;

use crate::postgres::{WITHIN, catch_up, contract, publish};
use crate::support::domain::{Domain, TABLE};
use crate::support::events::Publisher;
use crate::support::influx::proof::compare;
use crate::support::influx::{Influx, PASSWORD, USER};
use crate::support::kafka::shared;
use crate::support::records::records;

/// 2026-11-21 10:00:00 UTC
const AT_NANOS: i64 = 1_795_255_200_000_000_000;

#[test]
fn a_point_that_the_server_refuses_becomes_a_letter_and_its_neighbours_points() {
    let kafka = shared();
    for letters in ["table", "kafka"] {
        let name = format!("influx-refused-{letters}");
        let server = Influx::start(&name);
        // `level` is an integer for the contract, and text for the server in this week's shard.
        server.write(&format!("{TABLE} level=\"high\" {AT_NANOS}"));
        let domain = Domain::on_influx_with_partitions(&name, kafka, &server.section(), 1);
        domain.set_contract(&contract(
            &name,
            &json!({
                "region": { "type": "string" },
                "level": { "type": "integer" },
                "at": { "type": "string", "format": "date-time" },
            }),
        ));
        domain.set("INFLUX_TAGS_DELIVERY", "region").set("INFLUX_TIME_DELIVERY", "/at");
        let dead = format!("{name}-dead");
        if letters == "kafka" {
            kafka.create_topic(&dead, 1);
            domain.set("DEAD_LETTER_DELIVERY", &format!("kafka:{dead}"));
        }
        let long = "x".repeat(70_000);
        let refused = [
            ("a conflict", r#","level":1"#.to_owned()),
            ("a line break in a tag", r#","region":"a\nb""#.to_owned()),
            ("a backslash at a tag's end", r#","region":"a\\""#.to_owned()),
            ("a tag that is too long", format!(r#","region":"{long}""#)),
            ("no time", r#","at":null"#.to_owned()),
            ("a time beyond the server's", r#","at":"2300-01-01T00:00:00Z""#.to_owned()),
            ("good: a long text", format!(r#","name":"{long}""#)),
            ("good: a backslash in a tag", r#","region":"a\\b \"c\"""#.to_owned()),
        ];
        let (mut events, mut expected) = (Vec::new(), BTreeMap::new());
        for (what, more) in refused {
            let at = if more.contains("\"at\"") { "" } else { r#","at":"2026-11-21T10:00:00Z""# };
            let event = |more: &str, at: &str| {
                format!(r#"{{"event_type":"Small","event_id":"e"{at}{more}}}"#)
            };
            events.push(event("", r#","at":"2026-11-21T10:00:00Z""#));
            events.push(event(&more, at));
            if !what.starts_with("good") {
                expected.insert(events.len() as i64 - 1, what);
            }
        }
        publish(kafka, &name, &events);
        let output = catch_up(&domain, 0);
        let found: BTreeMap<i64, String> = match letters {
            "table" => server
                .letters(TABLE)
                .into_iter()
                .map(|((_, at), (reason, times))| {
                    assert_eq!(times, 1);
                    (at, reason)
                })
                .collect(),
            _ => records(kafka, &dead, 1)
                .into_values()
                .map(|letter| {
                    let header = |name: &str| letter.header(name).unwrap_or_default().to_owned();
                    let at = header("dead_letter.offset").parse().expect("an offset");
                    (at, header("dead_letter.reason"))
                })
                .collect(),
        };
        for (at, what) in &expected {
            assert_eq!(found.get(at).map(String::as_str), Some("row_error"), "{what}: {found:?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert_eq!(server.count(TABLE), events.len() - expected.len(), "{output}");
        assert_eq!(server.count(&format!("{TABLE}_dead_letters")) > 0, letters == "table");
    }
}

/// The retention policy drops what is older; the letters, whose time would be the same, are kept.
#[test]
fn points_beyond_the_retention_policy_become_letters() {
    let kafka = shared();
    let name = "influx-old";
    let server = Influx::start(name);
    server.query("CREATE RETENTION POLICY short ON events DURATION 1h REPLICATION 1 DEFAULT");
    let domain = Domain::on_influx_with_partitions(name, kafka, &server.section(), 1);
    let at = json!({ "at": { "type": "string", "format": "date-time" } });
    domain.set_contract(&contract(name, &at)).set("INFLUX_TIME_DELIVERY", "/at");
    let old = r#"{"event_type":"Small","event_id":"a","at":"2001-01-01T00:00:00Z"}"#;
    publish(kafka, name, &vec![old.to_owned(); 500]);
    let began = std::time::Instant::now();
    let output = catch_up(&domain, 0);
    println!("500 letters in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(server.count(TABLE), 0, "{output}");
    assert_eq!(server.letters(TABLE).len(), 500);
}

/// Each stops with a hint, and the log does not name the secret.
#[test]
fn what_a_person_has_to_change_stops_the_instance() {
    let kafka = shared();
    let server = Influx::start_with_users("influx-stops");
    server.query("CREATE DATABASE other");
    let url = server.url();
    let v1 = |database: &str, password: &str| {
        format!(
            "url = \"{url}\"\napi = \"v1\"\ndatabase = \"{database}\"\nuser = \"{USER}\"\npassword = \"{password}\""
        )
    };
    let v2 = |bucket: &str, token: &str| format!("url = \"{url}\"\nbucket = \"{bucket}\"\n{token}");
    let token = |password: &str| format!("token = \"{USER}:{password}\"");
    for (number, (section, words)) in [
        (v1("events", "wrong-secret"), "check `token`"),
        (v2("events", &token("wrong-secret")), "check `token`"),
        (v2("events", ""), "check `token`"),
        (v1("other", PASSWORD), "the right to write"),
        (v2("missing", &token(PASSWORD)), "create the bucket"),
        (v2("events/missing", &token(PASSWORD)), "retention policy"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("influx-stops-{number}");
        let domain = Domain::on_influx_with_partitions(&name, kafka, &section, 1);
        let output = catch_up(&domain, 3);
        assert!(output.contains(words), "{section}: {output}");
        assert!(!output.contains("secret"), "{output}");
    }
    // And with what is right, by both APIs.
    for (number, section) in
        [v1("events", PASSWORD), v2("events", &token(PASSWORD))].into_iter().enumerate()
    {
        let name = format!("influx-users-{number}");
        let domain = Domain::on_influx_with_partitions(&name, kafka, &section, 1);
        domain.set("INFLUX_MEASUREMENT_DELIVERY", &name);
        domain.set_contract(&contract(&name, &json!({})));
        publish(kafka, &name, &[r#"{"event_type":"Small","event_id":"a"}"#.to_owned()]);
        catch_up(&domain, 0);
        assert_eq!(server.count(&name), 1);
    }
}

/// The database is dropped while an instance runs.
#[test]
fn a_dropped_database_stops_a_running_instance() {
    let kafka = shared();
    let name = "influx-dropped";
    let server = Influx::start(name);
    let domain = Domain::on_influx(name, kafka, &server.section());
    let mut instance = domain.start_ready();
    server.query("DROP DATABASE events");
    let mut publisher = Publisher::new(kafka, &domain, 53);
    publisher.publish(50);
    publisher.flush();
    assert_eq!(instance.process.wait(WITHIN).code(), Some(3), "{}", instance.process.output());
    assert!(instance.process.output().contains("create the bucket"));
}

/// The server takes small requests only; a point that is too large by itself becomes a letter.
#[test]
fn requests_that_are_too_large_are_split() {
    let kafka = shared();
    let name = "influx-large";
    let server = Influx::start_with(name, &[("HTTP_MAX_BODY_SIZE", "300000")]);
    for gzip in ["false", "true"] {
        let name = format!("{name}-{gzip}");
        let section = format!("{}gzip = {gzip}", server.section());
        let domain = Domain::on_influx(&name, kafka, &section);
        domain.set("INFLUX_MEASUREMENT_DELIVERY", TABLE);
        server.query(&format!("DROP MEASUREMENT {TABLE}"));
        let mut publisher = Publisher::new(kafka, &domain, 54).padded(2_000);
        publisher.publish(2_000);
        let sent = publisher.flush();
        catch_up(&domain, 0);
        compare(&server, &sent);
        server.query(&format!("DROP MEASUREMENT {TABLE}_dead_letters"));
    }
    let name = "influx-too-large";
    let domain = Domain::on_influx_with_partitions(name, kafka, &server.section(), 1);
    domain.set_contract(&contract(name, &json!({ "text": { "type": "string" } })));
    domain.set("INFLUX_MEASUREMENT_DELIVERY", name);
    let event = |text: &str| format!(r#"{{"event_type":"Small","event_id":"a","text":"{text}"}}"#);
    publish(kafka, name, &[event("a"), event(&"x".repeat(400_000)), event("c")]);
    catch_up(&domain, 0);
    assert_eq!(server.count(name), 2);
    assert_eq!(server.letters(name).into_keys().collect::<Vec<_>>(), [(0, 1)]);
}

/// A server that may not have more values of a tag blames no point.
#[test]
fn a_limit_of_the_server_stops_the_instance() {
    let kafka = shared();
    let name = "influx-limit";
    let server = Influx::start_with(name, &[("DATA_MAX_VALUES_PER_TAG", "10")]);
    let domain = Domain::on_influx_with_partitions(name, kafka, &server.section(), 1);
    domain.set_contract(&contract(name, &json!({})));
    domain.set("INFLUX_TAGS_DELIVERY", "event_id");
    let event = |id: usize| format!(r#"{{"event_type":"Small","event_id":"value-{id}"}}"#);
    // The server looks at the limit before it counts what a request adds.
    publish(kafka, name, &(0..20).map(event).collect::<Vec<_>>());
    catch_up(&domain, 0);
    publish(kafka, name, &(20..40).map(event).collect::<Vec<_>>());
    let output = catch_up(&domain, 3);
    assert!(output.contains("INFLUX_TAGS") && !output.contains("value-"), "{output}");
    assert_eq!(server.count(TABLE), 20);
    assert_eq!(server.count(&format!("{TABLE}_dead_letters")), 0);
}
