//! Keys of environments: `[consume.<env>]` and `[write.<env>]` in files, `CONSUME__PROD__…` and
//! `WRITE__PROD__…` elsewhere.

use super::keys::{closest, perhaps};

const CONSUME: &[&str] = &["bootstrap_servers", "protected", "properties"];
const WRITE: &[&str] = &["project", "dataset", "location", "endpoint"];
const ENDPOINT: &[&str] = &["rest", "storage"];

/// A key that no environment has.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    pub found: String,
    pub accepted: String,
}

/// Splits a name on its double underscores, or on its dots (which a `.env` takes); `None`: it
/// names no environment's key.
pub fn split(name: &str) -> Option<Vec<String>> {
    let lower = name.to_ascii_lowercase();
    ["__", "."].iter().find_map(|between| {
        let parts: Vec<String> = lower.split(between).map(str::to_owned).collect();
        (parts.len() > 1 && is_section(&parts[0])).then_some(parts)
    })
}

pub fn is_section(name: &str) -> bool {
    name == "consume" || name == "write"
}

/// The path under which the layers know a key: `consume.prod.properties.sasl_password`.
pub fn path(parts: &[String]) -> Result<String, Unknown> {
    let (section, env, rest) = match parts {
        [section, env, rest @ ..] if !rest.is_empty() => (section.as_str(), env, rest),
        _ => {
            return Err(Unknown {
                found: "no key of an environment".to_owned(),
                accepted: "`[consume.<env>]` and `[write.<env>]` with keys in them".to_owned(),
            });
        }
    };
    check_name(env)?;
    let known = if section == "consume" { CONSUME } else { WRITE };
    match (section, rest) {
        ("consume", [leaf]) if leaf == "bootstrap_servers" || leaf == "protected" => {}
        ("consume", [table, property @ ..]) if table == "properties" && !property.is_empty() => {
            return property_path(env, &property.join("."));
        }
        ("write", [leaf]) if leaf == "project" || leaf == "dataset" || leaf == "location" => {}
        ("write", [table, leaf]) if table == "endpoint" && ENDPOINT.contains(&leaf.as_str()) => {}
        ("write", [table, leaf]) if table == "endpoint" => return Err(unknown(leaf, ENDPOINT)),
        (_, [leaf, ..]) if known.contains(&leaf.as_str()) => {
            return Err(Unknown {
                found: format!("a value of another kind for `{leaf}`"),
                accepted: format!("`{leaf}` as the reference of the configuration shows it"),
            });
        }
        (_, [leaf, ..]) => return Err(unknown(leaf, known)),
        (_, []) => {}
    }
    Ok(format!("{section}.{env}.{}", rest.join(".")))
}

fn unknown(leaf: &str, known: &[&str]) -> Unknown {
    let perhaps = perhaps(closest(leaf, known.iter().copied()));
    Unknown {
        found: format!("`{leaf}`, which is no key of an environment"),
        accepted: format!("{}{perhaps}", known.join(", ")),
    }
}

/// Environment names reach us through variables too, so they carry no hyphens.
fn check_name(env: &str) -> Result<(), Unknown> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if env.split('_').all(word) {
        return Ok(());
    }
    Err(Unknown {
        found: format!("{env:?} as the name of an environment"),
        accepted: "letters and digits with single underscores between: a variable's name has to \
                   reach it"
            .to_owned(),
    })
}

/// librdkafka's dots become underscores, so that a variable and a file name the same property.
fn property_path(env: &str, property: &str) -> Result<String, Unknown> {
    let name = property.to_ascii_lowercase().replace('.', "_");
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.bytes().all(fits) {
        return Ok(format!("consume.{env}.properties.{name}"));
    }
    Err(Unknown {
        found: format!("{property:?} as a librdkafka property"),
        accepted: "a property's name: letters, digits, dots".to_owned(),
    })
}
