//! librdkafka's properties: known to it, and none of those that our guarantees rest on.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::config::Secret;
use crate::config::mistake::is_secret;
use crate::config::reader::{Found, Reader};

/// Properties that are ours, with the reason. What is not here may be set.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "the environment's key `bootstrap_servers` names them"),
    ("metadata.broker.list", "the environment's key `bootstrap_servers` names them"),
    ("group.id", "GROUP_ID names the group"),
    ("enable.auto.commit", AUTO_COMMIT),
    ("auto.commit.enable", AUTO_COMMIT),
    ("auto.commit.interval.ms", AUTO_COMMIT),
    ("enable.auto.offset.store", AUTO_COMMIT),
    ("offset.store.method", OFFSET_STORE),
    ("offset.store.path", OFFSET_STORE),
    ("offset.store.sync.interval.ms", OFFSET_STORE),
    ("partition.assignment.strategy", PROTOCOL),
    ("group.protocol", PROTOCOL),
    ("group.protocol.type", PROTOCOL),
    ("group.remote.assignor", PROTOCOL),
    (
        "group.instance.id",
        "a static member keeps its partitions while its successor starts, so a rolling update would stand still",
    ),
    (
        "isolation.level",
        "only committed records are read: an aborted transaction's would become rows",
    ),
    (
        "auto.offset.reset",
        "START_FROM says where a new group begins; a known group whose offset is gone stops instead of skipping or repeating",
    ),
    (
        "enable.partition.eof",
        "an end that comes as a message moves the client's position; --until-caught-up does without",
    ),
    ("statistics.interval.ms", "the lag and --until-caught-up are told by the statistics"),
    ("transactional.id", TRANSACTION),
    ("enable.idempotence", TRANSACTION),
    ("transaction.timeout.ms", TRANSACTION),
    ("acks", ACKS),
    ("request.required.acks", ACKS),
    ("enabled_events", "the events that the client delivers are the program's own choice"),
    ("plugin.library.paths", "code is not loaded from a configuration"),
    ("test.mock.num.brokers", "the broker in this process is `bootstrap_servers = \"embedded\"`"),
];
const AUTO_COMMIT: &str =
    "an offset is committed only once its rows are durable, never by the clock";
const OFFSET_STORE: &str = "offsets are kept in Kafka, beside the place of their rows";
const PROTOCOL: &str =
    "the exactly-once protocol is proven for cooperative-sticky assignment in a classic group";
const ACKS: &str = "a dead letter counts once every replica has it";
const TRANSACTION: &str = "offsets are committed in transactions whose terms are the program's own";

/// The names of those that are ours, for the reference.
#[cfg(test)]
pub fn refused() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().map(|(name, _)| *name)
}

/// The properties under a path, by their dotted names; `None` where one is wrong.
pub fn read(reader: &mut Reader<'_>, path: &str) -> Option<BTreeMap<String, Secret>> {
    let mut properties = BTreeMap::new();
    let mut right = true;
    for underscored in reader.layers.names(path) {
        let Some((layer, entry)) = reader.layers.find(&format!("{path}.{underscored}")) else {
            continue;
        };
        let mut found = Found { layer, entry: entry.clone() };
        // A misspelt name may be that of a secret.
        found.entry.secret |= !is_known(&underscored);
        // A mounted secret often ends in a line break that nobody meant.
        let value = found.entry.text.trim_end_matches(['\n', '\r']);
        match check(&underscored, value) {
            Ok(name) => {
                reader.show(&found, value);
                properties.insert(name, Secret::new(value));
            }
            Err(accepted) => {
                reader.wrong(&found, accepted);
                right = false;
            }
        }
    }
    right.then_some(properties)
}

/// The property's real name, or what would be accepted.
fn check(underscored: &str, value: &str) -> Result<String, String> {
    let dotted = underscored.replace('_', ".");
    let refused = |name: &str| REFUSED.iter().find(|(refused, _)| *refused == name);
    if let Some((name, why)) = refused(&dotted).or_else(|| refused(underscored)) {
        return Err(format!("{name} is not to be set: {why}"));
    }
    match tried(&dotted, value) {
        Tried::Fits => Ok(dotted),
        Tried::Wrong(why) => Err(why),
        // Very few names have underscores of their own: `log_level`.
        Tried::Unknown => match tried(underscored, value) {
            Tried::Fits => Ok(underscored.to_owned()),
            Tried::Wrong(why) => Err(why),
            Tried::Unknown => Err(format!("a property of librdkafka; it knows no `{dotted}`")),
        },
    }
}

fn is_known(underscored: &str) -> bool {
    let dotted = underscored.replace('_', ".");
    [dotted.as_str(), underscored].iter().any(|name| !matches!(tried(name, ""), Tried::Unknown))
}

enum Tried {
    Fits,
    Unknown,
    Wrong(String),
}

/// Asks librdkafka itself. Setting a property on a configuration touches neither files nor network.
fn tried(name: &str, value: &str) -> Tried {
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Tried::Fits,
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => Tried::Unknown,
        Err(KafkaError::ClientConfig(_, why, ..)) if !is_secret(name) => Tried::Wrong(why),
        // Nothing of a secret is repeated, and that is what librdkafka's text does.
        Err(_) => Tried::Wrong(format!("a value that librdkafka takes for `{name}`")),
    }
}
