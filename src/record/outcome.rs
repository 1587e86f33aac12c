//! What becomes of a record: a row, ignored, or rejected with a reason.

use std::fmt;

use super::reason::Reason;

/// The transcoder's answer for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transcoded {
    /// A row was written to the buffer.
    Row,
    /// Left out on purpose: its type is on the ignore list, or it is a tombstone.
    /// The index is the metric label's (`Plan::ignored_labels`).
    Ignored(usize),
    /// Goes to the dead letters.
    Rejected(Box<Rejection>),
}

/// Why a record is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// For people: which field, what was found, what was expected. Never a value of the payload, and
    /// never longer than [`Rejection::LONGEST_DETAIL`] characters.
    pub detail: String,
    /// Event type, where it was found.
    pub event_type: Option<String>,
}

impl Rejection {
    /// The most characters of a detail.
    pub const LONGEST_DETAIL: usize = 1_000;

    /// A detail that is too long is cut off: a dead letter has to fit its table or topic, whatever
    /// its record is.
    pub fn new(reason: Reason, detail: String, event_type: Option<String>) -> Self {
        Self { reason, detail: shortened(detail, Self::LONGEST_DETAIL), event_type }
    }
}

/// The reason's code and the detail.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}

/// A text of at most this many characters. One that is cut ends in `…`.
pub fn shortened(mut text: String, most: usize) -> String {
    // No character has less than one byte.
    if text.len() > most && text.chars().nth(most).is_some() {
        let kept = text.char_indices().nth(most.saturating_sub(1));
        text.truncate(kept.map_or(0, |(end, _)| end));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_cut_between_characters(text in "[aé…🦀]{0,12}", most in 1..12usize) {
            let cut = shortened(text.clone(), most);
            if text.chars().count() <= most {
                prop_assert_eq!(cut, text);
            } else {
                prop_assert_eq!(cut.chars().count(), most);
                let kept = cut.strip_suffix('…');
                prop_assert!(kept.is_some_and(|kept| text.starts_with(kept)), "{}", cut);
            }
        }
    }
}
