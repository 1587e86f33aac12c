//! Turns the texts of the sources into layers. It keeps the keys that concern the domain, leaves
//! those of other domains alone and reports misspelt ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::document::{self, FileValue, KeyValue};
use super::dotenv;
use super::env_file::EnvFile;
use super::environments;
use super::keys::{self, CLUSTER, ENV_FILE, Key, Meaning};
use super::layer::{Layer, LayerKind, Place, RawSetting};
use super::location::Location;
use super::mistake::{Mistake, is_secret};

/// A value given as a flag.
#[derive(Debug, Clone)]
pub struct Override {
    pub flag: &'static str,
    pub key: &'static Key,
    pub value: String,
}

/// The layers of one domain, while they are built, and the mistakes found so far.
pub struct Gather<'a> {
    pub domain: &'a str,
    /// In ascending precedence.
    pub layers: Vec<Layer>,
    pub mistakes: Vec<Mistake>,
    /// The environments that some layer mentions, even with a mistake: `consume.prod`, `write.uat`.
    pub environments: BTreeSet<String>,
    /// Whether a source could not be read, so that a key may only seem to be missing.
    pub incomplete: bool,
    /// The `.env` file, once it was looked for.
    pub env_file: Option<EnvFile>,
    /// Names in the `.env` that are no keys of this domain.
    pub foreign: Vec<(String, Place)>,
    /// Keys of the `.env` whose values have a variable in them, `${NAME}`.
    pub with_variables: Vec<(String, Place)>,
    /// Where `config/environments.toml` was looked for, if it is not there.
    pub no_environments_at: Option<PathBuf>,
}

impl<'a> Gather<'a> {
    /// Begins with the layer of built-in defaults.
    pub fn new(domain: &'a str) -> Self {
        let mut defaults = Layer::new(LayerKind::Default);
        for key in keys::ALL {
            if let Some(text) = key.default {
                let setting = RawSetting {
                    written: key.base.to_owned(),
                    text: text.to_owned(),
                    secret: false,
                    layer: LayerKind::Default,
                    place: Place::BuiltIn,
                };
                defaults.settings.insert(key.base.to_owned(), setting);
            }
        }
        Self {
            domain,
            layers: vec![defaults],
            mistakes: Vec::new(),
            environments: BTreeSet::new(),
            incomplete: false,
            env_file: None,
            foreign: Vec::new(),
            with_variables: Vec::new(),
            no_environments_at: None,
        }
    }

    /// Adds the layer of the `.env` file.
    pub fn env_file(&mut self, file: &Location, text: &str) {
        let mut layer = Layer::new(LayerKind::EnvFile);
        let (assignments, unreadable) = dotenv::parse(text);
        for line in unreadable {
            self.unreadable(
                layer.kind,
                Place::File { file: file.clone(), line: Some(line.line) },
                "a line that is not an assignment".to_owned(),
                "KEY=value, KEY='value' or KEY=\"value\"; quotes have to be closed, a value with spaces needs quotes, and `#` begins a comment",
            );
        }
        let domains = assignments.iter().filter_map(|one| keys::owner(&one.key)).collect();
        self.env_file = Some(EnvFile::Read { file: file.clone(), domains });
        for assignment in assignments {
            let place = Place::File { file: file.clone(), line: Some(assignment.line) };
            if assignment.has_variable {
                self.with_variables.push((assignment.key.clone(), place.clone()));
            }
            self.text(&mut layer, &assignment.key, assignment.text, place);
        }
        self.layers.push(layer);
    }

    /// Adds the layer of a TOML or YAML file.
    pub fn file(&mut self, file: &Location, text: &str) {
        let mut layer = Layer::new(LayerKind::File);
        let (pairs, errors) = document::parse(file.extension(), text);
        for error in errors {
            self.unreadable(
                layer.kind,
                Place::File { file: file.clone(), line: error.line },
                error.message,
                "a TOML or YAML file with keys, [consume.<env>] and [write.<env>]",
            );
        }
        for KeyValue { key, line, value } in pairs {
            let place = Place::File { file: file.clone(), line };
            match value {
                FileValue::Table(inner) if environments::is_section(&key) => {
                    self.section(&mut layer, file, &[key], inner);
                }
                FileValue::Table(_) => self.no_section(key, place, "a table"),
                FileValue::Unsupported(what) => self.no_section(key, place, what),
                FileValue::Text(text) => self.text(&mut layer, &key, text, place),
                FileValue::List(texts) => self.text(&mut layer, &key, json(&texts), place),
            }
        }
        self.layers.push(layer);
    }

    /// Records a key at the top of a file whose value is neither a section nor a key's value.
    fn no_section(&mut self, key: String, place: Place, found: &str) {
        let hint = keys::did_you_mean(keys::closest(&key, ["consume", "write"]));
        let accepted = format!("[consume.<env>], [write.<env>] or a key with a plain value{hint}");
        self.mistake(key, LayerKind::File, place, found, accepted);
    }

    /// Adds the keys of `[consume…]` or `[write…]`; `outer` are the keys that lead there.
    fn section(
        &mut self,
        layer: &mut Layer,
        file: &Location,
        outer: &[String],
        inner: Vec<KeyValue>,
    ) {
        for KeyValue { key, line, value } in inner {
            let place = Place::File { file: file.clone(), line };
            let mut parts = outer.to_vec();
            // Names of environments may be in any case. The other keys of a file are lower case.
            parts.push(if outer.len() == 1 { key.to_ascii_lowercase() } else { key });
            let written = parts.join(".");
            if parts.len() == 2 {
                self.environments.insert(written.clone());
            }
            match value {
                FileValue::Table(inner) => self.section(layer, file, &parts, inner),
                FileValue::Text(text) => self.part(layer, &parts, written, text, place),
                // A file may list servers or a property's values; librdkafka wants commas.
                FileValue::List(texts) => self.part(layer, &parts, written, texts.join(","), place),
                FileValue::Unsupported(what) => {
                    let accepted = "a plain value or a list of plain values";
                    self.mistake(written, layer.kind, place, what, accepted);
                }
            }
        }
    }

    /// Adds the layer of the process environment. Names that are not keys are ignored, even if they
    /// look misspelt: the environment also belongs to other programs.
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
                None => {
                    let found = "bytes that are not UTF-8";
                    self.mistake(name.to_owned(), layer.kind, place, found, "UTF-8 text");
                }
            }
        }
        self.layers.push(layer);
    }

    /// Adds the layer of flags. They set the key of this domain, so nothing wins over them.
    pub fn command_line(&mut self, overrides: &[Override]) {
        let mut layer = Layer::new(LayerKind::CommandLine);
        for Override { flag, key, value } in overrides {
            let name = key.name_in(self.domain);
            let setting = RawSetting {
                written: name.clone(),
                text: value.clone(),
                secret: false,
                layer: layer.kind,
                place: Place::Flag(flag),
            };
            layer.settings.insert(name, setting);
        }
        self.layers.push(layer);
    }

    /// Adds a value by its name: the key of an environment, a key of the domain, or neither.
    fn text(&mut self, layer: &mut Layer, name: &str, text: String, place: Place) {
        if let Some(parts) = environments::split(name) {
            return self.part(layer, &parts, name.to_owned(), text, place);
        }
        let written = name.to_owned();
        match keys::meaning(name, self.domain) {
            Meaning::Foreign if layer.kind == LayerKind::EnvFile => {
                self.foreign.push((written, place))
            }
            Meaning::Foreign => {}
            Meaning::Ours if name == CLUSTER.base && layer.kind != LayerKind::Environment => {
                let accepted = "CLUSTER in the environment of the process alone";
                self.mistake(written, layer.kind, place, "the name of a cluster", accepted);
            }
            Meaning::Ours if name == ENV_FILE.base && layer.kind != LayerKind::Environment => {
                let found = "a key that the cluster, or whoever starts the process, sets";
                let accepted = "ENV_FILE in the environment of the process alone";
                self.mistake(written, layer.kind, place, found, accepted);
            }
            Meaning::Ours => {
                let (secret, kind) = (false, layer.kind);
                let setting = RawSetting { written, text, secret, layer: kind, place };
                self.insert(layer, name.to_owned(), setting);
            }
            Meaning::NoDomainForm(key) => {
                let found = format!("{} with the name of a domain", key.base);
                let accepted =
                    format!("{} alone: the cluster sets it for all its domains", key.base);
                self.mistake(written, layer.kind, place, found, accepted);
            }
            Meaning::Misspelt => {
                let hint = keys::did_you_mean(keys::suggestion(name, self.domain));
                let accepted = format!(
                    "a key in upper case, ending in _{} if it is for this domain only{hint}",
                    self.domain
                );
                self.mistake(written, layer.kind, place, "an unknown key", accepted);
            }
        }
    }

    /// Adds a value of an environment by the parts of its key: `consume`, `prod`,
    /// `bootstrap_servers`.
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
                // Without the environment's name, which may be `keycloak`.
                let secret = parts.iter().skip(2).any(|part| is_secret(part));
                let setting = RawSetting { written, text, secret, layer: layer.kind, place };
                self.insert(layer, path, setting);
            }
            Err(unknown) => {
                self.mistake(written, layer.kind, place, unknown.found, unknown.accepted);
            }
        }
    }

    /// Adds a setting to a layer. A second value for the same key is a mistake: either of the two
    /// may be the intended one.
    fn insert(&mut self, layer: &mut Layer, path: String, setting: RawSetting) {
        if let Some(earlier) = layer.settings.get(&path) {
            let found = format!("a second value; the first is at {}", earlier.place);
            let (written, place) = (setting.written.clone(), setting.place.clone());
            self.mistake(written, layer.kind, place, found, "each key at most once in a source");
        }
        layer.settings.insert(path, setting);
    }

    /// Records that a source, or a part of it, cannot be read.
    pub fn unreadable(&mut self, layer: LayerKind, place: Place, found: String, accepted: &str) {
        self.incomplete = true;
        self.mistake(place.to_string(), layer, place, found, accepted);
    }

    /// Records that a source was not fetched.
    pub fn unfetched(&mut self, mistake: Mistake) {
        self.incomplete = true;
        self.mistakes.push(mistake);
    }

    fn mistake(
        &mut self,
        key: String,
        layer: LayerKind,
        place: Place,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        let (found, accepted) = (found.into(), accepted.into());
        self.mistakes.push(Mistake { key, at: Some((layer, place)), found, accepted });
    }
}

/// A list from a file in the form that all sources can have: as JSON.
fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
