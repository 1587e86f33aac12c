//! A table of a file of its own, such as `[[series]]` or `[transfer.orders]`: its keys are taken out
//! one by one, and what is left is unknown.

use crate::config::document::{FileValue, KeyValue};
use crate::config::keys::{closest, did_you_mean};
use crate::config::layer::{LayerKind, Place};
use crate::config::location::Location;
use crate::config::mistake::{Mistake, printable_beginning};
use crate::config::values::{self, Wrong};

pub struct Entry<'a> {
    /// `series`, `instance`, or `transfer.orders`.
    kind: String,
    /// Its name, or its number before that is known. `None`: `kind` has it.
    called: Option<String>,
    file: &'a Location,
    /// The line of its first key.
    line: Option<usize>,
    pairs: Vec<KeyValue>,
    pub mistakes: Vec<Mistake>,
}

impl<'a> Entry<'a> {
    /// One of a list. `number` counts from 1.
    pub fn new(kind: &str, number: usize, file: &'a Location, pairs: Vec<KeyValue>) -> Self {
        let called = Some(format!("#{number}"));
        Self { called, ..Self::at_path(kind, file, pairs) }
    }

    /// The table at a path: `transfer.orders`.
    pub fn at_path(path: &str, file: &'a Location, pairs: Vec<KeyValue>) -> Self {
        let line = pairs.iter().filter_map(|pair| pair.line).min();
        Self { kind: path.to_owned(), called: None, file, line, pairs, mistakes: Vec::new() }
    }

    /// Mistakes name the entry by this from now on.
    pub fn call(&mut self, name: &str) {
        self.called = Some(name.to_owned());
    }

    /// The parsed value of a key that has to be there; `None` after a mistake.
    pub fn required<T>(
        &mut self,
        key: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.optional(key, accepted, parse)?;
        if value.is_none() {
            self.mistake(key, self.line, "nothing".to_owned(), accepted.to_owned());
        }
        value
    }

    /// The parsed value of a key; `Some(None)` if it is not there, `None` after a mistake.
    pub fn optional<T>(
        &mut self,
        key: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<Option<T>> {
        let Some(index) = self.pairs.iter().position(|pair| pair.key == key) else {
            return Some(None);
        };
        let KeyValue { line, value, .. } = self.pairs.remove(index);
        let FileValue::Text(text) = value else {
            self.mistake(key, line, "a list or a table".to_owned(), accepted.to_owned());
            return None;
        };
        let text = text.trim();
        match parse(text) {
            Ok(value) => Some(Some(value)),
            Err(wrong) => {
                let found = match text {
                    "" => "an empty value".to_owned(),
                    text => format!("`{}`", printable_beginning(false, text)),
                };
                self.mistake(key, line, found, wrong.accepted(accepted));
                None
            }
        }
    }

    /// The names of a list, or of a text in which commas stand between them; `Some(None)` if the key is
    /// not there, `None` after a mistake. `one` is what a message calls one of them.
    pub fn names(&mut self, key: &str, accepted: &str, one: &str) -> Option<Option<Vec<String>>> {
        let pair = self.pairs.iter_mut().find(|pair| pair.key == key);
        if let Some(KeyValue { value, .. }) = pair
            && let FileValue::List(texts) = value
        {
            *value = FileValue::Text(serde_json::Value::from(texts.as_slice()).to_string());
        }
        self.optional(key, accepted, |text| values::names(text, one))
    }

    /// Reports the keys that nothing has taken. `known` are those that the entry may have; `others`
    /// those that it may have in another case, with that case.
    pub fn finish(mut self, known: &[&str], others: &[(&str, &str)]) -> Vec<Mistake> {
        for KeyValue { key, line, .. } in std::mem::take(&mut self.pairs) {
            match others.iter().find(|(other, _)| *other == key) {
                Some((_, case)) => {
                    let found = "a key of another store".to_owned();
                    self.mistake(&key, line, found, format!("this key with {case} only"));
                }
                None => {
                    let hint = did_you_mean(closest(&key, known.iter().copied()));
                    let accepted = format!("{}{hint}", known.join(", "));
                    self.mistake(&key, line, "an unknown key".to_owned(), accepted);
                }
            }
        }
        self.mistakes
    }

    pub fn mistake(&mut self, key: &str, line: Option<usize>, found: String, accepted: String) {
        let kind = &self.kind;
        let key = match (&self.called, key) {
            (Some(called), "") => format!("{kind} {called}"),
            (Some(called), key) => format!("{kind} {called}: {key}"),
            (None, "") => kind.clone(),
            (None, key) => format!("{kind}.{key}"),
        };
        self.mistakes.push(Mistake { key, at: at(self.file, line.or(self.line)), found, accepted });
    }
}

/// Where in such a file something is.
pub fn at(file: &Location, line: Option<usize>) -> Option<(LayerKind, Place)> {
    Some((LayerKind::File, Place::File { file: file.clone(), line }))
}
