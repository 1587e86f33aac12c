//! What there is of dead letters, by reason, contract and event type.

use std::collections::BTreeMap;

use super::letter::{Letter, place};
use crate::record::{Offset, Partition, Position};

/// The most groups that are listed. An event type is whatever its producer has sent.
pub const MOST_GROUPS: usize = 1_000;

/// Letters of one reason, contract and event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub reason: String,
    pub contract: Option<String>,
    pub event_type: Option<String>,
    pub letters: u64,
    /// So many of them are rows by now; 0 in a topic.
    pub redriven: u64,
    /// When the first and the last of them were written, in microseconds since the epoch.
    pub first_micros: Option<i64>,
    pub last_micros: Option<i64>,
    /// The first that is not a row by now.
    pub example: Example,
}

/// One letter of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Of its record.
    pub at: Position,
    /// Its own place, if it is in a topic.
    pub message: Option<Position>,
    pub detail: String,
}

impl Example {
    /// The place in the event that the detail names.
    pub fn place(&self) -> Option<&str> {
        place(&self.detail)
    }
}

/// What there is, groups of most letters first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    pub groups: Vec<Group>,
    /// All letters, also of groups that are not listed.
    pub letters: u64,
    /// So many of them are rows by now.
    pub redriven: u64,
    /// There are more than [`MOST_GROUPS`] groups.
    pub is_cut: bool,
    /// Of a query on BigQuery.
    pub bytes_billed: u64,
    /// Of letters in a topic.
    pub backlog: Option<Backlog>,
}

/// Where letters in a topic were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// For each partition the offset where reading began, and the end.
    pub read: BTreeMap<Partition, (Offset, Offset)>,
    /// Whether the group has committed something.
    pub is_committed: bool,
    /// Offsets before where it began that the topic still has: they are dealt with.
    pub before: u64,
    /// Messages that are no dead letters.
    pub foreign: u64,
}

/// Gathers letters into groups.
#[derive(Debug, Default)]
pub struct Gathered {
    groups: BTreeMap<Key, Group>,
    letters: u64,
    is_cut: bool,
}

type Key = (String, Option<String>, Option<String>);

impl Gathered {
    pub fn add(&mut self, letter: &Letter) {
        self.letters += 1;
        let key = (letter.reason.clone(), letter.contract.clone(), letter.event_type.clone());
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            self.is_cut = true;
            return;
        }
        let at = letter.written_micros;
        let group = self.groups.entry(key).or_insert_with(|| Group {
            reason: letter.reason.clone(),
            contract: letter.contract.clone(),
            event_type: letter.event_type.clone(),
            letters: 0,
            redriven: 0,
            first_micros: at,
            last_micros: at,
            example: Example {
                at: letter.at(),
                message: letter.message,
                detail: letter.detail.clone(),
            },
        });
        group.letters += 1;
        group.first_micros = [group.first_micros, at].into_iter().flatten().min();
        group.last_micros = [group.last_micros, at].into_iter().flatten().max();
    }

    pub fn overview(self) -> Overview {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        // The sort is stable, so groups of as many letters stay in the order of their names.
        groups.sort_by_key(|group| std::cmp::Reverse(group.letters));
        let (letters, is_cut) = (self.letters, self.is_cut);
        Overview { groups, letters, is_cut, ..Overview::default() }
    }
}
