//! Looks values up, has them parsed, and keeps both the mistakes and where each value came from.

use std::collections::BTreeSet;
use std::fmt;

use super::keys::Key;
use super::layer::{Entry, LayerKind, Place};
use super::layers::Layers;
use super::mistake::{Mistake, printable};

/// One resolved value, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub key: String,
    /// `[redacted]` where the key is secret.
    pub value: String,
    pub layer: LayerKind,
    pub place: Place,
}

/// A text that was found.
#[derive(Clone)]
pub struct Found {
    pub layer: LayerKind,
    pub entry: Entry,
}

pub struct Reader<'a> {
    pub domain: &'a str,
    pub layers: &'a Layers,
    pub environments: BTreeSet<String>,
    pub mistakes: Vec<Mistake>,
    pub resolved: Vec<Resolved>,
    /// A source could not be read as a whole: nothing is called missing.
    pub incomplete: bool,
}

impl Reader<'_> {
    /// The text of a key: under `BASE_DOMAIN` in the strongest layer that has it, then under
    /// `BASE`. A domain's own value in a weak layer beats the default of all in a strong one.
    pub fn text(&self, key: &Key) -> Option<Found> {
        let own = key.per_domain.then(|| self.layers.find(&key.name_in(self.domain))).flatten();
        let (layer, entry) = own.or_else(|| self.layers.find(key.base))?;
        Some(Found { layer, entry: entry.clone() })
    }

    /// The parsed value of a key that has to be there; `None`: a mistake was noted.
    pub fn required<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.text(key) {
            Some(found) => self.parse(&found, key.accepted, parse),
            None => {
                self.missing(&key.name_in(self.domain), key.accepted);
                None
            }
        }
    }

    /// The same for a key under a path, where its absence is no mistake.
    pub fn at_path<T>(
        &mut self,
        path: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let (layer, entry) = self.layers.find(path)?;
        let found = Found { layer, entry: entry.clone() };
        self.parse(&found, accepted, parse)
    }

    pub fn parse<T>(
        &mut self,
        found: &Found,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = found.entry.text.trim();
        match parse(text) {
            Ok(value) => {
                self.show(found, text);
                Some(value)
            }
            Err(Wrong(why)) => {
                let accepted =
                    if why.is_empty() { accepted.to_owned() } else { format!("{accepted}; {why}") };
                self.wrong(found, accepted);
                None
            }
        }
    }

    /// Notes a value for the table of `config`.
    pub fn show(&mut self, found: &Found, value: &str) {
        let key = found.entry.written.clone();
        let value = printable(found.entry.secret, value);
        let (layer, place) = (found.layer, found.entry.place.clone());
        self.resolved.push(Resolved { key, value, layer, place });
    }

    pub fn wrong(&mut self, found: &Found, accepted: String) {
        let key = found.entry.written.clone();
        let at = Some((found.layer, found.entry.place.clone()));
        let found = match found.entry.text.trim() {
            "" => "an empty value".to_owned(),
            text => format!("`{}`", printable(found.entry.secret, text)),
        };
        self.mistakes.push(Mistake { key, at, found, accepted });
    }

    pub fn missing(&mut self, key: &str, accepted: &str) {
        if !self.incomplete {
            self.mistakes.push(Mistake {
                key: key.to_owned(),
                at: None,
                found: "nothing".to_owned(),
                accepted: accepted.to_owned(),
            });
        }
    }
}

/// Why a text is not accepted, beyond what the key's own description says; may be empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    pub fn plain() -> Self {
        Self(String::new())
    }

    pub fn because(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}
