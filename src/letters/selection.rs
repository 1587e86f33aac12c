//! Which letters are wanted.

use super::letter::Letter;
use crate::record::Position;

/// When letters were written, in microseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    pub from_micros: Option<i64>,
    /// Not in the period any more.
    pub to_micros: Option<i64>,
}

impl Period {
    pub fn has(&self, micros: Option<i64>) -> bool {
        let Some(at) = micros else { return *self == Self::default() };
        self.from_micros.is_none_or(|from| at >= from) && self.to_micros.is_none_or(|to| at < to)
    }
}

/// Which letters are wanted. What is left empty selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    pub period: Period,
    pub reason: Option<String>,
    pub event_type: Option<String>,
    pub contract: Option<String>,
    /// Positions of their records.
    pub positions: Vec<Position>,
    /// The first so many.
    pub limit: Option<u64>,
    /// Their values too; without it a letter has none.
    pub values: bool,
    /// Of letters in a table also what is known of them.
    pub known: bool,
}

impl Selection {
    /// Whether it has all letters.
    pub fn is_all(&self) -> bool {
        let Self { period, reason, event_type, contract, positions, limit: _, values: _, known: _ } =
            self;
        *period == Period::default()
            && [reason, event_type, contract].iter().all(|wanted| wanted.is_none())
            && positions.is_empty()
    }

    /// Whether the letter is one of these, whatever the limit.
    pub fn has(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        self.period.has(letter.written_micros)
            && is(&self.reason, Some(&letter.reason))
            && is(&self.event_type, letter.event_type.as_deref())
            && is(&self.contract, letter.contract.as_deref())
            && (self.positions.is_empty() || self.positions.contains(&letter.at()))
    }
}
