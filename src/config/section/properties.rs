//! librdkafka's properties. All that librdkafka knows may be set, except those that the delivery
//! guarantees depend on.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::config::mistake::is_secret;
use crate::config::resolver::Resolver;
use crate::config::secret::Secret;

/// Properties that cannot be set, each with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", SERVERS),
    ("metadata.broker.list", SERVERS),
    ("group.id", "set GROUP_ID instead"),
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
        "a static member keeps its partitions after it has stopped, so during a rolling update they are not read until its replacement has started",
    ),
    (
        "isolation.level",
        "only committed records are read: those of aborted transactions must not become rows",
    ),
    (
        "auto.offset.reset",
        "START_FROM says where a new group begins; if the offset that a group committed no longer exists, the instance stops instead of skipping or repeating records",
    ),
    (
        "enable.partition.eof",
        "end-of-partition messages move the client's position; --until-caught-up works without them",
    ),
    ("transactional.id", TRANSACTION),
    ("enable.idempotence", TRANSACTION),
    ("transaction.timeout.ms", TRANSACTION),
    ("acks", ACKS),
    ("request.required.acks", ACKS),
    ("enabled_events", "the program depends on the events that it enables itself"),
    ("plugin.library.paths", CODE),
    ("ssl.engine.location", CODE),
    ("ssl.engine.id", CODE),
    ("ssl.providers", CODE),
    ("sasl.kerberos.kinit.cmd", CODE),
    ("test.mock.num.brokers", "set `bootstrap_servers = \"embedded\"` instead"),
];
const CODE: &str = "a configuration must not load or run code";
const SERVERS: &str = "set `bootstrap_servers` of the environment instead";
const AUTO_COMMIT: &str = "an offset is committed after its rows are durable, never on a timer";
const OFFSET_STORE: &str =
    "offsets are stored in Kafka, with metadata that says where their rows are";
const PROTOCOL: &str =
    "exactly-once is verified for cooperative-sticky assignment in a classic group";
const ACKS: &str = "a dead letter counts as written when all in-sync replicas have it";
const TRANSACTION: &str = "the program configures the transactions that commit offsets and rows";

/// The names of the properties that cannot be set.
#[cfg(test)]
pub fn refused() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().map(|(name, _)| *name)
}

/// What a name is, as the name of a property.
pub enum Property {
    Known,
    /// It cannot be set; the reason.
    Refused(&'static str),
    Unknown,
}

/// What a name with dots is, as the name of a property.
pub fn property(name: &str) -> Property {
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Property::Refused(reason);
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    match name.chars().all(fits) && is_known(&name.replace('.', "_")) {
        true => Property::Known,
        false => Property::Unknown,
    }
}

/// Why a property is not accepted. Printed as the accepted values of a mistake.
#[derive(Debug, thiserror::Error)]
enum PropertyError {
    #[error("{name} cannot be set: {reason}")]
    Refused { name: &'static str, reason: &'static str },
    #[error("a librdkafka property; librdkafka knows no `{0}`")]
    Unknown(String),
    /// The value is not accepted, in librdkafka's words.
    #[error("{0}")]
    Rejected(String),
    /// The value is not accepted, and librdkafka's message may repeat it.
    #[error("a value that librdkafka accepts for `{0}`")]
    RejectedSecret(String),
}

/// The properties below a path, by their dotted names; `None` if one of them is not accepted.
pub fn read(resolver: &mut Resolver<'_>, path: &str) -> Option<BTreeMap<String, Secret>> {
    let mut properties = BTreeMap::new();
    let mut valid = true;
    for underscored in resolver.layers.names(path) {
        let Some(setting) = resolver.layers.find(&format!("{path}.{underscored}")) else {
            continue;
        };
        if resolver.is_faulty(setting) {
            valid = false;
            continue;
        }
        let mut setting = setting.clone();
        // An unknown name may be the misspelt name of a secret.
        setting.secret |= !is_known(&underscored);
        // A mounted secret often ends in an unintended line break.
        let value = setting.text.trim_end_matches(['\n', '\r']);
        match check(&underscored, value) {
            Ok(name) => {
                resolver.show(&setting, value);
                properties.insert(name, Secret::new(value));
            }
            Err(error) => {
                resolver.wrong(&setting, error.to_string());
                valid = false;
            }
        }
    }
    valid.then_some(properties)
}

/// Checks a property whose dots are written as underscores. Returns its real name.
fn check(underscored: &str, value: &str) -> Result<String, PropertyError> {
    let dotted = underscored.replace('_', ".");
    // Few names contain underscores themselves: `log_level`, `enabled_events`.
    for name in [dotted.as_str(), underscored] {
        if let Some((name, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return Err(PropertyError::Refused { name, reason });
        }
    }
    match set(&dotted, value) {
        Ok(()) => Ok(dotted),
        Err(PropertyError::Unknown(_)) => match set(underscored, value) {
            Ok(()) => Ok(underscored.to_owned()),
            Err(PropertyError::Unknown(_)) => Err(PropertyError::Unknown(dotted)),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn is_known(underscored: &str) -> bool {
    let dotted = underscored.replace('_', ".");
    [dotted.as_str(), underscored]
        .iter()
        .any(|name| !matches!(set(name, ""), Err(PropertyError::Unknown(_))))
}

/// Sets a property in an unused librdkafka configuration, which uses neither files nor the network.
fn set(name: &str, value: &str) -> Result<(), PropertyError> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err(PropertyError::Unknown(name.to_owned()))
        }
        Err(KafkaError::ClientConfig(_, message, ..)) if !is_secret(name) => {
            Err(PropertyError::Rejected(message))
        }
        Err(_) => Err(PropertyError::RejectedSecret(name.to_owned())),
    }
}
