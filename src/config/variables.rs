//! Variables in the values of configuration files: `${NAME}`, `${NAME:default}`, and keys that name
//! the variable with their value (`bootstrap_servers_env = "NAME"`). `$${` is a plain `${`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::layer::{Fault, LayerKind, Place, RawSetting};
use super::mistake::is_secret;

/// The environment of a process.
pub type Variables = BTreeMap<OsString, OsString>;

/// The end of a key whose value names a variable.
pub const SUFFIX: &str = "_env";

/// A value as a source gives it, with the variables in it replaced.
pub struct Given {
    /// The key as it is written there.
    pub written: String,
    pub text: String,
    pub place: Place,
    /// Whether a variable in it has the name of a secret.
    pub secret: bool,
    /// Why the variables could not be replaced; then `text` is as it is written.
    pub fault: Option<Fault>,
}

impl Given {
    /// A value that is taken as it is.
    pub fn plain(written: &str, text: String, place: Place) -> Self {
        Self { written: written.to_owned(), text, place, secret: false, fault: None }
    }

    pub fn setting(self, layer: LayerKind, secret: bool) -> RawSetting {
        let Self { written, text, place, fault, secret: variable } = self;
        RawSetting { written, text, secret: secret || variable, layer, place, fault }
    }
}

/// What becomes of the variables in a text.
#[derive(Default)]
struct Replaced {
    text: String,
    /// The variables that were set.
    set: Vec<String>,
    /// The variables that were not, and had a default.
    defaulted: Vec<String>,
    faults: Vec<String>,
}

/// Replaces the variables in the elements of a value, and joins these.
pub fn expand(
    written: &str,
    texts: &[String],
    place: Place,
    variables: &Variables,
    join: fn(&[String]) -> String,
) -> Given {
    let mut all = Replaced::default();
    let replaced: Vec<String> = texts
        .iter()
        .map(|text| {
            replace(text, variables, &mut all);
            std::mem::take(&mut all.text)
        })
        .collect();
    let secret = all.set.iter().any(|name| is_secret(name));
    let place = substituted(place, &all);
    if all.faults.is_empty() {
        return Given {
            written: written.to_owned(),
            text: join(&replaced),
            place,
            secret,
            fault: None,
        };
    }
    let fault = Fault {
        found: all.faults.join("; "),
        accepted:
            "`${NAME}` with a variable of the process, or `${NAME:default}`; a plain `${` is \
                   written `$${`"
                .to_owned(),
    };
    Given { written: written.to_owned(), text: join(texts), place, secret, fault: Some(fault) }
}

/// The value of the variable that a key names; `None` if that is no name. A variable that is not set
/// is a fault.
pub fn named(written: &str, name: &str, place: Place, variables: &Variables) -> Option<Given> {
    if !is_name(name) {
        return None;
    }
    let by = Replaced { set: vec![name.to_owned()], ..Replaced::default() };
    let place = substituted(place, &by);
    let (text, fault) = match value(name, variables) {
        Ok(Some(text)) => (text.to_owned(), None),
        Ok(None) => (String::new(), Some(unset(name))),
        Err(found) => (String::new(), Some(found)),
    };
    let fault = fault.map(|found| Fault { found, accepted: String::new() });
    Some(Given { written: written.to_owned(), text, place, secret: is_secret(name), fault })
}

/// What is wrong with `${NAME:default}` in a `.env`.
pub fn default_in_env_file() -> Fault {
    Fault {
        found: "a variable with a default, which the .env does not have".to_owned(),
        accepted:
            "`${NAME}`; a configuration file takes `${NAME:default}`; in single quotes `$` is \
                   a plain character"
                .to_owned(),
    }
}

fn replace(text: &str, variables: &Variables, all: &mut Replaced) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        all.text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            all.text.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let Some((inner, after)) = after.split_once('}') else {
                all.faults.push("a `${` without its `}`".to_owned());
                return;
            };
            variable(inner, variables, all);
            rest = after;
        } else {
            all.text.push('$');
            rest = &rest[1..];
        }
    }
    all.text.push_str(rest);
}

/// Replaces what stands between `${` and `}`.
fn variable(inner: &str, variables: &Variables, all: &mut Replaced) {
    let (name, default) = match inner.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_name(name) {
        // What stands there may be a secret.
        return all.faults.push("a `${…}` without the name of a variable".to_owned());
    }
    match (value(name, variables), default) {
        (Ok(Some(value)), _) => {
            all.text.push_str(value);
            all.set.push(name.to_owned());
        }
        (Ok(None), Some(default)) => {
            all.text.push_str(default);
            all.defaulted.push(name.to_owned());
        }
        (Ok(None), None) => all.faults.push(unset(name)),
        (Err(found), _) => all.faults.push(found),
    }
}

fn unset(name: &str) -> String {
    format!("the variable {name}, which is not set")
}

/// The value of a variable, which may be empty; `None` if it is not set.
fn value<'a>(name: &str, variables: &'a Variables) -> Result<Option<&'a str>, String> {
    let Some(value) = variables.get(OsStr::new(name)) else { return Ok(None) };
    let found = || format!("the variable {name}, whose bytes are not UTF-8");
    value.to_str().map(Some).ok_or_else(found)
}

/// Whether a text can be the name of a variable.
pub fn is_name(text: &str) -> bool {
    let word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The place of a value with the variables that it came out of.
fn substituted(place: Place, by: &Replaced) -> Place {
    let Place::File { file, line } = &place else { return place };
    let set = by.set.iter().map(|name| format!("variable {name}"));
    let defaulted = by.defaulted.iter().map(|name| format!("default of {name}"));
    let names: Vec<String> = set.chain(defaulted).collect();
    if names.is_empty() {
        return place;
    }
    Place::Variables { file: file.clone(), line: *line, by: names.join(", ") }
}
