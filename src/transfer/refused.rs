//! Rows that the database does not take, so that they are left out when all others are staged again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::record::Position;

/// So many chunks may be sent before the database says what it thinks of the first one.
const CHUNKS: usize = 16;

/// Refused rows, each with the database's message.
#[derive(Debug, Clone)]
pub enum Refused {
    /// Of sources in which a record has the same position each time.
    At(BTreeMap<Position, String>),
    /// Of a query, which may give its rows in another order: by the hash of the row.
    Having { rows: HashMap<u128, String>, sent: Sent },
}

/// The hashes of the rows that were sent last, by position.
#[derive(Debug, Clone, Default)]
pub struct Sent(VecDeque<Vec<(Position, u128)>>);

impl Refused {
    /// `keeps_positions`: a record of the source has the same position each time.
    pub fn new(keeps_positions: bool) -> Self {
        match keeps_positions {
            true => Self::At(BTreeMap::new()),
            false => Self::Having { rows: HashMap::new(), sent: Sent::default() },
        }
    }

    /// The message about a row.
    pub fn message(&self, at: Position, hash: u128) -> Option<&String> {
        match self {
            Self::At(rows) => rows.get(&at),
            Self::Having { rows, .. } => rows.get(&hash),
        }
    }

    /// Notes rows that are sent, of which the database may refuse some.
    pub fn note(&mut self, positions: &[Position], hashes: &[u128]) {
        match self {
            Self::At(_) => {}
            Self::Having { sent, .. } => sent.add(positions, hashes),
        }
    }

    /// Adds what the database has refused of these rows. Returns whether all of them are known.
    pub fn add(&mut self, refused: Vec<(Position, String)>) -> bool {
        match self {
            Self::At(rows) => {
                rows.extend(refused);
                true
            }
            Self::Having { rows, sent } => refused.into_iter().all(|(at, message)| {
                let hash = sent.hash(at);
                hash.map(|hash| rows.insert(hash, message)).is_some()
            }),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::At(rows) => rows.len(),
            Self::Having { rows, .. } => rows.len(),
        }
    }
}

impl Sent {
    fn add(&mut self, positions: &[Position], hashes: &[u128]) {
        if self.0.len() == CHUNKS {
            self.0.pop_front();
        }
        let positions = positions.iter().copied();
        self.0.push_back(positions.zip(hashes.iter().copied()).collect());
    }

    fn hash(&self, at: Position) -> Option<u128> {
        let mut rows = self.0.iter().flatten();
        rows.find(|(position, _)| *position == at).map(|(_, hash)| *hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_query_is_known_wherever_it_comes_again() {
        let mut refused = Refused::new(false);
        refused.note(&[Position::new(0, 0), Position::new(0, 1)], &[10, 11]);
        refused.note(&[Position::new(0, 2)], &[12]);
        assert!(refused.add(vec![(Position::new(0, 1), "too large".to_owned())]));
        assert_eq!(refused.message(Position::new(0, 7), 11).map(String::as_str), Some("too large"));
        assert_eq!(refused.message(Position::new(0, 1), 10), None);
        assert!(!refused.add(vec![(Position::new(0, 9), "unknown".to_owned())]));
    }
}
