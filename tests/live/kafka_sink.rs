//! The Kafka sink as users configure it: one cluster or two, keys and headers, what is refused.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use crate::postgres::{WITHIN, catch_up, contract, publish};
use crate::support::domain::{Domain, PARTITIONS};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::{Kafka, shared};
use crate::support::messages::{Written, read_all};
use crate::support::signal::Signal;
use crate::support::stored::{Store, wait_progress};

/// The offsets that the groups of the partitions keep in the other cluster.
fn kept(out: &Kafka, domain: &Domain) -> Vec<i64> {
    let (group, topic) = (&domain.group, &domain.topic);
    let of = |partition| {
        out.committed(&format!("{group}/{topic}/{partition}"), &format!("{topic}-out"), 1)[0]
    };
    (0..PARTITIONS).map(of).collect()
}

#[test]
fn rows_letters_and_the_groups_offsets_arrive_together() {
    let kafka = shared();
    let domain = Domain::on_kafka("kafka-same", kafka, kafka);
    let mut publisher = Publisher::new(kafka, &domain, 61);
    publisher.publish(800);
    let sent = publisher.flush();
    catch_up(&domain, 0);
    let written = Written::of(&domain, kafka);
    let arrived = written.compare(&sent);
    assert!(arrived.rows > 400 && arrived.letters > 0, "{arrived:?}");
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
    // A second run goes on there, and an instance that was frozen meanwhile writes nothing more.
    let feed = Feed::start(publisher, 100);
    let mut zombie = domain.start_ready();
    wait_progress(&written, "of the first instance", WITHIN, || zombie.assert_running());
    zombie.process.signal(Signal::STOP);
    let mut second = domain.start_ready();
    wait_progress(&written, "of the second instance", WITHIN, || second.assert_running());
    zombie.process.signal(Signal::CONT);
    wait_progress(&written, "after the thaw", WITHIN, || second.assert_running());
    second.stop();
    wait_progress(&written, "of the thawed instance", WITHIN, || zombie.assert_running());
    written.prove(&feed.stop(), WITHIN);
    zombie.stop();
}

#[test]
fn the_other_cluster_keeps_the_offsets_of_what_it_has() {
    let (kafka, out) = (shared(), Kafka::start("sink-out"));
    let domain = Domain::on_kafka("kafka-other", kafka, &out);
    let mut publisher = Publisher::new(kafka, &domain, 62);
    publisher.publish(400);
    catch_up(&domain, 0);
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kept(&out, &domain), ends);
    // For those who watch lag.
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
    // What Kafka forgets where it is read does not count.
    kafka.delete_group(&domain.group);
    publisher.publish(200);
    catch_up(&domain, 0);
    Written::of(&domain, &out).compare(&publisher.flush());
}

#[test]
fn what_the_filter_leaves_becomes_json_with_key_and_headers() {
    let kafka = shared();
    let name = "kafka-json";
    let domain = Domain::on_kafka_with(name, kafka, kafka, 1, &[]);
    let fields = json!({
        "amount": { "type": "number" },
        "at": { "type": "string", "format": "date-time" },
        "tags": { "type": "array", "items": { "type": "string" } },
        "shop": { "type": "object", "properties": { "id": { "type": "integer" } } },
    });
    domain
        .set_contract(&contract(name, &fields))
        .set("FILTER_DELIVERY", "payload.amount > 5")
        .set("OUT_KEY_DELIVERY", "/shop/id");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let producer: BaseProducer = kafka.client().create().expect("a producer");
    for amount in [4, 6] {
        let event = json!({
            "event_type": "Small", "event_id": "a", "amount": amount, "at": "2026-11-06T10:00:00Z",
            "tags": ["x", "y"], "shop": { "id": 7 }, "new": { "more": [1] },
        })
        .to_string();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "traceparent", value: Some(trace) })
            .insert(Header { key: "other", value: Some("x") });
        let record = BaseRecord::to(name).partition(0).key("k").payload(&event).headers(headers);
        producer.send(record).map_err(|(error, _)| error).expect("queued");
    }
    producer.flush(WITHIN).expect("delivered");
    catch_up(&domain, 0);
    let rows = read_all(&kafka.client(), &format!("{name}-out"));
    assert_eq!(rows.len(), 1, "{rows:?}");
    let expected = json!({
        "event_type": "Small", "event_id": "a", "amount": 6.0, "at": "2026-11-06T10:00:00.000000Z",
        "tags": ["x", "y"], "shop": { "id": 7 }, "_extra": { "new": { "more": [1] } },
    });
    assert_eq!(rows[0].json(), expected);
    assert_eq!(rows[0].key.as_deref(), Some("7"));
    let headers = [
        ("event_type", "Small"),
        ("source_offset", "1"),
        ("source_partition", "0"),
        ("source_topic", name),
        ("traceparent", trace),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(rows[0].headers.clone().into_iter().collect::<Vec<_>>(), headers);
    // Without OUT_KEY the record's key goes on.
    domain.unset("OUT_KEY_DELIVERY").unset("FILTER_DELIVERY");
    publish(kafka, name, &[r#"{"event_type":"Small","event_id":"b"}"#.to_owned()]);
    let record = BaseRecord::to(name)
        .partition(0)
        .key("passed on")
        .payload(r#"{"event_type":"Small","event_id":"c"}"#);
    producer.send(record).map_err(|(error, _)| error).expect("queued");
    producer.flush(WITHIN).expect("delivered");
    catch_up(&domain, 0);
    let mut keys: Vec<_> = read_all(&kafka.client(), &format!("{name}-out"))
        .into_iter()
        .map(|row| (row.number("source_offset").expect("an offset"), row.key))
        .collect();
    keys.sort_unstable();
    let some = |key: &str| Some(key.to_owned());
    assert_eq!(keys, [(1, some("7")), (2, None), (3, some("passed on"))]);
}

/// The topics take messages of 20,000 bytes, and so no batch of many rows either.
#[test]
fn a_row_that_is_too_large_is_a_dead_letter_and_the_others_are_written() {
    let kafka = shared();
    let name = "kafka-large";
    let limit = [("max.message.bytes", "20000")];
    let domain = Domain::on_kafka_with(name, kafka, kafka, 1, &limit);
    domain.set_contract(&contract(name, &json!({ "text": { "type": "string" } })));
    let sizes: Vec<usize> =
        (0..300).map(|number| if number % 60 == 7 { 19_000 + number * 10 } else { 500 }).collect();
    let event = |(number, size): (usize, &usize)| {
        let text = "x".repeat(*size);
        json!({ "event_type": "Small", "event_id": number.to_string(), "text": text }).to_string()
    };
    let events: Vec<String> = sizes.iter().enumerate().map(event).collect();
    publish(kafka, name, &events);
    let output = catch_up(&domain, 0);
    let rows = read_all(&kafka.client(), &format!("{name}-out"));
    let letters = read_all(&kafka.client(), &format!("{name}-out_dead_letters"));
    let offsets = |messages: &[crate::support::messages::Out], header: &str| {
        let mut offsets: Vec<i64> =
            messages.iter().map(|one| one.number(header).expect("an offset")).collect();
        offsets.sort_unstable();
        offsets
    };
    let is_large = |offset: &i64| sizes[*offset as usize] > 19_700;
    let (large, small): (Vec<i64>, Vec<i64>) = (0..300).partition(is_large);
    assert_eq!(offsets(&rows, "source_offset"), small, "{output}");
    assert_eq!(offsets(&letters, "dead_letter.offset"), large, "{output}");
    assert!(letters.iter().all(|letter| letter.headers["dead_letter.reason"] == "too_large"));
}

#[test]
fn what_is_missing_is_named() {
    let kafka = shared();
    let domain = Domain::on_kafka("kafka-missing", kafka, kafka);
    domain.set("OUT_TOPIC_DELIVERY", "kafka-nowhere");
    let output = catch_up(&domain, 3);
    assert!(output.contains("create the topics kafka-nowhere"), "{output}");
    domain.set("OUT_TOPIC_DELIVERY", &domain.topic);
    let output = catch_up(&domain, 1);
    assert!(output.contains("would be read again"), "{output}");
    // Another name of the same cluster, which only the brokers can say.
    let servers = kafka.bootstrap();
    let environments = format!(
        "[consume.live]\nbootstrap_servers = \"{servers}\"\n\
         [write.live.kafka]\nbootstrap_servers = \"{}\"\n",
        servers.replace("127.0.0.1", "localhost")
    );
    domain.file("config/environments.toml", &environments);
    kafka.create_topic(&format!("{}_dead_letters", domain.topic), 1);
    let output = catch_up(&domain, 3);
    assert!(output.contains("would be read again"), "{output}");
}
