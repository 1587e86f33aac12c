//! The InfluxDB sink as users configure it, on InfluxDB 1.8: points by both APIs, repeats, tags, times.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::postgres::{catch_up, contract, publish};
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::events::Publisher;
use crate::support::influx::Influx;
use crate::support::influx::proof::compare;
use crate::support::kafka::{Kafka, shared};

/// Sets the group's offset of every partition back to the beginning, as `kafka-consumer-groups
/// --reset-offsets` does.
fn read_again(kafka: &Kafka, domain: &Domain) {
    let client: BaseConsumer =
        kafka.client().set("group.id", &domain.group).create().expect("a client");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&domain.topic, partition, Offset::Offset(0)).unwrap();
    }
    client.commit(&list, CommitMode::Sync).expect("committed");
}

#[test]
fn points_and_letters_arrive_by_both_apis_and_overwrite_themselves() {
    let kafka = shared();
    for api in ["v1", "v2"] {
        let name = format!("influx-{api}");
        let server = Influx::start(&name);
        let section = if api == "v1" { server.section_v1() } else { server.section() };
        let domain = Domain::on_influx(&name, kafka, &format!("{section}gzip = true"));
        let mut publisher = Publisher::new(kafka, &domain, 51);
        publisher.publish(2_000);
        let sent = publisher.flush();
        catch_up(&domain, 0);
        let arrived = compare(&server, &sent);
        assert!(arrived.rows > 1_000 && arrived.letters > 0, "{arrived:?}");
        let ends = kafka.ends(&domain.topic, PARTITIONS);
        assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
        read_again(kafka, &domain);
        let output = catch_up(&domain, 0);
        assert!(output.contains(&arrived.rows.to_string()), "all are written again: {output}");
        assert_eq!(compare(&server, &sent), arrived);
    }
}

/// What the reference says of each type, as the server gives it back.
#[test]
fn every_type_arrives_as_documented() {
    let kafka = shared();
    let name = "influx-types";
    let server = Influx::start(name);
    let domain = Domain::on_influx_with_partitions(name, kafka, &server.section(), 1);
    domain.set_contract(&contract(
        name,
        &json!({
            "region": { "type": "string" },
            "amount": { "type": "number" },
            "level": { "type": "integer" },
            "paid": { "type": "boolean" },
            "price": { "type": "string", "format": "decimal" },
            "occurred_at": { "type": "string", "format": "date-time" },
            "day": { "type": "string", "format": "date" },
            "blob": { "type": "string", "contentEncoding": "base64" },
            "names": { "type": "array", "items": { "type": "string" } },
            "address": { "type": "object", "properties": {
                "city": { "type": "string" }, "zip": { "type": "integer" } } },
            "anything": {},
            "time": { "type": "string" },
        }),
    ));
    domain.set("INFLUX_TAGS_DELIVERY", r#"["region","address.city"]"#);
    domain.set("INFLUX_TIME_DELIVERY", "/occurred_at");
    let odd = r#"a,b=c d\"e\\f"#;
    let event = json!({
        "event_type": "Small", "event_id": "a", "region": "north, west = 1", "amount": 12,
        "level": i64::MAX, "paid": true, "price": "1.10",
        "occurred_at": "2026-11-21T10:00:00.123456Z", "day": "2026-11-21", "blob": "AP8=",
        "names": ["a\"b", "c"], "address": { "city": "São\u{0009}Paulo", "zip": 1 },
        "anything": { "x": [1.5, null] }, "time": "noon", "undeclared": odd,
    });
    let other = json!({ "event_type": "Small", "event_id": "b\nc\\", "region": "", "amount": 1e300,
        "occurred_at": "1700-01-01T00:00:00Z" });
    publish(kafka, name, &[event.to_string(), other.to_string()]);
    catch_up(&domain, 0);
    let rows = server.query(&format!("SELECT * FROM {TABLE}"));
    let [old, row]: [BTreeMap<String, Value>; 2] = rows.try_into().expect("two points");
    let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name}: {}", row[name]));
    assert_eq!(row["time"], json!(1_795_255_200_123_000_000_i64));
    assert_eq!(text("region"), "north, west = 1");
    assert_eq!(text("address.city"), "São\u{0009}Paulo");
    assert_eq!(row["address.zip"], json!(1));
    assert_eq!((&row["amount"], &row["level"]), (&json!(12), &json!(i64::MAX)));
    assert_eq!((&row["paid"], &row["price"]), (&json!(true), &json!(1.1)));
    assert_eq!(text("occurred_at"), "2026-11-21T10:00:00.123456Z");
    assert_eq!((text("day"), text("blob")), ("2026-11-21", "AP8="));
    assert_eq!(text("names"), r#"["a\"b","c"]"#);
    assert_eq!((text("anything"), text("f_time")), (r#"{"x":[1.5,null]}"#, "noon"));
    assert!(text("_extra").contains(r#"\\\"e\\\\f"#), "{}", text("_extra"));
    assert_eq!((text("_kafka_topic"), text("_kafka_partition")), (name, "0"));
    assert_eq!(old["event_id"], json!("b\nc\\"));
    assert_eq!((&old["amount"], &old["region"]), (&json!(1e300), &Value::Null));
    // A number is a float although the event has 12, and an integer is one.
    let types = server.query(&format!("SHOW FIELD KEYS FROM {TABLE}"));
    let kind = |name: &str| {
        let found = types.iter().find(|row| row["fieldKey"] == json!(name));
        found.unwrap_or_else(|| panic!("{name}: {types:?}"))["fieldType"].clone()
    };
    for (name, expected) in [
        ("amount", "float"),
        ("price", "float"),
        ("level", "integer"),
        ("_kafka_offset", "integer"),
        ("paid", "boolean"),
        ("names", "string"),
    ] {
        assert_eq!(kind(name), json!(expected), "{name}");
    }
}

/// Texts and tags of every character that means something in line protocol come back from the server
/// as they were, or have a dead letter; no line touches another one.
#[test]
fn any_text_comes_back_as_it_was() {
    const COUNT: usize = 2_000;
    let kafka = shared();
    let name = "influx-texts";
    let server = Influx::start(name);
    let domain = Domain::on_influx_with_partitions(name, kafka, &server.section(), 1);
    let text = json!({ "type": "string" });
    domain.set_contract(&contract(name, &json!({ "a tag": text, "text, =\"": text })));
    domain.set("INFLUX_TAGS_DELIVERY", r#"["a tag"]"#);
    let mut dice = StdRng::seed_from_u64(55);
    let mut any = |letters: &[char]| -> String {
        let length = dice.random_range(0..12);
        (0..length).map(|_| letters[dice.random_range(0..letters.len())]).collect()
    };
    let special = ['\\', ',', '=', ' ', '"', 'a', '#', 'é', '\u{0}', '\t', '\r', '\n'];
    let texts: Vec<(String, String)> =
        (0..COUNT).map(|_| (any(&special[..10]), any(&special))).collect();
    let event = |(tag, text): &(String, String)| json!({ "event_type": "Small", "event_id": "a", "a tag": tag, "text, =\"": text });
    publish(kafka, name, &texts.iter().map(|both| event(both).to_string()).collect::<Vec<_>>());
    catch_up(&domain, 0);
    let letters = server.letters(TABLE);
    let rows = server.query(&format!("SELECT * FROM {TABLE}"));
    assert_eq!(rows.len() + letters.len(), COUNT);
    for row in rows {
        let (tag, text) = &texts[row["_kafka_offset"].as_u64().expect("an offset") as usize];
        assert_eq!(row["a tag"].as_str().unwrap_or_default(), tag);
        assert_eq!(row["text, =\""].as_str().unwrap_or_default(), text);
    }
    for (_, offset) in letters.keys() {
        let tag = &texts[*offset as usize].0;
        let misread = ["\\,", "\\=", "\\ "].iter().any(|pair| tag.contains(pair));
        assert!(misread || tag.ends_with('\\'), "{tag:?}");
    }
}

/// Two topics in one measurement, whose partitions, offsets and times are the same.
#[test]
fn topics_in_one_measurement_do_not_overwrite_each_other() {
    let kafka = shared();
    let server = Influx::start("influx-topics");
    for name in ["influx-topic-a", "influx-topic-b"] {
        let domain = Domain::on_influx_with_partitions(name, kafka, &server.section(), 1);
        let at = json!({ "at": { "type": "string", "format": "date-time" } });
        domain.set_contract(&contract(name, &at));
        domain.set("INFLUX_TIME_DELIVERY", "/at");
        let event = r#"{"event_type":"Small","event_id":"a","at":"2026-11-21T10:00:00Z"}"#;
        publish(kafka, name, &vec![event.to_owned(); 10]);
        catch_up(&domain, 0);
    }
    assert_eq!(server.count(TABLE), 20);
}

/// `config` names every mistake in the columns that the keys name.
#[test]
fn config_checks_the_columns() {
    let kafka = shared();
    let name = "influx-config";
    let domain = Domain::on_influx_with_partitions(
        name,
        kafka,
        "url = \"http://127.0.0.1:1\"\nbucket = \"b\"\ntoken = \"a-secret\"",
        1,
    );
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "number" } })));
    let config = |code| {
        let mut run = domain.run(&["config", "DELIVERY"], &[]);
        assert_eq!(run.wait(crate::postgres::WITHIN).code(), Some(code), "{}", run.output());
        run.output()
    };
    let output = config(0);
    assert!(output.contains("columns to b/delivery_events"), "{output}");
    assert!(!output.contains("a-secret"), "{output}");
    domain.set("INFLUX_TAGS_DELIVERY", "amount,event_id").set("INFLUX_FIELDS_DELIVERY", "x");
    domain.set("INFLUX_TIME_DELIVERY", "/at");
    let output = config(1);
    for part in ["has 3 mistakes", "`amount`: its values are no tags", "the column `x`", "no time"]
    {
        assert!(output.contains(part), "{part}: {output}");
    }
}
