//! The variables, and the mistakes in them.

use std::ffi::OsStr;

use crate::config::layer::{LayerKind, Place};
use crate::config::mistake::{Mistake, printable_beginning};
use crate::config::values::Wrong;
use crate::config::variables::Variables;

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub fn new(variables: &'a Variables, mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { variables, mistakes }
    }

    /// The text of a variable. One that is empty counts as not set.
    pub fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.variables.get(OsStr::new(name)).filter(|value| !value.is_empty())?;
        let Some(text) = value.to_str() else {
            self.mistake(name, "bytes that are not UTF-8".to_owned(), "a text in UTF-8");
            return None;
        };
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    /// The value of a variable; `None` where it is not set, and where it is wrong, which is a mistake.
    pub fn value<T>(
        &mut self,
        name: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let found = || format!("{:?}", printable_beginning(false, text));
        self.parsed(name, parse(text), found, accepted)
    }

    /// The same of a variable whose value is never shown.
    pub fn secret<T>(
        &mut self,
        name: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = self.text(name)?;
        self.parsed(name, parse(text), || "[redacted]".to_owned(), accepted)
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        parsed: Result<T, Wrong>,
        found: impl FnOnce() -> String,
        accepted: &str,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.mistake(name, found(), &wrong.accepted(accepted));
                None
            }
        }
    }

    pub fn mistake(&mut self, name: &str, found: String, accepted: &str) {
        let mistake = Mistake {
            key: name.to_owned(),
            at: Some((LayerKind::Environment, Place::Variable(name.to_owned()))),
            found,
            accepted: accepted.to_owned(),
        };
        // What all signals share is read for each of them.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}
