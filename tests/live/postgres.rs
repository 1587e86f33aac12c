//! The PostgreSQL sink as users configure it: positions, new columns, TLS, hypertables.

use std::path::Path;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Feed, Publisher};
use crate::support::folder;
use crate::support::kafka::{Kafka, shared};
use crate::support::postgres::proof::{compare, prove};
use crate::support::postgres::{Postgres, section, url};
use crate::support::signal::Signal;
use crate::support::stored::wait_progress;
use crate::support::timescale::Timescale;
use crate::support::tls::certificate_for;

pub const WITHIN: Duration = Duration::from_secs(120);

/// Runs the domain until it is caught up; returns the log.
pub fn catch_up(domain: &Domain, code: i32) -> String {
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(code), "{}", run.output());
    run.output()
}

/// A contract with one event type, which has these fields besides `event_id`.
pub fn contract(topic: &str, fields: &Value) -> Value {
    let mut properties = json!({
        "event_type": { "type": "string" },
        "event_id": { "type": "string" },
    });
    let all = properties.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("an object").clone());
    let payload = json!({ "type": "object", "required": ["event_type"], "properties": properties });
    json!({
        "asyncapi": "3.0.0",
        "channels": { "C": { "address": topic, "messages": { "Small": { "payload": payload } } } },
    })
}

/// Publishes events to partition 0 and waits for the broker.
pub fn publish(kafka: &Kafka, topic: &str, events: &[String]) {
    let publisher: BaseProducer =
        kafka.client().set("message.max.bytes", "4000000").create().expect("a producer");
    for event in events {
        let record = BaseRecord::<(), _>::to(topic).partition(0).payload(event);
        publisher.send(record).map_err(|(error, _)| error).expect("queued");
    }
    publisher.flush(WITHIN).expect("delivered");
}

fn publish_random(kafka: &Kafka, domain: &Domain, seed: u64, count: usize) -> Publisher {
    let mut publisher = Publisher::new(kafka, domain, seed);
    publisher.publish(count);
    publisher
}

/// Sets the group's offset of every partition, as `kafka-consumer-groups --reset-offsets` does.
fn set_offsets(kafka: &Kafka, domain: &Domain, offset: i64) {
    let client: BaseConsumer =
        kafka.client().set("group.id", &domain.group).create().expect("a client");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&domain.topic, partition, Offset::Offset(offset)).unwrap();
    }
    client.commit(&list, CommitMode::Sync).expect("committed");
}

#[test]
fn rows_letters_and_offsets_arrive_together() {
    let kafka = shared();
    let server = Postgres::start("together");
    let domain = Domain::on_postgres("pg-together", kafka, &server.section());
    let sent = publish_random(kafka, &domain, 41, 1_000).flush();
    catch_up(&domain, 0);
    let arrived = compare(&server, &sent);
    assert!(arrived.rows > 500 && arrived.letters > 0, "{arrived:?}");
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
    let held = server.held(&domain.group, &domain.topic);
    assert_eq!(held.values().map(|held| held.next.unwrap_or(-1)).collect::<Vec<_>>(), ends);
    assert!(held.values().all(|held| !held.owner.is_empty()));
    // The columns beside the contract's fields.
    let column = |name: &str| {
        server.value(&format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = '{TABLE}'::regclass AND attname = '{name}'"
        ))
    };
    for (name, kind) in [
        ("_kafka_topic", "text"),
        ("_kafka_partition", "bigint"),
        ("_kafka_offset", "bigint"),
        ("_kafka_previous", "bigint"),
        ("_kafka_timestamp", "timestamp with time zone"),
        ("_kafka_key", "bytea"),
        ("_kafka_headers", "jsonb"),
        ("_event_type", "text"),
        ("_ingested_at", "timestamp with time zone"),
        ("_contract", "text"),
        ("_extra", "jsonb"),
        ("event_id", "text"),
        ("parcels", "jsonb"),
        ("promised_date", "date"),
        ("tags", "text[]"),
    ] {
        assert_eq!(column(name), kind, "{name}");
    }
}

#[test]
fn a_table_in_another_schema_has_its_offsets_beside_it() {
    let kafka = shared();
    let server = Postgres::start("schema");
    server.query("CREATE SCHEMA raw AUTHORIZATION consumer");
    let domain = Domain::on_postgres("pg-schema", kafka, &server.section());
    domain.set("PG_TABLE_DELIVERY", "raw.events");
    let sent = publish_random(kafka, &domain, 42, 200).flush();
    catch_up(&domain, 0);
    let rows = sent.values().filter(|fate| fate.is_row()).count();
    assert_eq!(server.count("raw.events"), rows as i64);
    assert!(server.has_table("raw.generic_consumer_offsets"));
    assert!(!server.has_table("public.generic_consumer_offsets"));
}

/// Whatever became of the group's offsets: set back, or forgotten by Kafka.
#[test]
fn the_position_in_the_database_wins() {
    let kafka = shared();
    let server = Postgres::start("wins");
    let domain = Domain::on_postgres("pg-wins", kafka, &server.section());
    let mut publisher = publish_random(kafka, &domain, 43, 500);
    compare_after(&server, &domain, &publisher);
    set_offsets(kafka, &domain, 0);
    compare_after(&server, &domain, &publisher);
    publisher.publish(300);
    set_offsets(kafka, &domain, 7);
    compare_after(&server, &domain, &publisher);
    kafka.delete_group(&domain.group);
    publisher.publish(300);
    domain.set("START_FROM", "latest");
    compare_after(&server, &domain, &publisher);
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
}

fn compare_after(server: &Postgres, domain: &Domain, publisher: &Publisher) {
    let sent = publisher.flush();
    catch_up(domain, 0);
    compare(server, &sent);
}

/// What was there when the group began stays the beginning, although nothing was stored of it and
/// Kafka has forgotten it.
#[test]
fn where_reading_began_is_kept_in_the_database() {
    let kafka = shared();
    let server = Postgres::start("began");
    let domain = Domain::on_postgres("pg-began", kafka, &server.section());
    domain.set("START_FROM", "latest");
    publish_random(kafka, &domain, 44, 100).flush();
    catch_up(&domain, 0);
    assert_eq!(server.count(TABLE), 0);
    let began = kafka.ends(&domain.topic, PARTITIONS);
    kafka.delete_group(&domain.group);
    let sent = publish_random(kafka, &domain, 45, 100).flush();
    catch_up(&domain, 0);
    let new: Vec<_> = sent
        .iter()
        .filter(|((partition, offset), _)| *offset >= began[*partition as usize])
        .collect();
    let rows = new.iter().filter(|(_, fate)| fate.is_row()).count();
    assert_eq!(server.count(TABLE), rows as i64);
}

#[test]
fn a_new_field_becomes_a_new_column() {
    let kafka = shared();
    let server = Postgres::start("evolution");
    let name = "pg-evolution";
    let domain = Domain::on_postgres_with_partitions(name, kafka, &server.section(), 1);
    let event = |id: &str, more: &str| {
        format!(r#"{{"event_type":"Small","event_id":"{id}","name":"n"{more}}}"#)
    };
    domain.set_contract(&contract(name, &json!({ "name": { "type": "string" } })));
    publish(kafka, name, &[event("a", ""), event("b", r#","level":1"#)]);
    catch_up(&domain, 0);
    let fields = json!({ "name": { "type": "string" }, "level": { "type": "integer" } });
    domain.set_contract(&contract(name, &fields));
    publish(kafka, name, &[event("c", r#","level":2"#)]);
    catch_up(&domain, 0);
    let some = |text: &str| Some(text.to_owned());
    let found = server.query(&format!("SELECT event_id, level FROM {TABLE} ORDER BY 1"));
    let expected =
        [[some("a"), None], [some("b"), None], [some("c"), some("2")]].map(|row| row.to_vec());
    assert_eq!(found, expected);
}

/// A server's URI with each mode, and what comes of it: 0, or 3 with a word of the message.
#[test]
fn the_certificate_counts_as_sslmode_says() {
    let kafka = shared();
    let [right, other] = ["pg-tls", "pg-tls-other"].map(folder::fresh);
    certificate_for(&right, "DNS:localhost");
    certificate_for(&other, "DNS:localhost");
    let server = Postgres::start_tls("pg-tls", &right);
    for (number, (host, mode, root, code)) in [
        ("localhost", "verify-full", Some(&right), 0),
        ("localhost", "verify-full", Some(&other), 3),
        // A name that the certificate does not have.
        ("127.0.0.1", "verify-full", Some(&right), 3),
        ("127.0.0.1", "verify-ca", Some(&right), 0),
        ("127.0.0.1", "verify-ca", Some(&other), 3),
        ("127.0.0.1", "require", None, 0),
        ("127.0.0.1", "prefer", None, 0),
        // The server takes no connection without TLS.
        ("127.0.0.1", "disable", None, 3),
    ]
    .into_iter()
    .enumerate()
    {
        let mut keys = section(&url(host, server.port(), mode));
        if let Some(root) = root {
            keys += &format!("sslrootcert = \"{}\"\n", pem(root));
        }
        let domain = Domain::on_postgres(&format!("pg-tls-{number}"), kafka, &keys);
        domain.set("PG_TABLE_DELIVERY", &format!("events_{number}"));
        let sent = publish_random(kafka, &domain, 46, 50).flush();
        let output = catch_up(&domain, code);
        let rows = sent.values().filter(|fate| fate.is_row()).count();
        match code {
            0 => assert_eq!(server.count(&format!("events_{number}")), rows as i64),
            _ if mode == "disable" => assert!(output.contains("no encryption"), "{output}"),
            _ => {
                assert!(output.contains("certificate"), "{host}, {mode}: {output}");
                assert!(output.contains("sslrootcert"), "a hint: {output}");
            }
        }
    }
}

fn pem(folder: &Path) -> String {
    folder.join("cert.pem").display().to_string()
}

/// An instance that lost its partitions while it was frozen stores nothing more, and goes on as a
/// member like any other.
#[test]
fn a_thawed_instance_is_fenced_and_goes_on() {
    let kafka = shared();
    let server = Postgres::start("zombie");
    let domain = Domain::on_postgres("pg-zombie", kafka, &server.section());
    let feed = Feed::start(Publisher::new(kafka, &domain, 47), 200);
    let mut zombie = domain.start_ready();
    wait_progress(&server, "of the first instance", WITHIN, || zombie.assert_running());
    let before = server.held(&domain.group, &domain.topic);
    zombie.process.signal(Signal::STOP);
    let mut second = domain.start_ready();
    wait_progress(&server, "of the second instance", WITHIN, || second.assert_running());
    let after = server.held(&domain.group, &domain.topic);
    assert!(after.iter().all(|(partition, held)| held.owner != before[partition].owner));
    zombie.process.signal(Signal::CONT);
    wait_progress(&server, "after the thaw", WITHIN, || second.assert_running());
    second.stop();
    wait_progress(&server, "of the thawed instance", WITHIN, || zombie.assert_running());
    prove(&server, &feed.stop(), WITHIN);
    zombie.stop();
}

#[test]
fn a_time_column_makes_a_hypertable() {
    let kafka = shared();
    let server = Timescale::start("hypertable");
    let domain = Domain::on_postgres("pg-timescale", kafka, &server.section());
    domain
        .set("PG_TIME_COLUMN_DELIVERY", "_kafka_timestamp")
        .set("PG_COMPRESS_AFTER_DELIVERY", "7d")
        .set("PG_RETENTION_DELIVERY", "90d");
    let mut publisher = publish_random(kafka, &domain, 48, 1_000);
    let mut sent = publisher.flush();
    // The second run finds everything as configured.
    for _ in 0..2 {
        catch_up(&domain, 0);
        let rows = sent.values().filter(|fate| fate.is_row()).count();
        let counted = server.query(&format!(
            "SELECT sum(n) FROM (SELECT time_bucket('1 hour', _kafka_timestamp) AS hour, \
             count(*) AS n FROM {TABLE} GROUP BY 1) AS hours"
        ));
        assert_eq!(counted, vec![vec![Some(rows.to_string())]]);
        let jobs = server.query(&format!(
            "SELECT proc_name, coalesce(config ->> 'compress_after', config ->> 'drop_after') \
             FROM timescaledb_information.jobs WHERE hypertable_name = '{TABLE}' ORDER BY 1"
        ));
        let jobs: Vec<_> = jobs.into_iter().map(|job| job[0].clone().unwrap_or_default()).collect();
        assert_eq!(jobs, ["policy_compression", "policy_retention"]);
        publisher.publish(100);
        sent = publisher.flush();
    }
}
