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
    SINK: true, Some("bigquery"), "`bigquery`, `postgres`, `influxdb` or `kafka`";
    BQ_TABLE: true, None, "a table: `table`, `dataset.table` or `project.dataset.table`";
    IMPORT_PATH: true, None, "the path of a contract document, with dots for slashes and without its ending: `contracts.delivery.delivery_events_v10`";
    IMPORT_OBJECT: true, None, "a channel of that document: `DeliveryEventsV10Topic`";
    IN_TOPIC: true, None, "a topic: up to 249 letters, digits, `.`, `_` and `-`, or empty for the channel's address";
    IGNORE_EVENTS: true, Some("[]"), "event types: a JSON list, a JSON string that contains such a list, or names separated by commas";
    FILTER: true, None, "a CEL expression of up to 4,096 bytes, or empty for none: `payload.amount > 5`";
    FILTER_ON_ERROR: true, Some("dead-letter"), "`dead-letter` or `ignore`";
    FETCH: true, None, "a JSON pointer to the URL in the payload, or empty for none: `/url`";
    FETCH_ALLOW: true, None, "places: a JSON list, or separated by commas: `https://*.s3.amazonaws.com`, `s3://bucket`, `gs://bucket/prefix`, `10.0.0.0/8`";
    OBJECT_SIZE: true, None, "a JSON pointer to the object's size in the payload, or empty for none: `/size`";
    OBJECT_SHA256: true, None, "a JSON pointer to the object's SHA-256 in the payload, or empty for none: `/sha256`";
    OBJECT_BYTES: true, Some("128MiB"), "bytes, from 1KiB to 64GiB: `134217728` or `128MiB`";
    OBJECT_UNPACKED_BYTES: true, Some("1GiB"), "bytes, from 1KiB to 1024GiB: `1073741824` or `1GiB`";
    OBJECT_FILE_BYTES: true, Some("8MiB"), "bytes, from 1KiB to 1GiB: `8388608` or `8MiB`";
    OBJECT_FILES: true, Some("100000"), "a whole number from 1 to 100000000";
    OBJECT_TIMEOUT_MS: true, Some("60000"), "milliseconds: a whole number from 100 to 3600000";
    OBJECT_IDLE_MS: true, Some("10000"), "milliseconds: a whole number from 100 to 3600000";
    OBJECT_CONCURRENCY: true, Some("4"), "a whole number from 1 to 256";
    RULES: true, None, "the name of a folder of rules, with dots for slashes, or empty for none: `rules.ccx_v1`";
    RULE_SETS_DIR: true, Some("contracts/rules"), "a folder";
    REPORT_PATH: true, None, "the path of a contract document, with dots for slashes and without its ending: `contracts.ccx.report_v1`";
    REPORT_OBJECT: true, None, "a channel of that document: `Report`";
    TRACKER_TOPIC: true, None, "a topic: up to 249 letters, digits, `.`, `_` and `-`, or empty for none";
    TRACKER_SERVICE: true, Some("generic-consumer"), "a name of up to 100 printable characters";
    TRACKER_REQUEST: true, Some("/request_id"), "a JSON pointer to the request's id in the payload: `/request_id`";
    TRACKER_ORG: true, None, "a JSON pointer to the organization in the payload, or empty for none: `/org_id`";
    TRACKER_ACCOUNT: true, None, "a JSON pointer to the account in the payload, or empty for none: `/account`";
    CONSUME_ENV: true, None, "an environment with a `[consume.<env>]` section";
    GROUP_ID: true, None, "a Kafka consumer group: printable characters without spaces";
    START_FROM: true, Some("earliest"), "`earliest` or `latest`";
    ACCEPT_TOPIC_ID: true, None, "the id of a topic, as `kafka-topics --describe` prints it";
    WRITE_ENV: false, None, "an environment with a `[write.<env>]` section";
    ENV_FILE: false, None, "a path, `s3://bucket/key`, `gs://bucket/object` or `https://host/path`";
    CLUSTER: false, None, "the name of a cluster: lower-case letters, digits and hyphens";
    GOOGLE_APPLICATION_CREDENTIALS: false, None, "the path of a credentials file, or empty for the metadata server";
    MANAGE_TABLE: true, Some("true"), "`true` or `false`";
    PG_TABLE: true, None, "a table: `table` or `schema.table`";
    PG_TIME_COLUMN: true, None, "a timestamp or date column of the table, or empty for none";
    PG_COMPRESS_AFTER: true, None, "an age: `12h`, `7d` or `4w`, or empty for never";
    PG_RETENTION: true, None, "an age: `12h`, `7d` or `4w`, or empty for ever";
    INFLUX_MEASUREMENT: true, None, "a measurement: up to 200 printable characters without `\\`, beginning with neither `_` nor `#`";
    INFLUX_TAGS: true, Some("[]"), "columns: a JSON list, or names separated by commas";
    INFLUX_FIELDS: true, None, "columns: a JSON list, or names separated by commas, or empty for all";
    INFLUX_TIME: true, None, "a JSON pointer to a time in the payload, or empty for the record's timestamp: `/occurred_at`";
    OUT_TOPIC: true, None, "a topic: up to 236 letters, digits, `.`, `_` and `-`";
    OUT_KEY: true, None, "a JSON pointer to a field of the row, or empty for the key of the record: `/order_id`";
    PARTITION_BY: true, Some("_ingested_at"), "a column name: up to 300 letters, digits and underscores";
    DEAD_LETTER: true, Some("table"), "`table` or `kafka:<topic>`";
    MAX_DEAD_SHARE: true, None, "a share below 100%: `50%` or `0.5`, or empty for no limit";
    CONTRACTS_DIR: true, Some("contracts"), "a folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `https://host/path`";
    CONTRACT_REFRESH: true, Some("60s"), "a time: `30s`, `5m` or `1h`, or empty for never";
    DELIVERY_GUARANTEE: true, Some("exactly-once"), "`exactly-once` or `at-least-once`";
    ROW_LAYOUT: true, Some("columns"), "`columns` or `envelope`";
    IN_FLIGHT_BYTES: true, Some("64MiB"), "bytes, from 1MiB to 64GiB: `67108864` or `64MiB`";
    BATCH_BYTES: true, Some("1MiB"), "bytes, from 1KiB to 16MiB: `1048576` or `1MiB`";
    BATCH_ROWS: true, Some("10000"), "a whole number from 1 to 100000";
    BATCH_AGE_MS: true, Some("20"), "milliseconds: a whole number from 0 to 60000";
    COMMIT_INTERVAL_MS: true, Some("100"), "milliseconds: a whole number from 0 to 60000";
    FRESHNESS_SLO: true, None, "a time: `30s`, `5m` or `1h`, or empty for none";
    DRAIN_SECONDS: true, Some("20"), "seconds: a whole number from 1 to 25";
    API_ADDR: true, Some("127.0.0.1:8080"), "an IP address and a port: `0.0.0.0:8080`";
    API_TOKENS_FILE: true, None, "the path of a file, or empty for none";
    API_BODY_BYTES: true, Some("1MiB"), "bytes, from 1KiB to 16MiB: `1048576` or `1MiB`";
    API_TIMEOUT_MS: true, Some("10000"), "milliseconds: a whole number from 1000 to 60000";
    EVENT_KEY: true, None, "a JSON pointer to a field of the payload, or empty for none: `/order_id`";
    RESULTS_ADDR: true, Some("127.0.0.1:8082"), "an IP address and a port: `0.0.0.0:8082`";
    RESULTS_STORE: true, None, "the path of a file";
    RESULTS_TOKENS_FILE: true, None, "the path of a file, or empty for none";
    RESULTS_IDENTITY: true, None, "`x-rh-identity`, or empty for none";
    SERIES: false, None, "the path of a TOML or YAML file";
    DASHBOARD_ADDR: false, Some("127.0.0.1:8090"), "an IP address and a port: `0.0.0.0:8090`";
    METRICS_ADDR: true, Some("0.0.0.0:9464"), "an IP address and a port: `0.0.0.0:9464`";
    ACCEPT_CHANGES: true, Some("false"), "`true` or `false`";
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
    if let Some((key, suffix)) = split(&upper) {
        return match suffix {
            Some(suffix) if suffix != domain && intended(key, suffix, domain).is_some() => {
                Meaning::Misspelt
            }
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
    split(path).map(|(key, _)| key)
}

/// The key that a name is a form of, and what follows its base and a `_`: of
/// `FILTER_ON_ERROR_DELIVERY` that is `DELIVERY`, although `FILTER` is a key too.
fn split(name: &str) -> Option<(&'static Key, Option<&str>)> {
    let form = |key: &'static Key| match name.strip_prefix(key.base)? {
        "" => Some((key, None)),
        rest => rest.strip_prefix('_').map(|suffix| (key, Some(suffix))),
    };
    ALL.iter().copied().filter_map(form).max_by_key(|(key, _)| key.base.len())
}

/// The longer key that was meant where a name looks like the value of another domain: of
/// `FILTER_ONERROR_DELIVERY` that is `FILTER_ON_ERROR`, although there could be a domain
/// `ONERROR_DELIVERY`. `key` and `suffix` are what [`split`] finds.
fn intended(key: &Key, suffix: &str, domain: &str) -> Option<&'static Key> {
    // Letters that are missing, wrong, superfluous or swapped. `ON_ERROR` and `ORDERS` differ in four.
    const TYPOS: usize = 2;
    let words = suffix.strip_suffix(domain)?.strip_suffix('_')?.replace('_', "");
    let is_near = |other: &&&Key| {
        let rest = other.base.strip_prefix(key.base).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(|rest| {
            strsim::damerau_levenshtein(&rest.replace('_', ""), &words) <= TYPOS
        })
    };
    ALL.iter().find(is_near).copied()
}

/// The name that was meant where a key seems to be of another domain, whose name is this one's but
/// for a letter: `FILTER_HIGH` for `FILTER_HIHG`. `names` are all names of the file: a domain that has
/// a key that every domain needs is one. Domains that are numbered are told apart by their digits.
pub fn meant_for<'a>(
    name: &str,
    domain: &str,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let (key, _) = split(name)?;
    let other = owner(name)?;
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    let is_near = strsim::damerau_levenshtein(&other, domain) == 1
        && digits(&other) == digits(domain)
        && domain.len() > 2;
    let needed = [&BQ_TABLE, &IMPORT_PATH, &IMPORT_OBJECT, &CONSUME_ENV, &GROUP_ID];
    let exists = |name: &str| needed.iter().any(|key| name == key.name_in(&other));
    (is_near && !names.any(exists)).then(|| key.name_in(domain))
}

/// The domain whose own value a name is: `ORDERS` for `BQ_TABLE_ORDERS`.
pub fn owner(name: &str) -> Option<String> {
    let (_, suffix) = split(name).filter(|(key, _)| key.per_domain)?;
    suffix.and_then(|suffix| domain(suffix).ok().filter(|domain| domain == suffix))
}

/// The key that a misspelt name of this domain probably means, under its full name.
pub fn suggestion(name: &str, domain: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    if let Some((key, Some(suffix))) = split(&upper)
        && let Some(key) = intended(key, suffix, domain)
    {
        return Some(key.name_in(domain));
    }
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
     environment variables, and it begins neither with `ON_ERROR` nor with \
     `ALLOW`, because of `FILTER_ON_ERROR` and `FETCH_ALLOW`"
)]
pub struct InvalidDomain;

/// Whether one of the domain's keys would be read as another key: `FILTER_ON_ERROR` would be the
/// `FILTER` of a domain `ON_ERROR`.
fn hides_a_key(domain: &str) -> bool {
    ALL.iter().any(|key| split(&key.name_in(domain)).is_none_or(|(found, _)| found != *key))
}

/// Checks a domain's name and makes it upper case: `delivery` becomes `DELIVERY`.
pub fn domain(given: &str) -> Result<String, InvalidDomain> {
    let name = given.to_ascii_uppercase();
    let words = name.split('_').all(|word| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    if words && name.starts_with(|c: char| c.is_ascii_uppercase()) && !hides_a_key(&name) {
        return Ok(name);
    }
    Err(InvalidDomain)
}
