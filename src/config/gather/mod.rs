//! Turns the texts of the sources into layers. It keeps the keys that concern the domain, leaves
//! those of other domains alone and reports misspelt ones.

mod file;
mod transfer;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::dotenv;
use super::env_file::EnvFile;
use super::environments;
use super::keys::{self, CLUSTER, ENV_FILE, Key, Meaning};
use super::layer::{Layer, LayerKind, Place, RawSetting};
use super::location::Location;
use super::mistake::{Mistake, is_secret};
use super::transfer::Table;
use super::variables::{self, Given, Variables};

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
    /// By path: the keys `<key>_env` of files whose variable is not set.
    pub unset: Vec<(String, RawSetting)>,
    /// The transfer whose table is wanted.
    of_transfer: Option<&'a str>,
    /// That table, once it was found.
    pub transfer: Option<Table>,
    /// The environment of the process.
    variables: &'a Variables,
}

impl<'a> Gather<'a> {
    /// Begins with the layer of built-in defaults.
    pub fn new(domain: &'a str, variables: &'a Variables) -> Self {
        let mut defaults = Layer::new(LayerKind::Default);
        for key in keys::ALL {
            if let Some(text) = key.default {
                let setting = RawSetting {
                    written: key.base.to_owned(),
                    text: text.to_owned(),
                    secret: false,
                    layer: LayerKind::Default,
                    place: Place::BuiltIn,
                    fault: None,
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
            unset: Vec::new(),
            of_transfer: None,
            transfer: None,
            variables,
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
        for assignment in &assignments {
            let place = Place::File { file: file.clone(), line: Some(assignment.line) };
            let names = assignments.iter().map(|one| one.key.as_str());
            if let Some(meant) = keys::meant_for(&assignment.key, self.domain, names) {
                let found = "a key of a domain that has no other, such as BQ_TABLE";
                let accepted = format!("did you mean `{meant}`?");
                self.mistake(assignment.key.clone(), layer.kind, place, found, accepted);
                continue;
            }
            if assignment.has_variable {
                self.with_variables.push((assignment.key.clone(), place.clone()));
            }
            let mut given = Given::plain(&assignment.key, assignment.text.clone(), place);
            // dotenvy would make an empty text of it.
            given.fault = assignment.has_default.then(variables::default_in_env_file);
            self.text(&mut layer, &assignment.key, given);
        }
        self.layers.push(layer);
    }

    /// Adds the layer of the process environment. Names that are not keys are ignored, even if they
    /// look misspelt: the environment also belongs to other programs.
    pub fn environment(&mut self) {
        let mut layer = Layer::new(LayerKind::Environment);
        for (name, value) in self.variables {
            let Some(name) = name.to_str() else { continue };
            let place = Place::Variable(name.to_owned());
            let relevant = environments::split(name).is_some()
                || matches!(
                    keys::meaning(name, self.domain),
                    Meaning::Ours | Meaning::NoDomainForm(_)
                );
            match value.to_str() {
                _ if !relevant => {}
                Some(text) => {
                    self.text(&mut layer, name, Given::plain(name, text.to_owned(), place));
                }
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
                fault: None,
            };
            layer.settings.insert(name, setting);
        }
        self.layers.push(layer);
    }

    /// Adds a value by its name: the key of an environment, a key of the domain, or neither.
    fn text(&mut self, layer: &mut Layer, name: &str, given: Given) {
        if let Some(parts) = environments::split(name) {
            return self.part(layer, &parts, given);
        }
        let (written, place) = (given.written.clone(), given.place.clone());
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
                let setting = given.setting(layer.kind, false);
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
    fn part(&mut self, layer: &mut Layer, parts: &[String], given: Given) {
        if let [section, env, ..] = parts {
            self.environments.insert(format!("{section}.{env}"));
        }
        match environments::path(parts) {
            Ok(path) => {
                // Without the environment's name, which may be `keycloak`.
                let secret = parts.iter().skip(2).any(|part| is_secret(part));
                let setting = given.setting(layer.kind, secret);
                self.insert(layer, path, setting);
            }
            Err(unknown) => {
                let Given { written, place, .. } = given;
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
