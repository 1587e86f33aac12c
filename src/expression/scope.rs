//! What an expression may name, and what its value is for.

use super::error::VARIABLES;

/// What an expression may name, and what its value is for.
#[derive(Debug)]
pub struct Scope {
    pub(super) variables: &'static [&'static str],
    /// Those of them whose types nobody knows before an evaluation.
    pub(super) untyped: &'static [&'static str],
    pub(super) answer: Answer,
    /// What it is evaluated for, in messages.
    pub(super) subject: &'static str,
}

/// What the value of an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It decides: it has to be a bool, and not always the same.
    Condition,
    Value,
}

/// Conditions of a record.
pub(super) static RECORD: Scope =
    Scope { variables: &VARIABLES, untyped: &[], answer: Answer::Condition, subject: "event" };

impl Scope {
    /// At most 32 variables, of any type. `subject`: what the expression is evaluated for, in
    /// messages.
    pub const fn of(
        variables: &'static [&'static str],
        answer: Answer,
        subject: &'static str,
    ) -> Self {
        Self { variables, untyped: variables, answer, subject }
    }
}
