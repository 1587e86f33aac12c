//! `SINK=kafka`: its keys, its section, and the properties that it does not take.

use super::*;

const SERVERS: &str = "WRITE__PROD__KAFKA__BOOTSTRAP_SERVERS";

/// A valid configuration of DELIVERY that writes to Kafka.
fn valid() -> Sources {
    without_bigquery()
        .env("SINK_DELIVERY=kafka\nOUT_TOPIC_DELIVERY=high")
        .variable(SERVERS, "out1:9092, out2:9092")
}

/// The same without one key.
pub(super) fn valid_without(base: &str) -> Sources {
    let mut sources = valid();
    let lines = sources.env_file.lines().filter(|line| !line.starts_with(base));
    sources.env_file = lines.map(|line| format!("{line}\n")).collect();
    sources
}

fn kafka(sources: Sources) -> KafkaSettings {
    match sources.settings().write.sink {
        SinkSettings::Kafka(settings) => settings,
        _ => panic!("the sink is Kafka"),
    }
}

#[test]
fn the_least_that_is_needed() {
    let settings = kafka(valid());
    assert_eq!(settings.topic, "high");
    assert_eq!(settings.dead_letters(), "high_dead_letters");
    assert_eq!(settings.server.bootstrap, "out1:9092,out2:9092");
    assert!(settings.key.is_none() && settings.server.properties.is_empty());
}

#[test]
fn properties_are_those_of_librdkafka_and_secrets_are_not_shown() {
    let loaded = valid()
        .env("OUT_KEY=/shop/id")
        .variable("WRITE__PROD__KAFKA__PROPERTIES__SASL_PASSWORD", "s3cret")
        .file("more.toml", "[write.prod.kafka.properties]\n\"compression.type\" = \"zstd\"\n")
        .load()
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let shown = loaded.shown("WRITE__PROD__KAFKA__PROPERTIES__SASL_PASSWORD").0;
    assert!(!shown.contains("s3cret"), "{shown}");
    let SinkSettings::Kafka(settings) = loaded.settings.write.sink else { panic!("Kafka") };
    assert_eq!(settings.key, Some(vec!["shop".to_owned(), "id".to_owned()]));
    let property = |name: &str| settings.server.properties[name].expose().to_owned();
    assert_eq!(property("sasl.password"), "s3cret");
    assert_eq!(property("compression.type"), "zstd");
}

#[test]
fn what_the_sink_sets_itself_is_refused() {
    for (name, value, why) in [
        ("TRANSACTIONAL_ID", "x", "transactions"),
        ("ENABLE_IDEMPOTENCE", "false", "transactions"),
        ("ACKS", "1", "all in-sync replicas"),
        ("PLUGIN_LIBRARY_PATHS", "/tmp/x.so", "code"),
        ("NO_SUCH_THING", "1", "knows no"),
    ] {
        let sources = valid().variable(&format!("WRITE__PROD__KAFKA__PROPERTIES__{name}"), value);
        let mistake = sources.mistake();
        assert!(mistake.accepted.contains(why), "{mistake}");
    }
}

#[test]
fn the_servers_have_to_be_named_and_are_not_embedded() {
    let mut none = valid();
    none.variables.remove(std::ffi::OsStr::new(SERVERS));
    let none = none.variable("WRITE__PROD__KAFKA__PROPERTIES__LINGER_MS", "5");
    assert_eq!(none.mistake().key, "write.prod.kafka.bootstrap_servers");
    let embedded = valid().variable(SERVERS, "embedded").mistake();
    assert!(embedded.accepted.contains("offsets of transactions"), "{embedded}");
    let other = valid().variable("WRITE__PROD__KAFKA__SERVERS", "x:1").mistakes();
    assert!(other.iter().any(|mistake| mistake.accepted.contains("bootstrap_servers")));
}

#[test]
fn keys_of_another_sink_are_mistakes() {
    let mistake = valid().env("PG_TABLE_DELIVERY=high").mistake();
    assert_eq!(mistake.key, "PG_TABLE_DELIVERY");
    let mistake = Sources::valid().env("OUT_TOPIC_DELIVERY=high").mistake();
    assert!(mistake.accepted.contains("SINK_DELIVERY=kafka"), "{mistake}");
}
