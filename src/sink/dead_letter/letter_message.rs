//! A dead letter as a message of Kafka: key and value as they were, everything else as headers.
//!
//! A letter that is larger than its topic allows loses parts of its record until it fits: its value
//! is halved down to nothing, then the record's own headers and its key are left out. What remains
//! names the record, with the size and hash of its whole value.

use super::about::About;
use crate::record::{Again, DeadLetter};

/// The one header of a mark among letters: before which offset of its partition all are dealt with.
pub const PASSED: &str = "dead_letter.passed";

/// What is kept of a letter's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Bytes at the beginning of the value.
    pub value: usize,
    pub headers: bool,
    pub key: bool,
}

impl Parts {
    pub fn whole(letter: &DeadLetter) -> Self {
        Self { value: letter.value.as_ref().map_or(0, Vec::len), headers: true, key: true }
    }

    /// Ever smaller parts of a letter.
    pub fn smaller(letter: &DeadLetter) -> impl Iterator<Item = Self> + use<> {
        let whole = Self::whole(letter);
        let values =
            std::iter::successors(Some(whole.value / 2), |value| (*value > 0).then_some(value / 2));
        // Kafka's default limit is twelve bytes more than the largest value of a letter. So the first
        // cut is a small one, which leaves room for the headers.
        let values = std::iter::once(whole.value - whole.value / 16).chain(values);
        let empty = Self { value: 0, ..whole };
        let headless = Self { headers: false, ..empty };
        values
            .map(move |value| Self { value, ..whole })
            .chain([headless, Self { key: false, ..headless }])
    }
}

impl About {
    /// The record's own headers first, then ours, all beginning with `dead_letter.`. Those of a letter that
    /// stays as it is are never left out: they say which record it is.
    pub fn letter_headers(
        &self,
        letter: &DeadLetter,
        kept: Parts,
    ) -> Vec<(String, Option<Vec<u8>>)> {
        let tries = match &letter.again {
            Some(Again::Unchanged { headers, .. }) => return headers.clone(),
            Some(Again::Passed { before, .. }) => {
                return vec![(PASSED.to_owned(), Some(before.to_string().into_bytes()))];
            }
            Some(Again::Tried(tries)) => Some(tries.to_string()),
            None => None,
        };
        let optional = |number: Option<i64>| number.map(|number| number.to_string());
        let facts = [
            ("dead_letter.reason", Some(letter.rejection.reason.code().to_owned())),
            ("dead_letter.detail", Some(letter.rejection.detail.clone())),
            ("dead_letter.event_type", letter.rejection.event_type.clone()),
            ("dead_letter.topic", Some(self.topic.clone())),
            ("dead_letter.partition", Some(letter.at.partition.to_string())),
            ("dead_letter.offset", Some(letter.at.offset.to_string())),
            ("dead_letter.previous", optional(letter.previous.map(|offset| offset.0))),
            ("dead_letter.timestamp_ms", optional(letter.timestamp_ms)),
            ("dead_letter.value_bytes", Some(letter.value_bytes.to_string())),
            ("dead_letter.value_sha256", Some(letter.value_sha256.clone())),
            ("dead_letter.contract", Some(self.contract.clone())),
            ("dead_letter.consumer_group", Some(self.group.clone())),
            ("dead_letter.tries", tries),
            // Parts of the record that cannot be told from those that it never had.
            ("dead_letter.left_out", left_out(letter, kept)),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Some(value?.into_bytes()))));
        letter.headers.iter().filter(|_| kept.headers).cloned().chain(facts).collect()
    }
}

/// The record's headers and key, where it has them and they are not kept.
fn left_out(letter: &DeadLetter, kept: Parts) -> Option<String> {
    let headers = (!kept.headers && !letter.headers.is_empty()).then_some("headers");
    let key = (!kept.key && letter.key.is_some()).then_some("key");
    let parts: Vec<&str> = headers.into_iter().chain(key).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, Position, Reason, Rejection};

    #[test]
    fn the_value_is_cut_before_headers_and_key() {
        let rejection = Rejection::new(Reason::InvalidJson, String::new(), None);
        let value = vec![b'x'; 64];
        let event = Event { value: Some(&value), ..Event::unknown(Position::new(0, 1)) };
        let letter = DeadLetter::of(&event, rejection);
        let parts: Vec<_> =
            Parts::smaller(&letter).map(|kept| (kept.value, kept.headers, kept.key)).collect();
        let values = [60, 32, 16, 8, 4, 2, 1, 0].map(|value| (value, true, true));
        assert_eq!(parts, [&values[..], &[(0, false, true), (0, false, false)]].concat());
    }
}
