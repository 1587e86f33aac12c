//! Reading the keys of a table in a document, with every mistake noted.

use std::cell::RefCell;

use super::problem::RuleProblem;
use crate::config::document::{FileValue, KeyValue};
use crate::config::keys::{closest, did_you_mean};

/// Mistakes, as they are found.
pub(super) type Mistakes = RefCell<Vec<RuleProblem>>;

/// Where something stands in a document, and what it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub document: String,
    pub line: Option<usize>,
    pub about: Option<String>,
}

impl Place {
    pub fn problem(&self, what: impl Into<String>) -> RuleProblem {
        let Self { document, line, about } = self.clone();
        RuleProblem { document, line, about, what: what.into() }
    }
}

/// A table, of which the keys are asked for one by one.
pub(super) struct Attributes<'t> {
    pairs: &'t [KeyValue],
    pub place: Place,
    /// The path of keys to this table within what it belongs to: `files: operators: `.
    within: String,
    mistakes: &'t Mistakes,
}

impl<'t> Attributes<'t> {
    /// Notes keys that are not among these.
    pub fn of(
        pairs: &'t [KeyValue],
        place: Place,
        known: &[&'static str],
        mistakes: &'t Mistakes,
    ) -> Self {
        let table = Self { pairs, place, within: String::new(), mistakes };
        table.refuse_unknown(known);
        table
    }

    fn refuse_unknown(&self, known: &[&'static str]) {
        for pair in self.pairs {
            if !known.contains(&pair.key.as_str()) {
                let similar = did_you_mean(closest(&pair.key, known.iter().copied()));
                let what = format!(
                    "there is no key `{}`; there are {}{similar}",
                    pair.key,
                    known.join(", ")
                );
                self.mistake(pair.line, what);
            }
        }
    }

    /// The table that is the value of one of this table's keys.
    pub fn inner(&self, pair: &'t KeyValue, known: &[&'static str]) -> Option<Self> {
        let pairs = self.table_of(pair)?;
        let line = pair.line.or(self.place.line);
        let place = Place { line, ..self.place.clone() };
        let within = format!("{}{}: ", self.within, pair.key);
        let table = Self { pairs, place, within, mistakes: self.mistakes };
        if !known.is_empty() {
            table.refuse_unknown(known);
        }
        Some(table)
    }

    pub fn pair(&self, key: &str) -> Option<&'t KeyValue> {
        self.pairs.iter().find(|pair| pair.key == key)
    }

    pub fn pairs(&self) -> &'t [KeyValue] {
        self.pairs
    }

    /// Where a key of this table stands.
    pub fn place_of(&self, key: &str) -> Place {
        let line = self.pair(key).and_then(|pair| pair.line).or(self.place.line);
        Place { line, ..self.place.clone() }
    }

    /// The text at a key, which may be missing.
    pub fn text(&self, key: &str) -> Option<&'t str> {
        let pair = self.pair(key)?;
        match &pair.value {
            FileValue::Text(text) if !text.trim().is_empty() => Some(text),
            FileValue::Text(_) => {
                self.mistake(pair.line, format!("`{key}` is empty"));
                None
            }
            FileValue::List(_)
            | FileValue::Table(_)
            | FileValue::Tables(_)
            | FileValue::Unsupported(_) => {
                self.mistake(pair.line, format!("`{key}` is {}, not a text", shown(&pair.value)));
                None
            }
        }
    }

    /// The text at a key that has to be there.
    pub fn required(&self, key: &str) -> Option<&'t str> {
        if self.pair(key).is_none() {
            self.mistake(None, format!("it has no `{key}`"));
        }
        self.text(key)
    }

    fn table_of(&self, pair: &'t KeyValue) -> Option<&'t [KeyValue]> {
        match &pair.value {
            FileValue::Table(pairs) => Some(pairs),
            other => {
                let what = format!("`{}` is {}, not a map", pair.key, shown(other));
                self.mistake(pair.line, what);
                None
            }
        }
    }

    pub fn mistake(&self, line: Option<usize>, what: impl AsRef<str>) {
        let what = format!("{}{}", self.within, what.as_ref());
        let place = Place { line: line.or(self.place.line), ..self.place.clone() };
        self.mistakes.borrow_mut().push(place.problem(what));
    }
}

/// What a value is, for messages.
pub(super) fn shown(value: &FileValue) -> &'static str {
    match value {
        FileValue::Text(text) if text.is_empty() => "empty",
        FileValue::Text(_) => "a text",
        FileValue::List(_) => "a list",
        FileValue::Table(_) => "a map",
        FileValue::Tables(_) => "a list of maps",
        FileValue::Unsupported(what) => what,
    }
}
