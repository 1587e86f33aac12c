//! The contents of files as values: each is read once for all rules that want it in the same way.

use std::collections::HashMap;

use super::event_text::EventTexts;
use super::file_source::{FileSource, Origin, Parser};
use super::report::{SkipReason, Skipped};
use crate::archive::Files;
use crate::config::on_one_line;
use crate::expression::{ContentBudget, Held, Unread};

/// Bytes of the values that are kept for other rules. Beyond that all of them are forgotten, and read
/// again by the rules that want them.
const MOST_KEPT: u64 = 256 << 20;

/// Which content, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key<'v> {
    File { path: &'v str, parser: &'static str, pattern: &'v str },
    Event { pointer: &'v str, is_base64: bool, parser: &'static str, pattern: &'v str },
}

/// What reading gave, and how many steps and bytes it took.
struct Known<'v> {
    value: Result<Held<'v>, Unread>,
    cost: (u64, u64),
}

pub(super) struct Contents<'v> {
    files: &'v Files,
    event_texts: &'v EventTexts,
    known: HashMap<Key<'v>, Known<'v>>,
    kept_bytes: u64,
}

impl<'v> Contents<'v> {
    pub fn new(files: &'v Files, event_texts: &'v EventTexts) -> Self {
        Self { files, event_texts, known: HashMap::new(), kept_bytes: 0 }
    }

    /// The value of `files`. Each content counts in the budget, also one that was read before: what
    /// a rule may use does not depend on others.
    pub fn files(&mut self, sources: &'v [FileSource]) -> Result<Held<'v>, Skipped> {
        let budget = ContentBudget::default();
        let mut members = Vec::with_capacity(sources.len());
        for source in sources {
            members.push((source.name.as_str(), self.source(source, &budget)?));
        }
        Ok(Held::map(members))
    }

    fn source(
        &mut self,
        source: &'v FileSource,
        budget: &ContentBudget,
    ) -> Result<Held<'v>, Skipped> {
        let found = match &source.origin {
            Origin::Archive(pattern) => {
                let within = self.files.beginning_with(&pattern.prefix);
                let mut found = Vec::new();
                for (path, content) in within.filter(|(path, _)| pattern.matcher.is_match(path)) {
                    let key = Key::File {
                        path,
                        parser: source.parser.name(),
                        pattern: source.parser.pattern(),
                    };
                    found.push((path, key, content));
                }
                found
            }
            Origin::Event(text) => {
                let pointer = text.pointer.as_str();
                let content = match self.event_texts.get(text) {
                    None | Some(Ok(None)) => None,
                    Some(Ok(Some(content))) => Some(content),
                    Some(Err(why)) => {
                        let detail = format!("the event's {}: {why}", on_one_line(pointer));
                        return Err(Skipped { reason: SkipReason::UnreadableFile, detail });
                    }
                };
                let key = Key::Event {
                    pointer,
                    is_base64: text.is_base64,
                    parser: source.parser.name(),
                    pattern: source.parser.pattern(),
                };
                content.map(|content| (pointer, key, content.as_slice())).into_iter().collect()
            }
        };
        if found.is_empty() && !source.is_optional {
            let detail = match &source.origin {
                Origin::Archive(pattern) => format!("no file matches {}", pattern.glob),
                Origin::Event(text) => format!("the event has no {}", on_one_line(&text.pointer)),
            };
            return Err(Skipped { reason: SkipReason::MissingFile, detail });
        }
        let mut items = Vec::with_capacity(found.len());
        for (path, key, content) in found {
            let value = self.content(key, content, &source.parser, budget).map_err(|unread| {
                let reason = match unread {
                    Unread::Wrong(_) => SkipReason::UnreadableFile,
                    Unread::OverBudget => SkipReason::Budget,
                };
                Skipped { reason, detail: format!("{}: {unread}", on_one_line(path)) }
            })?;
            items.push(Held::map([("path", Held::text(path)), ("content", value)]));
        }
        Ok(Held::list(items))
    }

    fn content(
        &mut self,
        key: Key<'v>,
        content: &'v [u8],
        parser: &'v Parser,
        budget: &ContentBudget,
    ) -> Result<Held<'v>, Unread> {
        if let Some(known) = self.known.get(&key) {
            budget.pay(known.cost)?;
            return known.value.clone();
        }
        // A budget of its own, so that what is kept does not depend on the rule that came first.
        let own = ContentBudget::default();
        let value = match parser {
            Parser::Json => own.json(content),
            Parser::Yaml => own.yaml(content),
            Parser::Text => own.text(content),
            Parser::Lines => own.lines(content),
            Parser::Regex { pattern, .. } => own.matches(content, pattern),
        };
        let cost = own.used();
        if self.kept_bytes.saturating_add(cost.1) > MOST_KEPT {
            self.known.clear();
            self.kept_bytes = 0;
        }
        self.kept_bytes += cost.1;
        self.known.insert(key, Known { value: value.clone(), cost });
        budget.pay(cost)?;
        value
    }
}

impl Parser {
    fn name(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Text => "text",
            Self::Lines => "lines",
            Self::Regex { .. } => "regex",
        }
    }

    fn pattern(&self) -> &str {
        match self {
            Self::Regex { text, .. } => text,
            Self::Json | Self::Yaml | Self::Text | Self::Lines => "",
        }
    }
}
