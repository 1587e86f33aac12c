//! Finds the value of each key and has it parsed. Records every mistake, and for every value where
//! it came from.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::keys::Key;
use super::layer::{Fault, LayerKind, Place, RawSetting};
use super::layers::Layers;
use super::mistake::{Mistake, printable, printable_beginning};
use super::values::Wrong;

/// A value that counts, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub key: String,
    /// `[redacted]` if the value is secret.
    pub value: String,
    pub layer: LayerKind,
    pub place: Place,
}

/// The lookups of one load and their results. Methods that parse return `None` if they recorded a
/// mistake.
pub struct Resolver<'a> {
    pub domain: &'a str,
    pub layers: &'a Layers,
    /// The environments that some layer configures: `consume.prod`, `write.uat`.
    pub environments: BTreeSet<String>,
    pub mistakes: Vec<Mistake>,
    pub resolved: Vec<Resolved>,
    /// Whether a source could not be read. Then no key is reported as missing.
    pub incomplete: bool,
    /// Where `config/environments.toml` was looked for, if it is not there.
    pub no_environments_at: Option<PathBuf>,
    /// By path: the keys `<key>_env` of files whose variable is not set.
    pub unset: Vec<(String, RawSetting)>,
}

impl<'a> Resolver<'a> {
    /// The setting of a key: `BASE_DOMAIN` in the strongest layer that has it, or else `BASE`. A
    /// domain's own value in a weak layer wins over the default of all domains in a strong one.
    pub fn find(&self, key: &Key) -> Option<&'a RawSetting> {
        let own = key.per_domain.then(|| self.layers.find(&key.name_in(self.domain))).flatten();
        own.or_else(|| self.layers.find(key.base))
    }

    /// The parsed value of a key, which has to be set.
    pub fn required<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.find(key) {
            Some(setting) => self.parse(setting, key.accepted, parse),
            None => {
                self.missing(&key.name_in(self.domain), key.accepted);
                None
            }
        }
    }

    /// The parsed value of a key; `Some(None)` if no layer sets it, or if it is empty, which takes back
    /// what a weaker layer sets.
    pub fn optional<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<Option<T>> {
        let Some(setting) = self.find(key) else { return Some(None) };
        self.parse(setting, key.accepted, |text| match text {
            "" => Ok(None),
            _ => parse(text).map(Some),
        })
    }

    /// The parsed value at a path, which has to be set.
    pub fn required_at<T>(
        &mut self,
        path: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.optional_at(path, accepted, parse)?;
        if value.is_none() {
            self.missing(path, accepted);
        }
        value
    }

    /// The parsed value at a path; `Some(None)` if no layer sets it.
    pub fn optional_at<T>(
        &mut self,
        path: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<Option<T>> {
        let Some(setting) = self.layers.find(path) else { return Some(None) };
        self.parse(setting, accepted, parse).map(Some)
    }

    fn parse<T>(
        &mut self,
        setting: &RawSetting,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.is_faulty(setting) {
            return None;
        }
        let text = setting.text.trim();
        match parse(text) {
            Ok(value) => {
                self.show(setting, text);
                Some(value)
            }
            Err(wrong) => {
                self.wrong(setting, wrong.accepted(accepted));
                None
            }
        }
    }

    /// Whether the variables in a text could not be replaced. Records the mistake.
    pub fn is_faulty(&mut self, setting: &RawSetting) -> bool {
        if let Some(Fault { found, accepted }) = setting.fault.clone() {
            self.mistake(setting, found, accepted);
        }
        setting.fault.is_some()
    }

    /// Records a value for the table that `config` prints.
    pub fn show(&mut self, setting: &RawSetting, value: &str) {
        self.resolved.push(Resolved {
            key: setting.written.clone(),
            value: printable(setting.secret, value),
            layer: setting.layer,
            place: setting.place.clone(),
        });
    }

    /// Records that the text of a setting is not accepted.
    pub fn wrong(&mut self, setting: &RawSetting, accepted: String) {
        let found = match setting.text.trim() {
            "" => "an empty value".to_owned(),
            text => format!("`{}`", printable_beginning(setting.secret, text)),
        };
        self.mistake(setting, found, accepted);
    }

    /// Records a mistake at the place of a setting.
    pub fn mistake(&mut self, setting: &RawSetting, found: String, accepted: String) {
        let at = Some((setting.layer, setting.place.clone()));
        self.mistakes.push(Mistake { key: setting.written.clone(), at, found, accepted });
    }

    /// Records that a key is not set, unless a source could not be read.
    pub fn missing(&mut self, key: &str, accepted: &str) {
        if !self.incomplete {
            let of_all = key.strip_suffix(self.domain).and_then(|base| base.strip_suffix('_'));
            let unset =
                self.unset.iter().filter(|(path, _)| path == key || Some(path.as_str()) == of_all);
            let unset = unset.filter_map(|(_, setting)| {
                let fault = setting.fault.as_ref()?;
                Some(format!("; {} names {} ({})", setting.written, fault.found, setting.place))
            });
            self.mistakes.push(Mistake {
                key: key.to_owned(),
                at: None,
                found: format!("nothing{}", unset.collect::<String>()),
                accepted: accepted.to_owned(),
            });
        }
    }
}
