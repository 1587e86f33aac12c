//! The table of all keys, and what a name found in a layer means for a domain.

/// One key. A domain reads it as `BASE_DOMAIN`, or else as `BASE`, the default of all domains.
#[derive(Debug)]
pub struct Key {
    pub base: &'static str,
    /// `false` for a key that the cluster sets for all its domains: `BASE_DOMAIN` is a mistake.
    pub per_domain: bool,
    /// The value if no layer sets the key. `None`: the key is required, or its absence has a
    /// meaning of its own.
    pub default: Option<&'static str>,
    /// The accepted values, as shown to users.
    pub accepted: &'static str,
}

macro_rules! keys {
    ($($name:ident: $per_domain:literal, $default:expr, $accepted:literal;)*) => {
        $(pub static $name: Key = Key {
            base: stringify!($name),
            per_domain: $per_domain,
            default: $default,
            accepted: $accepted,
        };)*
        /// All keys, in the order of docs/reference/configuration.md.
        pub static ALL: &[&Key] = &[$(&$name,)*];
    };
}

keys! {
    BQ_TABLE: true, None, "a table: `table`, `dataset.table` or `project.dataset.table`";
    IMPORT_PATH: true, None, "the path of a contract document, with dots for slashes and without its ending: `contracts.delivery.delivery_events_v10`";
    IMPORT_OBJECT: true, None, "a channel of that document: `DeliveryEventsV10Topic`";
    IGNORE_EVENTS: true, Some("[]"), "event types: a JSON list, a JSON string that contains such a list, or names separated by commas";
    CONSUME_ENV: true, None, "an environment with a `[consume.<env>]` section";
    GROUP_ID: true, None, "a Kafka consumer group: printable characters without spaces";
    START_FROM: true, Some("earliest"), "`earliest` or `latest`";
    ACCEPT_TOPIC_ID: true, None, "the id of a topic, as `kafka-topics --describe` prints it";
    WRITE_ENV: false, None, "an environment with a `[write.<env>]` section";
    ENV_FILE: false, None, "a path, `s3://bucket/key`, `gs://bucket/object` or `https://host/path`";
    CLUSTER: false, None, "the name of a cluster: lower-case letters, digits and hyphens";
    GOOGLE_APPLICATION_CREDENTIALS: false, None, "the path of a credentials file, or empty for the metadata server";
    MANAGE_TABLE: true, Some("true"), "`true` or `false`";
    PARTITION_BY: true, Some("_ingested_at"), "a column name: up to 300 letters, digits and underscores";
    DEAD_LETTER: true, Some("bigquery"), "`bigquery` or `kafka:<topic>`";
    CONTRACTS_DIR: true, Some("contracts"), "a folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `https://host/path`";
    DELIVERY_GUARANTEE: true, Some("exactly-once"), "`exactly-once` or `at-least-once`";
    ROW_LAYOUT: true, Some("columns"), "`columns` or `envelope`";
    IN_FLIGHT_BYTES: true, Some("64MiB"), "bytes, from 1MiB to 64GiB: `67108864` or `64MiB`";
    BATCH_BYTES: true, Some("1MiB"), "bytes, from 1KiB to 16MiB: `1048576` or `1MiB`";
    BATCH_ROWS: true, Some("10000"), "a whole number from 1 to 100000";
    BATCH_AGE_MS: true, Some("20"), "milliseconds: a whole number from 0 to 60000";
    COMMIT_INTERVAL_MS: true, Some("100"), "milliseconds: a whole number from 0 to 60000";
    DRAIN_SECONDS: true, Some("20"), "seconds: a whole number from 1 to 25";
    METRICS_ADDR: true, Some("0.0.0.0:9464"), "an IP address and a port: `0.0.0.0:9464`";
    DISABLE: true, Some("false"), "`true` or `false`";
}

impl Key {
    /// The name of `domain`'s own value: `BQ_TABLE_DELIVERY`, or the base if there is no such form.
    pub fn name_in(&self, domain: &str) -> String {
        if self.per_domain { format!("{}_{domain}", self.base) } else { self.base.to_owned() }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base
    }
}

impl Eq for Key {}

/// What a name means for the domain that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// This domain's value, or the default of all domains.
    Ours,
    /// The cluster's key with this domain's name as a suffix: `WRITE_ENV_DELIVERY`.
    NoDomainForm(&'static Key),
    /// Ends in this domain's name but is no known key, or is a known key in another case.
    Misspelt,
    /// Another domain's key, or not a key of this program.
    Foreign,
}

/// Classifies a name as written in a layer. Keys are upper case: a key of ours in another case
/// counts as misspelt, because ignoring it silently would surprise its author.
pub fn meaning(name: &str, domain: &str) -> Meaning {
    let upper = name.to_ascii_uppercase();
    for key in ALL {
        let Some(rest) = upper.strip_prefix(key.base) else { continue };
        let suffix = rest.strip_prefix('_');
        return match suffix {
            None if !rest.is_empty() => continue,
            Some(suffix) if suffix != domain => Meaning::Foreign,
            Some(_) if !key.per_domain => Meaning::NoDomainForm(key),
            _ if upper != name => Meaning::Misspelt,
            _ => Meaning::Ours,
        };
    }
    let misspelt = upper.strip_suffix(domain).is_some_and(|head| head.ends_with('_'));
    if misspelt { Meaning::Misspelt } else { Meaning::Foreign }
}

/// The key at a path of the layers: that of `BQ_TABLE_DELIVERY` or `BQ_TABLE`. `None` for the path
/// of an environment's key.
pub fn named(path: &str) -> Option<&'static Key> {
    ALL.iter().copied().find(|key| {
        path.strip_prefix(key.base).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

/// The domain whose own value a name is: `ORDERS` for `BQ_TABLE_ORDERS`.
pub fn owner(name: &str) -> Option<String> {
    ALL.iter().filter(|key| key.per_domain).find_map(|key| {
        let suffix = name.strip_prefix(key.base)?.strip_prefix('_')?;
        domain(suffix).ok().filter(|domain| domain == suffix)
    })
}

/// The key that a misspelt name of this domain probably means, under its full name.
pub fn suggestion(name: &str, domain: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let head = upper.strip_suffix(domain).map_or(upper.as_str(), |head| head.trim_end_matches('_'));
    let base = closest(head, ALL.iter().map(|key| key.base))?;
    ALL.iter().find(|key| key.base == base).map(|key| key.name_in(domain))
}

/// The one of `names` that is most similar to `name`; `None` if none is similar.
pub fn closest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Jaro-Winkler similarity: a swapped, missing or extra letter leaves 0.9 or more; unrelated
    // words have less than 0.7.
    const SIMILAR: f64 = 0.75;
    names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// The end of a message that suggests a name; empty if there is none to suggest.
pub fn did_you_mean(name: Option<impl std::fmt::Display>) -> String {
    name.map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// A text that is not a domain's name; prints what a name has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a domain name has letters, digits and single underscores and begins with a letter \
     (`DELIVERY`, `DELIVERY_EVENTS`); it has no hyphens because it is part of the names of \
     environment variables"
)]
pub struct InvalidDomain;

/// Checks a domain's name and makes it upper case: `delivery` becomes `DELIVERY`.
pub fn domain(given: &str) -> Result<String, InvalidDomain> {
    let name = given.to_ascii_uppercase();
    let words = name.split('_').all(|word| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    if words && name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return Ok(name);
    }
    Err(InvalidDomain)
}
