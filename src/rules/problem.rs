//! What is wrong with a set of rules.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The document's name; the folder's for a problem of the set.
    pub document: String,
    /// Counted from 1; `None` where it is not known.
    pub line: Option<usize>,
    /// The rule, the fact or the member of the report: "rule `operator_degraded`".
    pub about: Option<String>,
    pub what: String,
}

/// Everything that is wrong with a set, not only the first problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RulesError {
    pub problems: Vec<RuleProblem>,
}

impl RuleProblem {
    /// A problem of a document as a whole, or of the set.
    pub(super) fn of(document: &str, what: impl Into<String>) -> Self {
        Self { document: document.to_owned(), line: None, about: None, what: what.into() }
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.document)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(about) = &self.about {
            write!(f, ": {about}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}
