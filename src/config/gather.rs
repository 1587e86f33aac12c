//! Sources become layers: the `.env`, the files, the process environment, the command line. Here
//! a name meets the domain; what is misspelt is said, what is another domain's is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use super::document::{self, Item, Node};
use super::environments;
use super::inputs::Override;
use super::keys::{self, Meaning};
use super::layer::{Entry, Layer, LayerKind, Place};
use super::mistake::{Mistake, is_secret};

/// Layers under construction with the mistakes met on the way.
pub struct Gather<'a> {
    pub domain: &'a str,
    pub layers: Vec<Layer>,
    pub mistakes: Vec<Mistake>,
    /// `consume.prod`, `write.uat`: environments that some layer says anything about, be it wrong.
    pub environments: BTreeSet<String>,
    /// A source could not be read as a whole, so that a key may seem to be missing.
    pub incomplete: bool,
}

impl<'a> Gather<'a> {
    /// Begins with the built-in defaults.
    pub fn new(domain: &'a str) -> Self {
        let mut defaults = Layer::new(LayerKind::Default);
        for key in keys::ALL {
            if let Some(text) = key.default {
                let written = key.base.to_owned();
                let entry =
                    Entry { written, text: text.to_owned(), secret: false, place: Place::BuiltIn };
                defaults.entries.insert(key.base.to_owned(), entry);
            }
        }
        Self {
            domain,
            layers: vec![defaults],
            mistakes: Vec::new(),
            environments: BTreeSet::new(),
            incomplete: false,
        }
    }

    pub fn env_file(&mut self, file: &Path, text: &str) {
        let mut layer = Layer::new(LayerKind::EnvFile);
        let (assignments, unreadable) = super::dotenv::parse(text);
        for line in unreadable {
            self.unreadable(
                LayerKind::EnvFile,
                Place::File { file: file.to_owned(), line: Some(line.line) },
                "a line that is no assignment".to_owned(),
                "KEY=value, KEY='value' or KEY=\"value\", quotes closed, and quotes around a value with spaces; a `#` begins a comment",
            );
        }
        for given in assignments {
            let place = Place::File { file: file.to_owned(), line: Some(given.line) };
            self.text(&mut layer, &given.key, given.text, place);
        }
        self.layers.push(layer);
    }

    pub fn file(&mut self, file: &Path, text: &str) {
        let mut layer = Layer::new(LayerKind::File);
        let (items, errors) = document::parse(file, text);
        for error in errors {
            self.unreadable(
                LayerKind::File,
                Place::File { file: file.to_owned(), line: error.line },
                error.message,
                "a TOML or YAML file with keys, [consume.<env>] and [write.<env>]",
            );
        }
        for item in items {
            let place = Place::File { file: file.to_owned(), line: item.line };
            match item.node {
                Node::Table(inner) if environments::is_section(&item.key) => {
                    self.tables(&mut layer, file, &[item.key], inner);
                }
                Node::Table(_) | Node::Other(_) => {
                    let perhaps = keys::perhaps(keys::closest(&item.key, ["consume", "write"]));
                    self.mistakes.push(Mistake {
                        found: "a table, or a list of more than texts, that no key takes"
                            .to_owned(),
                        accepted: format!(
                            "[consume.<env>], [write.<env>] or a key with a text{perhaps}"
                        ),
                        key: item.key,
                        at: Some((LayerKind::File, place)),
                    });
                }
                Node::Text(text) => self.text(&mut layer, &item.key, text, place),
                Node::List(texts) => self.text(&mut layer, &item.key, json(&texts), place),
            }
        }
        self.layers.push(layer);
    }

    fn tables(&mut self, layer: &mut Layer, file: &Path, outer: &[String], items: Vec<Item>) {
        for item in items {
            let place = Place::File { file: file.to_owned(), line: item.line };
            let mut parts = outer.to_vec();
            // Only the environment's name is made lower case: the other keys are so in a file.
            parts.push(if outer.len() == 1 { item.key.to_ascii_lowercase() } else { item.key });
            let written = parts.join(".");
            if parts.len() == 2 {
                self.environments.insert(written.clone());
            }
            match item.node {
                Node::Table(inner) => self.tables(layer, file, &parts, inner),
                Node::Text(text) => self.part(layer, &parts, written, text, place),
                // Servers in a list read better; librdkafka wants them with commas.
                Node::List(texts) => self.part(layer, &parts, written, texts.join(","), place),
                Node::Other(what) => self.mistakes.push(Mistake {
                    key: written,
                    at: Some((layer.kind, place)),
                    found: what.to_owned(),
                    accepted: "a text".to_owned(),
                }),
            }
        }
    }

    pub fn environment(&mut self, variables: &BTreeMap<OsString, OsString>) {
        let mut layer = Layer::new(LayerKind::Environment);
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let place = Place::Variable(name.to_owned());
            let relevant = environments::split(name).is_some()
                || matches!(
                    keys::meaning(name, self.domain),
                    Meaning::Ours | Meaning::NoDomainForm(_)
                );
            match value.to_str() {
                _ if !relevant => {}
                Some(text) => self.text(&mut layer, name, text.to_owned(), place),
                None => self.mistakes.push(Mistake {
                    key: name.to_owned(),
                    at: Some((LayerKind::Environment, place)),
                    found: "bytes that are no UTF-8".to_owned(),
                    accepted: "a text in UTF-8".to_owned(),
                }),
            }
        }
        self.layers.push(layer);
    }

    /// Flags count for the one domain of this process, so nothing is stronger.
    pub fn command_line(&mut self, overrides: &[Override]) {
        let mut layer = Layer::new(LayerKind::CommandLine);
        for Override { flag, key, value } in overrides {
            let name = key.name_in(self.domain);
            let entry = Entry {
                written: name.clone(),
                text: value.clone(),
                secret: false,
                place: Place::Flag(flag),
            };
            layer.entries.insert(name, entry);
        }
        self.layers.push(layer);
    }

    /// A text under a name: a domain's key, an environment's, or none of ours.
    fn text(&mut self, layer: &mut Layer, name: &str, text: String, place: Place) {
        if let Some(parts) = environments::split(name) {
            return self.part(layer, &parts, name.to_owned(), text, place);
        }
        let (found, accepted) = match keys::meaning(name, self.domain) {
            Meaning::Foreign => return,
            Meaning::Ours => {
                let entry = Entry { written: name.to_owned(), text, secret: false, place };
                return self.insert(layer, name.to_owned(), entry);
            }
            Meaning::NoDomainForm(key) => (
                format!("a form of {} for one domain", key.base),
                format!("{} alone: the cluster sets it, and no domain can turn it", key.base),
            ),
            Meaning::Misspelt => (
                "a name that no key has".to_owned(),
                format!(
                    "a key in upper case, _{} behind it where it is this domain's{}",
                    self.domain,
                    keys::perhaps(keys::meant(name, self.domain))
                ),
            ),
        };
        let at = Some((layer.kind, place));
        self.mistakes.push(Mistake { key: name.to_owned(), at, found, accepted });
    }

    fn part(
        &mut self,
        layer: &mut Layer,
        parts: &[String],
        written: String,
        text: String,
        place: Place,
    ) {
        if let [section, env, ..] = parts {
            self.environments.insert(format!("{section}.{env}"));
        }
        match environments::path(parts) {
            Ok(path) => {
                // Judged by what stands behind the environment's name: that may be `keycloak`.
                let secret = parts.iter().skip(2).any(|part| is_secret(part));
                self.insert(layer, path, Entry { written, text, secret, place });
            }
            Err(unknown) => self.mistakes.push(Mistake {
                key: written,
                at: Some((layer.kind, place)),
                found: unknown.found,
                accepted: unknown.accepted,
            }),
        }
    }

    /// Within one layer a key stands once: which of two counts would be a guess.
    fn insert(&mut self, layer: &mut Layer, path: String, entry: Entry) {
        if let Some(earlier) = layer.entries.get(&path) {
            self.mistakes.push(Mistake {
                key: entry.written.clone(),
                at: Some((layer.kind, entry.place.clone())),
                found: format!("the key a second time; the first is at {}", earlier.place),
                accepted: "each key once in a source".to_owned(),
            });
        }
        layer.entries.insert(path, entry);
    }

    pub fn unreadable(&mut self, layer: LayerKind, place: Place, found: String, accepted: &str) {
        self.incomplete = true;
        let (key, accepted) = (place.to_string(), accepted.to_owned());
        self.mistakes.push(Mistake { key, at: Some((layer, place)), found, accepted });
    }
}

/// A list in a file, as the text that a list has everywhere.
fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
