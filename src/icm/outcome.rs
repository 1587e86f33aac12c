//! What becomes of an entry.

/// What became of an entry of the file, or of a key that it has no entry for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the value of these keys.
    Key(String),
    /// It needs no key; the reason.
    LeftOut(String),
    /// What a person has to decide or write.
    ToDo(String),
}

impl Outcome {
    pub fn left_out(reason: impl Into<String>) -> Self {
        Self::LeftOut(reason.into())
    }

    pub fn to_do(what: impl Into<String>) -> Self {
        Self::ToDo(what.into())
    }
}

/// An entry or a key, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub outcome: Outcome,
}
