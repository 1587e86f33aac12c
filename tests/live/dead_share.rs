//! `MAX_DEAD_SHARE`: a wrong deployment stops before it writes or commits anything, and the corrected one
//! goes on where it began.

use std::time::Duration;

use serde_json::json;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Publisher, Sent};
use crate::support::kafka::{Kafka, shared};
use crate::support::postgres::{self, Postgres};
use crate::support::proof::{self, Guarantee};
use crate::support::records::records;

const WITHIN: Duration = Duration::from_secs(120);

/// Batches that are full before they are old, so that the first one already has enough records.
fn limit(domain: &Domain) {
    domain.set("MAX_DEAD_SHARE_DELIVERY", "50%");
    domain.set("BATCH_ROWS_DELIVERY", "100").set("BATCH_AGE_MS_DELIVERY", "5000");
}

fn publish(domain: &Domain, kafka: &Kafka, seed: u64) -> Sent {
    let mut publisher = Publisher::new(kafka, domain, seed);
    publisher.publish(2_000);
    publisher.flush()
}

/// Runs the domain with a contract that no event of the topic fits, and then with the right one.
fn deploy_wrong_and_right(domain: &Domain, kafka: &Kafka, is_empty: impl Fn()) {
    let right = domain.env_text();
    domain.set_contract(&json!({
        "asyncapi": "3.0.0",
        "info": {"title": "wrong", "version": "1"},
        "channels": {"C": {"address": domain.topic, "messages": {"Other": {"payload": {
            "type": "object",
            "required": ["no_such_field"],
            "properties": {
                "event_type": {"type": "string"},
                "no_such_field": {"type": "string"},
            },
        }}}}},
    }));
    for _ in 0..2 {
        let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(3), "{}", run.output());
        let output = run.output();
        assert!(output.contains("records would become dead letters"), "{output}");
        assert!(output.contains("more than MAX_DEAD_SHARE=50%"), "{output}");
        assert!(output.contains("unknown_event_type") && output.contains("hint: "), "{output}");
        // Where it begins is committed, and nothing more.
        let committed = kafka.committed(&domain.group, &domain.topic, PARTITIONS);
        assert!(committed.iter().all(|offset| *offset <= 0), "{committed:?}");
        is_empty();
    }
    for line in right.lines() {
        let (name, value) = line.split_once('=').expect("an assignment");
        domain.set(name, value.trim_matches('\''));
    }
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
}

#[test]
fn bigquery_gets_nothing_of_a_wrong_deployment() {
    let kafka = shared();
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let name = format!("dead-share-{}", guarantee.key());
        let bigquery = EmbeddedBigQuery::start(&name, "", 1);
        let domain = Domain::new(&name, kafka, &bigquery.urls());
        domain.set("DELIVERY_GUARANTEE_DELIVERY", guarantee.key());
        limit(&domain);
        let sent = publish(&domain, kafka, 51);
        deploy_wrong_and_right(&domain, kafka, || {
            assert!(bigquery.letters(TABLE).is_empty());
            assert_eq!(bigquery.fresh_rows(TABLE, 0), (0, 0));
        });
        proof::prove(&bigquery, &sent, guarantee, WITHIN);
    }
}

#[test]
fn postgresql_gets_nothing_of_a_wrong_deployment_or_a_wrong_table() {
    let kafka = shared();
    let server = Postgres::start("dead-share");
    let domain = Domain::on_postgres("dead-share-pg", kafka, &server.section());
    limit(&domain);
    let sent = publish(&domain, kafka, 52);
    // The contract fits, and the table does not.
    let table = format!("CREATE TABLE {TABLE} (event_id text CHECK (event_id = 'none'))");
    server.query(&format!("{table}; ALTER TABLE {TABLE} OWNER TO consumer"));
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(3), "{}", run.output());
    let output = run.output();
    assert!(output.contains("more than MAX_DEAD_SHARE=50%"), "{output}");
    assert!(output.contains("the sink refuses") && output.contains("a check fails"), "{output}");
    assert_eq!((server.count(TABLE), server.letters(TABLE).len()), (0, 0));
    server.query(&format!("DROP TABLE {TABLE}"));
    deploy_wrong_and_right(&domain, kafka, || {
        assert_eq!((server.count(TABLE), server.letters(TABLE).len()), (0, 0));
    });
    postgres::proof::prove(&server, &sent, WITHIN);
}

#[test]
fn a_topic_gets_nothing_of_a_wrong_deployment() {
    let kafka = shared();
    let domain = Domain::on_kafka("dead-share-kafka", kafka, kafka);
    limit(&domain);
    let sent = publish(&domain, kafka, 53);
    let (rows, letters) = ("dead-share-kafka-out", "dead-share-kafka-out_dead_letters");
    deploy_wrong_and_right(&domain, kafka, || {
        assert!(records(kafka, letters, 1).is_empty());
    });
    let ends: i64 = kafka.ends(rows, PARTITIONS).iter().sum();
    let expected = crate::support::events::count(&sent, |fate| fate.is_row());
    assert!(ends >= expected as i64, "{ends} of {expected}");
}
