//! What an expression may be, and why a text is none.

use crate::config::keys::did_you_mean;

/// Bytes of the longest expression: a page of text.
pub(super) const LONGEST: usize = 4_096;

/// The most levels of an expression as a tree, which chains have too: `a + b + c` has three. The
/// evaluation calls itself for each, and a thread's stack holds about a thousand.
pub(super) const MOST_LEVELS: usize = 128;

/// The most loops (`all`, `exists`, `map`, …) around one another.
pub(super) const MOST_LOOPS: usize = 8;

/// The most patterns of `matches` that differ, and the longest text that one describes without `*`
/// and `+`.
pub(super) const MOST_PATTERNS: usize = 16;
pub(super) const LARGEST_PATTERN: u64 = 2_000;

/// The most steps of one evaluation. A step is about 10 ns: comparing two numbers, or reading 16
/// bytes. What an operator costs beyond that is in [`super::meter`].
pub(super) const MOST_STEPS: u64 = 10_000_000;

/// The most bytes that one evaluation builds: what it reads of the payload, and its own values.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// The most bytes of a subject, times the square of the number of operators, of an evaluation that
/// does not count its steps.
pub(super) const UNMETERED_WORK: usize = 1 << 20;

/// What an expression may name.
pub(super) const VARIABLES: [&str; 5] = ["payload", "event_type", "key", "headers", "timestamp"];

/// A variable, by its place in [`VARIABLES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Payload,
    EventType,
    Key,
    Headers,
    Timestamp,
}

impl Variable {
    pub fn name(self) -> &'static str {
        VARIABLES[self as usize]
    }
}

/// One thing that is wrong with a text as an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("it has {0} bytes, the limit is {LONGEST}")]
    TooLong(usize),
    #[error("it has {0} levels, the limit is {MOST_LEVELS}")]
    TooDeep(usize),
    #[error("it has {0} loops in one another, the limit is {MOST_LOOPS}")]
    TooManyLoops(usize),
    #[error("it is empty")]
    Empty,
    #[error("{0}")]
    Syntax(String),
    #[error(
        "there is no variable `{name}`; there are {}{hint}",
        variables.join(", "),
        hint = did_you_mean(.similar.as_ref())
    )]
    NoVariable { name: String, similar: Option<String>, variables: &'static [&'static str] },
    #[error("there is no function `{name}`{hint}", hint = did_you_mean(.similar.as_ref()))]
    NoFunction { name: String, similar: Option<String> },
    #[error("it is written `{written}`")]
    Arguments { written: &'static str },
    #[error("there are no types to make values of, such as `{name}`")]
    Struct { name: String },
    #[error("{place} is {found}, not a bool")]
    NotABool { place: String, found: &'static str },
    #[error("{place} is an optional value, not a bool: add `.orValue(false)`")]
    OptionalCondition { place: String },
    #[error(
        "`{operation}` has an optional value (`.?a`) and another: say what counts where it is missing, \
         `payload.?a.orValue(0)`"
    )]
    OptionalTaken { operation: String },
    #[error("it is the same for every {subject}: it reads none of {}", variables.join(", "))]
    AlwaysTheSame { subject: &'static str, variables: &'static [&'static str] },
    #[error("`{call}` has no value{hint}")]
    NoValue { call: String, hint: &'static str },
    #[error("the pattern `{pattern}` of `matches` is wrong: {why}")]
    Pattern { pattern: String, why: String },
    #[error("the pattern `{pattern}` of `matches` is too large")]
    PatternTooLarge { pattern: String },
    #[error("it has {0} patterns of `matches`, the limit is {MOST_PATTERNS}")]
    TooManyPatterns(usize),
    #[error(
        "the pattern of `matches` has to be a text in the expression, such as `matches(\"^a\")`"
    )]
    PatternNotLiteral,
}
