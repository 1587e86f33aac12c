//! The file that `SERIES` names: `[[series]]` and `[[instance]]` in TOML or YAML.

use http::Uri;

use super::settings::{Aggregate, InstanceSettings, SeriesSettings, SeriesSource};
use crate::config::document::{self, FileValue, KeyValue};
use crate::config::entry::{Entry, at};
use crate::config::keys::{closest, did_you_mean};
use crate::config::location::Location;
use crate::config::mistake::Mistake;
use crate::config::resolver::Resolver;
use crate::config::section::influx;
use crate::config::sink_settings::PostgresTable;
use crate::config::values::{self, Wrong};

/// The page has eight colours, and tells twice as many lines apart by dashes.
const MOST_SERIES: usize = 16;
const MOST_INSTANCES: usize = 100;
const LONGEST_NAME: usize = 64;
/// The most bytes of a name in PostgreSQL (`NAMEDATALEN`).
const LONGEST_IDENTIFIER: usize = 63;

const NAME: &str = "1 to 64 characters on one line";
const UNIT: &str = "up to 64 characters on one line";
const STORE: &str = "`postgres` or `influxdb`";
const TABLE: &str = "a table: `table` or `schema.table`";
const TIME: &str = "a timestamp or date column of the table";
const MEASUREMENT: &str = "a measurement";
const VALUE: &str = "the column, or the field, whose values are aggregated";
const AGGREGATE: &str = "`mean`, `sum`, `count`, `min` or `max`";
const URL: &str = "the address of an instance's METRICS_ADDR: `http://host:9464`";

/// Every row of this program's tables has it.
const DEFAULT_TIME: &str = "_kafka_timestamp";

/// The keys of one store, and how the series says that it is read from there.
const OF_POSTGRES: &[(&str, &str)] =
    &[("table", "`store = \"postgres\"`"), ("time", "`store = \"postgres\"`")];
const OF_INFLUXDB: &[(&str, &str)] = &[("measurement", "`store = \"influxdb\"`")];

/// What the file declares.
#[derive(Debug)]
pub struct SeriesFile {
    pub series: Vec<SeriesSettings>,
    pub instances: Vec<InstanceSettings>,
}

#[derive(Debug, Clone, Copy)]
enum Store {
    Postgres,
    Influx,
}

const STORES: &[(&str, Store)] = &[("postgres", Store::Postgres), ("influxdb", Store::Influx)];

/// `None` if something in it is wrong, which the resolver then knows.
pub fn read(resolver: &mut Resolver<'_>, file: &Location, text: &str) -> Option<SeriesFile> {
    let before = resolver.mistakes.len();
    let (pairs, errors) = document::parse(file.extension(), text);
    for error in errors {
        let accepted = "a TOML or YAML file with [[series]] and [[instance]]".to_owned();
        let (key, found) = (file.to_string(), error.message);
        resolver.mistakes.push(Mistake { key, at: at(file, error.line), found, accepted });
    }
    // What could be read of a file with a syntax error would look as if the rest were missing.
    if resolver.mistakes.len() > before {
        return None;
    }
    let (mut series, mut instances) = (Vec::new(), Vec::new());
    for KeyValue { key, line, value } in pairs {
        let mut wrong = |found: &str, accepted: String| {
            let (key, found) = (key.clone(), found.to_owned());
            resolver.mistakes.push(Mistake { key, at: at(file, line), found, accepted });
        };
        match (key.as_str(), value) {
            ("series", FileValue::Tables(tables)) => {
                for (index, pairs) in tables.into_iter().enumerate() {
                    let entry = Entry::new("series", index + 1, file, pairs);
                    series.extend(one_series(entry, &mut resolver.mistakes));
                }
            }
            ("instance", FileValue::Tables(tables)) => {
                for (index, pairs) in tables.into_iter().enumerate() {
                    let entry = Entry::new("instance", index + 1, file, pairs);
                    instances.extend(one_instance(entry, &mut resolver.mistakes));
                }
            }
            ("series" | "instance", _) => {
                wrong("a value that is no list of tables", format!("[[{key}]] with its keys"));
            }
            _ => {
                let hint = did_you_mean(closest(&key, ["series", "instance"]));
                wrong("an unknown key", format!("[[series]] and [[instance]]{hint}"));
            }
        }
    }
    let names = series.iter().map(|one: &SeriesSettings| one.name.as_str());
    whole(resolver, file, names.collect(), ("series", 1, MOST_SERIES));
    whole(resolver, file, vec![""; instances.len()], ("instance", 0, MOST_INSTANCES));
    (resolver.mistakes.len() == before).then_some(SeriesFile { series, instances })
}

/// Checks the number of entries, and that no name is there twice; empty names are not compared.
fn whole(
    resolver: &mut Resolver<'_>,
    file: &Location,
    names: Vec<&str>,
    (kind, least, most): (&str, usize, usize),
) {
    let mut wrong = |found: String, accepted: String| {
        let key = kind.to_owned();
        resolver.mistakes.push(Mistake { key, at: at(file, None), found, accepted });
    };
    if names.len() > most {
        wrong(format!("{} entries", names.len()), format!("up to {most}"));
    }
    for (index, name) in names.iter().enumerate() {
        if !name.is_empty() && names.iter().take(index).any(|earlier| earlier == name) {
            wrong(format!("the name `{name}` twice"), "a name of its own for each".to_owned());
        }
    }
    // One that has a mistake is not among them, and is reported already.
    if names.len() < least && resolver.mistakes.iter().all(|one| !one.key.starts_with(kind)) {
        let found = "none".to_owned();
        let accepted = "at least one [[series]]".to_owned();
        let key = kind.to_owned();
        resolver.mistakes.push(Mistake { key, at: at(file, None), found, accepted });
    }
}

fn one_series(mut entry: Entry<'_>, mistakes: &mut Vec<Mistake>) -> Option<SeriesSettings> {
    let name = entry.required("name", NAME, |text| line(text, 1));
    if let Some(name) = &name {
        entry.call(name);
    }
    let label = entry.optional("label", NAME, |text| line(text, 1));
    let unit = entry.optional("unit", UNIT, |text| line(text, 0));
    let aggregate =
        entry.required("aggregate", AGGREGATE, |text| values::choice(text, Aggregate::ALL));
    let store = entry.required("store", STORE, |text| values::choice(text, STORES));
    let value = entry.required("value", VALUE, identifier);
    let (source, others) = match store {
        Some(Store::Postgres) => (postgres(&mut entry), OF_INFLUXDB),
        Some(Store::Influx) => {
            let measurement = entry.required("measurement", MEASUREMENT, influx::measurement);
            (measurement.map(|measurement| SeriesSource::Influx { measurement }), OF_POSTGRES)
        }
        // Without its store, nobody knows which of these it may have.
        None => {
            for (key, _) in OF_POSTGRES.iter().chain(OF_INFLUXDB) {
                let _ = entry.optional(key, "", |_| Ok(()));
            }
            (None, OF_POSTGRES)
        }
    };
    let keys: &[&str] = match store {
        Some(Store::Influx) => {
            &["name", "label", "unit", "store", "measurement", "value", "aggregate"]
        }
        _ => &["name", "label", "unit", "store", "table", "time", "value", "aggregate"],
    };
    mistakes.extend(entry.finish(keys, others));
    let name = name?;
    Some(SeriesSettings {
        label: label?.unwrap_or_else(|| name.clone()),
        name,
        unit: unit?.unwrap_or_default(),
        aggregate: aggregate?,
        value: value?,
        source: source?,
    })
}

fn postgres(entry: &mut Entry<'_>) -> Option<SeriesSource> {
    let table = entry.required("table", TABLE, |text| {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        Ok(PostgresTable { schema: identifier(schema)?, table: identifier(table)? })
    });
    let time = entry.optional("time", TIME, identifier);
    let time = time?.unwrap_or_else(|| DEFAULT_TIME.to_owned());
    Some(SeriesSource::Postgres { table: table?, time })
}

fn one_instance(mut entry: Entry<'_>, mistakes: &mut Vec<Mistake>) -> Option<InstanceSettings> {
    let name = entry.required("name", NAME, |text| line(text, 1));
    if let Some(name) = &name {
        entry.call(name);
    }
    let url = entry.required("url", URL, url);
    mistakes.extend(entry.finish(&["name", "url"], &[]));
    Some(InstanceSettings { name: name?, url: url? })
}

/// A text on one line, of at least this many characters.
fn line(text: &str, least: usize) -> Result<String, Wrong> {
    let fits = (least..=LONGEST_NAME).contains(&text.chars().count());
    match fits && !text.contains(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(Wrong::plain()),
    }
}

/// A name of PostgreSQL: any characters, as it is quoted.
fn identifier(text: &str) -> Result<String, Wrong> {
    match (1..=LONGEST_IDENTIFIER).contains(&text.len()) && !text.contains('\0') {
        true => Ok(text.to_owned()),
        false => Err(Wrong::because(format!("a name has 1 to {LONGEST_IDENTIFIER} bytes"))),
    }
}

/// The address of a server, without a slash at its end.
fn url(text: &str) -> Result<String, Wrong> {
    let uri: Uri = text.parse().map_err(|_| Wrong::because("this is not a URL"))?;
    let Some(authority) = uri.authority() else {
        return Err(Wrong::because("the URL has no scheme or no host"));
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(Wrong::because("the URL's scheme is neither http nor https"));
    }
    if authority.as_str().contains('@') {
        return Err(Wrong::because("the URL must not contain a user or a password"));
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err(Wrong::because("the URL has no path: the dashboard adds /status"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}
