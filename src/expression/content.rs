//! The content of files as values. Reading pays for what it does, as an evaluation does.

use std::borrow::Cow;
use std::collections::HashMap;

use cel::ExecutionError;
use cel::common::types::{CelList, CelMap, CelMapKey, CelString};
use serde::de::IgnoredAny;

use super::budget::{Budget, ITEM_BYTES};
use super::content_yaml;
use super::held::Held;
use super::line_pattern::LinePattern;
use super::meter::places_bytes;
use super::shared::Shared;
use super::value::{self, Boxed, Wanted};
use crate::config::on_one_line;

/// The most steps and bytes that reading the files of one rule may take. A step is about 10 ns.
const MOST_STEPS: u64 = 200_000_000;
const MOST_BYTES: u64 = 256 << 20;

/// Steps of reading one byte of YAML, whose parser is slow and keeps a list of what it found.
const STEPS_A_YAML_BYTE: u64 = 8;

/// The steps and the bytes that are left for reading files.
#[derive(Debug)]
pub struct ContentBudget(Budget);

/// Why a content has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is not what it should be.
    #[error("{0}")]
    Wrong(String),
    #[error("reading the files takes more than {MOST_STEPS} steps or {MOST_BYTES} bytes")]
    OverBudget,
}

impl Default for ContentBudget {
    fn default() -> Self {
        Self(Budget::of(MOST_STEPS, MOST_BYTES))
    }
}

impl ContentBudget {
    /// Steps and bytes that were used.
    pub fn used(&self) -> (u64, u64) {
        let (steps, bytes) = self.0.left();
        (MOST_STEPS - steps, MOST_BYTES - bytes)
    }

    /// Pays for what was read before.
    pub fn pay(&self, (steps, bytes): (u64, u64)) -> Result<(), Unread> {
        self.0.pay(steps, bytes).map_err(over_budget)
    }

    /// JSON text: its value.
    pub fn json<'v>(&self, text: &'v [u8]) -> Result<Held<'v>, Unread> {
        let text = utf8(text)?;
        // RawValue reads a text that is no object as a whole.
        self.pay((text.len() as u64, 0))?;
        match value::read(text.as_bytes(), &Wanted::All, Some(&self.0)) {
            Some(value) => Ok(Held(value)),
            None if self.0.used_up().is_some() => Err(Unread::OverBudget),
            None => Err(Unread::Wrong(match serde_json::from_str::<IgnoredAny>(text) {
                Err(error) => format!("is not JSON: {}", on_one_line(&error.to_string())),
                Ok(_) => "is JSON with more than 127 levels".to_owned(),
            })),
        }
    }

    /// YAML of one document: its value.
    pub fn yaml<'v>(&self, text: &'v [u8]) -> Result<Held<'v>, Unread> {
        let text = utf8(text)?;
        self.pay((text.len() as u64 * STEPS_A_YAML_BYTE, text.len() as u64))?;
        match content_yaml::read(text, &self.0) {
            Ok(value) => Ok(Held(value)),
            Err(_) if self.0.used_up().is_some() => Err(Unread::OverBudget),
            Err(error) => Err(Unread::Wrong(format!("is not YAML: {}", on_one_line(&error)))),
        }
    }

    /// The text, without white space at its end.
    pub fn text<'v>(&self, text: &'v [u8]) -> Result<Held<'v>, Unread> {
        let text = lossy(text.trim_ascii_end());
        self.0.pay_for_text(text.len(), matches!(text, Cow::Owned(_))).map_err(over_budget)?;
        Ok(Held::of(CelString::from(text)))
    }

    /// The lines, without their ends.
    pub fn lines<'v>(&self, text: &'v [u8]) -> Result<Held<'v>, Unread> {
        self.pay((text.len() as u64 / 4, 0))?;
        let mut lines: Vec<Boxed<'v>> = Vec::new();
        for line in lines_of(text) {
            let line = lossy(line);
            self.0.pay(1, ITEM_BYTES).map_err(over_budget)?;
            lines.push(self.string(line)?);
        }
        Ok(Held::of(CelList::from(lines)))
    }

    /// For each line that the pattern matches, its groups by name.
    pub fn matches<'v>(
        &self,
        text: &'v [u8],
        pattern: &'v LinePattern,
    ) -> Result<Held<'v>, Unread> {
        let mut found: Vec<Boxed<'v>> = Vec::new();
        for line in lines_of(text) {
            let line = lossy(line);
            let Some(groups) = pattern.captures(&line, &self.0).map_err(over_budget)? else {
                continue;
            };
            let mut map: HashMap<CelMapKey<'v>, Boxed<'v>> = HashMap::new();
            for name in pattern.groups() {
                let group = groups.name(name).map_or("", |group| group.as_str());
                let value = self.string(Cow::Owned(group.to_owned()))?;
                map.insert(CelMapKey::String(CelString::from(name)), value);
            }
            self.0.pay(1, ITEM_BYTES + places_bytes(map.len())).map_err(over_budget)?;
            found.push(Shared::of(Box::new(CelMap::from(map))));
        }
        Ok(Held::of(CelList::from(found)))
    }

    fn string<'v>(&self, text: Cow<'v, str>) -> Result<Boxed<'v>, Unread> {
        if let Cow::Owned(owned) = &text {
            self.0.pay_for_text(owned.len(), true).map_err(over_budget)?;
        }
        Ok(Shared::of(Box::new(CelString::from(text))))
    }
}

fn over_budget(_: ExecutionError) -> Unread {
    Unread::OverBudget
}

fn utf8(text: &[u8]) -> Result<&str, Unread> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let wrong = |at| Unread::Wrong(format!("is not UTF-8 at byte {at}"));
    std::str::from_utf8(text).map_err(|error| wrong(error.valid_up_to()))
}

/// The text; each wrong byte is U+FFFD.
fn lossy(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// The lines of a text, as `str::lines` has them.
fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let is_empty = text.is_empty();
    let lines = text.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).take(if is_empty {
        0
    } else {
        usize::MAX
    })
}
