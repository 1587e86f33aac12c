//! A set of rules that is ready to be evaluated.

use std::collections::BTreeMap;

use globset::GlobSet;

use super::file_source::FileSource;
use super::severity::Severity;
use crate::expression::Expression;

/// A set of rules. Nothing is wrong with it.
#[derive(Debug)]
pub struct RuleSet {
    pub(super) name: String,
    pub(super) digest: String,
    /// By id.
    pub(super) rules: Vec<Rule>,
    pub(super) facts: BTreeMap<String, Fact>,
    /// In the order of the document.
    pub(super) members: Vec<(String, Formula)>,
    pub(super) paths: GlobSet,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub id: String,
    pub description: String,
    pub severity: Severity,
    pub key: String,
    pub files: Vec<FileSource>,
    pub when: Formula,
    pub details: Option<Formula>,
}

#[derive(Debug)]
pub(super) struct Fact {
    pub files: Vec<FileSource>,
    pub value: Formula,
}

/// An expression, and what it names.
#[derive(Debug)]
pub(super) struct Formula {
    pub expression: Expression,
    pub facts: Vec<String>,
    pub uses_event: bool,
}

impl RuleSet {
    /// Whether a rule or a fact wants the file at this path: for
    /// [`Request::wanted`](crate::archive::Request::wanted).
    pub fn wants(&self, path: &str) -> bool {
        self.paths.is_match(path)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name with a digest of the documents: `ccx_v1@0a1b2c3d4e5f`.
    pub fn version(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The ids of the rules, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.id.as_str())
    }

    /// What a rule finds, for people.
    pub fn description(&self, id: &str) -> Option<&str> {
        self.rules.iter().find(|rule| rule.id == id).map(|rule| rule.description.as_str())
    }
}
