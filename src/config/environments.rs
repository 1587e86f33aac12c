//! The keys of environments: `[consume.<env>]` and `[write.<env>]` in files, `CONSUME__PROD__…`
//! and `WRITE__PROD__…` in variables.

use serde_json::{Map, Value, json};

use super::keys::{closest, did_you_mean};
use super::variables::SUFFIX;

const CONSUME: &[&str] = &["bootstrap_servers", "protected", "properties"];
const WRITE: &[&str] = &[
    "project",
    "dataset",
    "location",
    "price_per_gib",
    "endpoint",
    "postgres",
    "influxdb",
    "kafka",
];
/// Those of them that are values, not tables.
const WRITE_VALUES: &[&str] = &["project", "dataset", "location", "price_per_gib"];
const ENDPOINT: &[&str] = &["rest", "storage"];
const POSTGRES: &[&str] = &["url", "user", "password", "sslmode", "sslrootcert", "connections"];
const INFLUXDB: &[&str] = &[
    "url",
    "allow_http",
    "api",
    "org",
    "bucket",
    "token",
    "database",
    "retention_policy",
    "user",
    "password",
    "gzip",
];

const KAFKA: &[&str] = &["bootstrap_servers", "properties"];

/// A key that environments do not have.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownKey {
    pub found: String,
    pub accepted: String,
}

/// Splits the name of an environment's key at its double underscores, or at its dots, which a
/// `.env` file may use. `None` if the name is not one of an environment's key.
pub fn split(name: &str) -> Option<Vec<String>> {
    let lower = name.to_ascii_lowercase();
    ["__", "."].iter().find_map(|separator| {
        let parts: Vec<String> = lower.split(separator).map(str::to_owned).collect();
        (parts.len() > 1 && is_section(&parts[0])).then_some(parts)
    })
}

pub fn is_section(name: &str) -> bool {
    name == "consume" || name == "write"
}

/// The path of a key in the layers: `consume.prod.properties.sasl_password`.
pub fn path(parts: &[String]) -> Result<String, UnknownKey> {
    let (section, env, rest) = match parts {
        [section, env, rest @ ..] if !rest.is_empty() => (section.as_str(), env, rest),
        _ => {
            return Err(UnknownKey {
                found: "a value where a section is expected".to_owned(),
                accepted: "a section `[consume.<env>]` or `[write.<env>]` with keys".to_owned(),
            });
        }
    };
    check_name(env)?;
    let known = if section == "consume" { CONSUME } else { WRITE };
    match (section, rest) {
        ("consume", [leaf]) if leaf == "bootstrap_servers" || leaf == "protected" => {}
        ("consume", [table, property @ ..]) if table == "properties" && !property.is_empty() => {
            return property_path(&format!("consume.{env}"), &property.join("."));
        }
        ("write", [leaf]) if WRITE_VALUES.contains(&leaf.as_str()) => {}
        ("write", [table, leaf]) if table == "endpoint" && ENDPOINT.contains(&leaf.as_str()) => {}
        ("write", [table, leaf]) if table == "endpoint" => return Err(unknown(leaf, ENDPOINT)),
        ("write", [table, leaf]) if table == "postgres" && POSTGRES.contains(&leaf.as_str()) => {}
        ("write", [table, leaf]) if table == "postgres" => return Err(unknown(leaf, POSTGRES)),
        ("write", [table, leaf]) if table == "influxdb" && INFLUXDB.contains(&leaf.as_str()) => {}
        ("write", [table, leaf]) if table == "influxdb" => return Err(unknown(leaf, INFLUXDB)),
        ("write", [table, leaf]) if table == "kafka" && leaf == "bootstrap_servers" => {}
        ("write", [table, leaf, property @ ..])
            if table == "kafka" && leaf == "properties" && !property.is_empty() =>
        {
            return property_path(&format!("write.{env}.kafka"), &property.join("."));
        }
        ("write", [table, leaf, ..]) if table == "kafka" && !KAFKA.contains(&leaf.as_str()) => {
            return Err(unknown(leaf, KAFKA));
        }
        (_, [leaf, ..]) if known.contains(&leaf.as_str()) => {
            return Err(UnknownKey {
                found: format!("a value of the wrong kind for `{leaf}`"),
                accepted: format!("`{leaf}` as described in docs/reference/configuration.md"),
            });
        }
        (_, [leaf, ..]) => return Err(unknown(leaf, known)),
        (_, []) => {}
    }
    Ok(format!("{section}.{env}.{}", rest.join(".")))
}

/// The key whose variable a key names: of `bootstrap_servers_env` that is `bootstrap_servers`. `None`
/// if it is no such key. Properties have none: their names are librdkafka's.
pub fn named_by_variable(parts: &[String]) -> Option<Vec<String>> {
    let (leaf, outer) = parts.split_last()?;
    let meant = leaf.strip_suffix(SUFFIX)?;
    let parts: Vec<String> = outer.iter().cloned().chain([meant.to_owned()]).collect();
    let is_property = outer.iter().skip(2).any(|part| part == "properties");
    (!is_property && path(&parts).is_ok()).then_some(parts)
}

/// `[consume]` and `[write]` of a file as JSON Schema, for editors: each environment by its name.
pub fn schema() -> (Value, Value) {
    let properties = json!({
        "type": "object",
        "description": "Properties of librdkafka, by their names",
        "additionalProperties": leaf(),
    });
    let kafka = with(table(KAFKA), "properties", properties.clone());
    let tables = [
        ("endpoint", table(ENDPOINT)),
        ("postgres", table(POSTGRES)),
        ("influxdb", table(INFLUXDB)),
    ];
    let write = tables
        .into_iter()
        .chain([("kafka", kafka)])
        .fold(table(WRITE), |write, (name, of)| with(write, name, of));
    let of = |table: Value, example: &str| {
        json!({
            "type": "object",
            "description": format!("Each environment by its name, which {example} names"),
            "propertyNames": { "pattern": "^[a-z0-9]+(_[a-z0-9]+)*$" },
            "additionalProperties": table,
        })
    };
    let consume = with(table(CONSUME), "properties", properties);
    (of(consume, "CONSUME_ENV"), of(write, "WRITE_ENV"))
}

/// A table with these keys. `url_env` names the variable that has the value of `url`.
fn table(keys: &[&str]) -> Value {
    let both = keys.iter().flat_map(|key| [(*key).to_owned(), format!("{key}{SUFFIX}")]);
    let properties: Map<String, Value> = both.map(|key| (key, leaf())).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The table with another one at a key, whose value no variable has.
fn with(mut table: Value, key: &str, inner: Value) -> Value {
    if let Some(properties) = table["properties"].as_object_mut() {
        properties.insert(key.to_owned(), inner);
        properties.remove(&format!("{key}{SUFFIX}"));
    }
    table
}

fn leaf() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn unknown(leaf: &str, known: &[&str]) -> UnknownKey {
    let hint = did_you_mean(closest(leaf, known.iter().copied()));
    UnknownKey {
        found: format!("the unknown key `{leaf}`"),
        accepted: format!("{}{hint}", known.join(", ")),
    }
}

/// Checks an environment's name. Hyphens are refused because variables contain the name too.
fn check_name(env: &str) -> Result<(), UnknownKey> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if env.split('_').all(word) {
        return Ok(());
    }
    Err(UnknownKey {
        found: format!("{env:?} as the name of an environment"),
        accepted: "letters, digits and single underscores: the names of environment variables \
                   contain it"
            .to_owned(),
    })
}

/// The path of a librdkafka property. Its dots become underscores, so that a variable and a file
/// that set the same property have the same path.
fn property_path(section: &str, property: &str) -> Result<String, UnknownKey> {
    let name = property.to_ascii_lowercase().replace('.', "_");
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.bytes().all(fits) {
        return Ok(format!("{section}.properties.{name}"));
    }
    Err(UnknownKey {
        found: format!("{property:?} as a librdkafka property"),
        accepted: "the name of a property: letters, digits, dots and underscores".to_owned(),
    })
}
