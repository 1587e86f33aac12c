//! Dead letters in a Kafka topic: original key and value, with headers that describe the failure.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::bigquery::{At, EmbeddedBigQuery};
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::{Fate, Publisher, Sent};
use crate::support::kafka::shared;
use crate::support::records::records;

const WITHIN: Duration = Duration::from_secs(120);

#[test]
fn dead_letters_have_the_original_record_and_describe_the_failure() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("letters", "", 1);
    let domain = Domain::new("letters", kafka, &bigquery.urls());
    let letters = "letters-dead";
    kafka.create_topic(letters, 1);
    domain.set("DEAD_LETTER_DELIVERY", &format!("kafka:{letters}"));
    let mut publisher = Publisher::new(kafka, &domain, 11);
    publisher.publish(1_000);
    let sent = publisher.flush();
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0));

    let bad: Sent = sent.into_iter().filter(|(_, fate)| matches!(fate, Fate::Letter(_))).collect();
    assert!(!bad.is_empty());
    let originals = records(kafka, &domain.topic, PARTITIONS);
    let mut found = BTreeMap::new();
    for letter in records(kafka, letters, 1).into_values() {
        let header = |name: &str| letter.header(name).unwrap_or_default().to_owned();
        let number = |name: &str| header(name).parse::<i64>().unwrap();
        assert_eq!(header("dead_letter.topic"), domain.topic);
        assert_eq!(header("dead_letter.consumer_group"), domain.group);
        assert!(header("dead_letter.contract").contains("delivery_events_v10"));
        let at = (number("dead_letter.partition") as i32, number("dead_letter.offset"));
        let original = &originals[&at];
        assert_eq!((&letter.key, &letter.value), (&original.key, &original.value), "{at:?}");
        let bytes = original.value.as_ref().map_or(0, Vec::len);
        assert_eq!(number("dead_letter.value_bytes"), bytes as i64);
        assert_eq!(number("dead_letter.timestamp_ms"), original.timestamp_ms);
        assert_eq!(header("dead_letter.value_sha256").len(), 64);
        found.insert(at, header("dead_letter.reason"));
    }
    let expected: BTreeMap<At, String> = bad
        .into_iter()
        .filter_map(|(at, fate)| match fate {
            Fate::Letter(reason) => Some((at, reason.to_owned())),
            _ => None,
        })
        .collect();
    assert_eq!(found, expected);
    assert!(!bigquery.has_table(&format!("{TABLE}_dead_letters")));
}

#[test]
fn a_letter_that_is_larger_than_its_topic_allows_is_cut() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("large-letters", "", 1);
    // Not JSON. Compressed it fits the domain's topic, which has Kafka's default limit.
    let value = "x".repeat(1_100_000);
    let publisher: BaseProducer = kafka
        .client()
        .set("message.max.bytes", "10000000")
        .set("compression.type", "gzip")
        .create()
        .expect("a producer");
    for (name, limit, kept) in [
        ("large-letters-4m", "4000000", 1 << 20..=1 << 20),
        ("large-letters-default", "1048588", 900_000..=1_048_000),
        ("large-letters-small", "20000", 8_000..=20_000),
        ("large-letters-tiny", "2000", 0..=2_000),
    ] {
        let domain = Domain::new(name, kafka, &bigquery.urls());
        let letters = format!("{name}-dead");
        kafka.create_topic_with(&letters, 1, &[("max.message.bytes", limit)]);
        domain.set("DEAD_LETTER_DELIVERY", &format!("kafka:{letters}"));
        domain.set("BQ_TABLE_DELIVERY", &name.replace('-', "_"));
        // Several at once: none is refused because of another.
        for key in ["a", "b", "c"] {
            publisher.send(BaseRecord::to(name).partition(0).key(key).payload(&value)).unwrap();
        }
        publisher.flush(WITHIN).expect("delivered");
        let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(0), "{name}: {}", run.output());
        let found = records(kafka, &letters, 1);
        assert_eq!(found.len(), 3, "{name}");
        for letter in found.into_values() {
            let found = letter.value.as_ref().map_or(0, Vec::len);
            assert!(kept.contains(&found), "{name}: {found} bytes");
            assert_eq!(letter.header("dead_letter.value_bytes"), Some("1100000"));
            assert_eq!(letter.header("dead_letter.reason"), Some("invalid_json"));
            assert!(letter.key.is_some());
        }
    }
}
