//! One line of the report.

use serde_json::{Map, Value};

/// How a part of the domain stands, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    Ok,
    /// It could not be looked at, because of what another finding says.
    NotSeen,
    /// A run works, and a person may want to know.
    Note,
    /// A run would send records to the dead letters.
    DeadLetters,
    /// A run would create or alter something.
    WouldAlter,
    WouldFail,
}

impl Grade {
    /// For people, and in the JSON.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotSeen => "not seen",
            Self::Note => "note",
            Self::DeadLetters => "dead letters",
            Self::WouldAlter => "would alter",
            Self::WouldFail => "would fail",
        }
    }
}

/// What was found of one part.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// `topic`, `table`: one or two words.
    pub part: &'static str,
    pub grade: Grade,
    pub what: String,
    /// More of it, a line each.
    pub more: Vec<String>,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// The same for programs.
    pub facts: Map<String, Value>,
}

impl Finding {
    pub fn new(part: &'static str, grade: Grade, what: impl Into<String>) -> Self {
        let (more, hint, facts) = (Vec::new(), None, Map::new());
        Self { part, grade, what: what.into(), more, hint, facts }
    }

    pub fn ok(part: &'static str, what: impl Into<String>) -> Self {
        Self::new(part, Grade::Ok, what)
    }

    pub fn fails(part: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(part, Grade::WouldFail, what).hint(hint)
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub fn more(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.more.extend(lines);
        self
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Makes the grade at least this one.
    #[must_use]
    pub fn at_least(self, grade: Grade) -> Self {
        Self { grade: self.grade.max(grade), ..self }
    }
}

/// `1 column`, `2 columns`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The worst grade.
pub fn verdict(findings: &[Finding]) -> Grade {
    findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok)
}
