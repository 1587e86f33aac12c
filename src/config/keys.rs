//! The keys: one table of all of them, and what a name found in a layer means for a domain.

/// One key. Its value stands under `BASE_DOMAIN`, or under `BASE` for all domains.
#[derive(Debug)]
pub struct Key {
    pub base: &'static str,
    /// `false`: the cluster sets it, and no domain can turn it.
    pub per_domain: bool,
    /// The value where no layer sets it; `None`: it has to be set (or is absent by nature).
    pub default: Option<&'static str>,
    /// What a value has to look like, in words for people.
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
        /// All of them, in the order of the reference.
        pub static ALL: &[&Key] = &[$(&$name,)*];
    };
}

keys! {
    BQ_TABLE: true, None, "a table: `table`, `dataset.table` or `project.dataset.table`";
    IMPORT_PATH: true, None, "a contract document, its folders and name joined by dots: `contracts.delivery.delivery_events_v10`";
    IMPORT_OBJECT: true, None, "a channel of that document: `DeliveryEventsV10Topic`";
    IGNORE_EVENTS: true, Some("[]"), "event types: a JSON list, that list JSON-encoded once more as a string, or names with commas between";
    CONSUME_ENV: true, None, "an environment that has a `[consume.<env>]`";
    GROUP_ID: true, None, "a Kafka consumer group: printable characters without spaces";
    START_FROM: true, Some("earliest"), "`earliest` or `latest`";
    WRITE_ENV: false, None, "an environment that has a `[write.<env>]`";
    GOOGLE_APPLICATION_CREDENTIALS: false, None, "path of a credentials file, or empty for the metadata server";
    MANAGE_TABLE: true, Some("true"), "`true` or `false`";
    PARTITION_BY: true, Some("_ingested_at"), "a column: letters, digits and underscores, 300 at most";
    DEAD_LETTER: true, Some("bigquery"), "`bigquery` or `kafka:<topic>`";
    CONTRACTS_DIR: true, Some("contracts"), "a folder";
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
    /// The name under which `domain` looks first.
    pub fn name_in(&self, domain: &str) -> String {
        if self.per_domain { format!("{}_{domain}", self.base) } else { self.base.to_owned() }
    }
}

/// What a name means for the domain that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// This domain's value, or the default of all domains.
    Ours,
    /// `WRITE_ENV_DELIVERY`: the cluster's key with this domain's name behind it.
    NoDomainForm(&'static Key),
    /// It ends in this domain's name and begins with no known base.
    Misspelt,
    /// Another domain's, or nothing to do with us.
    Foreign,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base
    }
}

impl Eq for Key {}

/// Judges a name as it stands in a layer. Names are upper case; one that is ours but for its case
/// counts as misspelt, because it would be passed over in silence otherwise.
pub fn meaning(name: &str, domain: &str) -> Meaning {
    let upper = name.to_ascii_uppercase();
    for key in ALL {
        let Some(rest) = upper.strip_prefix(key.base) else { continue };
        let of_domain = rest.strip_prefix('_');
        return match of_domain {
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

/// The key that a misspelt name of this domain probably means, under the name it would have.
pub fn meant(name: &str, domain: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let head = upper.strip_suffix(domain).map_or(upper.as_str(), |head| head.trim_end_matches('_'));
    let base = closest(head, ALL.iter().map(|key| key.base))?;
    ALL.iter().find(|key| key.base == base).map(|key| key.name_in(domain))
}

/// Of `names` the one most like `name`, unless none is like it.
pub fn closest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two letters exchanged, one missing, one too many: 0.9 and more. Unrelated words: under 0.7.
    const ALIKE: f64 = 0.75;
    names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// `; perhaps … is meant`, where something is like it.
pub fn perhaps(name: Option<impl std::fmt::Display>) -> String {
    name.map_or(String::new(), |name| format!("; perhaps `{name}` is meant"))
}

/// `delivery` → `DELIVERY`; an error says what a domain name may look like.
pub fn domain(given: &str) -> Result<String, String> {
    let name = given.to_ascii_uppercase();
    let words = name.split('_').all(|word| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    if words && name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return Ok(name);
    }
    Err("letters and digits with single underscores between (`DELIVERY`, `DELIVERY_EVENTS`), \
         beginning with a letter: the name ends environment variables, which take no hyphens"
        .to_owned())
}
