//! The layer of a configuration file: its sections and keys, and the variables that they name.

use super::Gather;
use crate::config::document::{self, FileValue, KeyValue, NO_PLAIN_LIST};
use crate::config::environments;
use crate::config::keys;
use crate::config::layer::{Layer, LayerKind, Place};
use crate::config::location::Location;
use crate::config::variables::{self, Given};

/// What a file has: the values of keys, and those of variables that `<key>_env` names.
struct FileLayers {
    layer: Layer,
    /// They win over the others.
    indirect: Layer,
}

impl FileLayers {
    fn new() -> Self {
        Self { layer: Layer::new(LayerKind::File), indirect: Layer::new(LayerKind::File) }
    }
}

impl Gather<'_> {
    /// Adds the layer of a TOML or YAML file.
    pub fn file(&mut self, file: &Location, text: &str) {
        let mut target = FileLayers::new();
        let (pairs, errors) = document::parse(file.extension(), text);
        for error in errors {
            self.unreadable(
                LayerKind::File,
                Place::File { file: file.clone(), line: error.line },
                error.message,
                "a TOML or YAML file with keys, [consume.<env>] and [write.<env>]",
            );
        }
        for KeyValue { key, line, value } in pairs {
            let place = Place::File { file: file.clone(), line };
            match value {
                FileValue::Table(inner) if environments::is_section(&key) => {
                    self.section(&mut target, file, &[key], inner);
                }
                FileValue::Table(inner) if key == "transfer" => {
                    self.transfers(&mut target.layer, file, inner);
                }
                FileValue::Table(_) => self.no_section(key, place, "a table"),
                FileValue::Unsupported(what) => self.no_section(key, place, what),
                FileValue::Tables(_) => self.no_section(key, place, NO_PLAIN_LIST),
                FileValue::Text(text) => self.of_file(&mut target, &key, &[text], place, one),
                FileValue::List(texts) => self.of_file(&mut target, &key, &texts, place, json),
            }
        }
        let FileLayers { mut layer, indirect } = target;
        for (path, setting) in indirect.settings {
            match &setting.fault {
                // Then the plain value holds, if there is one.
                Some(_) => self.unset.push((path, setting)),
                None => drop(layer.settings.insert(path, setting)),
            }
        }
        self.layers.push(layer);
    }

    /// Adds a value at the top of a file: of a key, or of `<key>_env`, which names a variable.
    fn of_file(
        &mut self,
        target: &mut FileLayers,
        key: &str,
        texts: &[String],
        place: Place,
        join: fn(&[String]) -> String,
    ) {
        if let Some(parts) = environments::split(key) {
            return self.of_section(target, &parts, key.to_owned(), texts, place);
        }
        match key.strip_suffix(variables::SUFFIX) {
            Some(meant) => {
                if let Some(given) = self.named_variable(key.to_owned(), &join(texts), place) {
                    self.text(&mut target.indirect, meant, given);
                }
            }
            None => {
                let given = variables::expand(key, texts, place, self.variables, join);
                self.text(&mut target.layer, key, given);
            }
        }
    }

    /// Adds a value of an environment: of a key, or of `<key>_env`, which names a variable.
    fn of_section(
        &mut self,
        target: &mut FileLayers,
        parts: &[String],
        written: String,
        texts: &[String],
        place: Place,
    ) {
        // A file may list servers or a property's values; librdkafka wants commas.
        let join: fn(&[String]) -> String = |texts| texts.join(",");
        if let Some(meant) = environments::named_by_variable(parts) {
            if let Some(given) = self.named_variable(written, &join(texts), place) {
                self.part(&mut target.indirect, &meant, given);
            }
            return;
        }
        let given = variables::expand(&written, texts, place, self.variables, join);
        self.part(&mut target.layer, parts, given);
    }

    /// The value of the variable that `<key>_env` names. `None` if that is no name.
    fn named_variable(&mut self, written: String, name: &str, place: Place) -> Option<Given> {
        let given = variables::named(&written, name.trim(), place.clone(), self.variables);
        if given.is_none() {
            let accepted = "the name of a variable: letters, digits and underscores";
            let found = "a value that is no variable's name";
            self.mistake(written, LayerKind::File, place, found, accepted);
        }
        given
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
        target: &mut FileLayers,
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
                FileValue::Table(inner) => self.section(target, file, &parts, inner),
                FileValue::Text(text) => self.of_section(target, &parts, written, &[text], place),
                FileValue::List(texts) => self.of_section(target, &parts, written, &texts, place),
                value @ (FileValue::Tables(_) | FileValue::Unsupported(_)) => {
                    let found = match value {
                        FileValue::Unsupported(what) => what,
                        _ => NO_PLAIN_LIST,
                    };
                    let accepted = "a plain value or a list of plain values";
                    self.mistake(written, LayerKind::File, place, found, accepted);
                }
            }
        }
    }
}

/// A single value.
fn one(texts: &[String]) -> String {
    texts.concat()
}

/// A list from a file in the form that all sources can have: as JSON.
fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
