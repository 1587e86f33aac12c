//! What is wrong with a contract.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// A file with a JSON pointer, the import path or the contract.
    pub place: String,
    pub what: String,
    /// The document has no channel of the name that was asked for.
    pub about_channel: bool,
}

/// Everything that is wrong with a contract, not only the first problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ContractError {
    pub problems: Vec<Problem>,
}

impl Problem {
    pub(super) fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into(), about_channel: false }
    }

    pub(super) fn about_channel(self) -> Self {
        Self { about_channel: true, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(&self.problems, f)
    }
}

impl From<Problem> for ContractError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Writes one problem a line.
pub(super) fn lines(problems: &[Problem], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, problem) in problems.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        write!(f, "{separator}{problem}")?;
    }
    Ok(())
}
