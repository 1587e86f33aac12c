//! Which letters are put through a contract again, and which are left out before that.

use std::collections::BTreeSet;

use super::fate::Fate;
use super::letter::{Kept, Letter};
use super::standing::Record;
use crate::record::Position;
use crate::source::Offsets;

/// How often a letter is redriven unless somebody asks for more.
pub const MOST_TRIES: u64 = 3;

/// What decides about letters before the contract does.
#[derive(Debug, Clone, Default)]
pub struct Screening {
    /// The topic that the domain reads.
    pub topic: String,
    /// Only letters of this group. `None`: of all.
    pub group: Option<String>,
    /// Before which offset of each partition no instance has anything left to do. `None`: nobody knows.
    pub settled: Option<Offsets>,
    /// The last row of each partition, as the committed offsets promise it.
    pub last_rows: Offsets,
    /// Refused rows whose letters are in a topic: rows name them, and the table does not have them.
    pub links: BTreeSet<Position>,
    /// Letters that so many redrives wrote again are left out.
    pub most_tries: Option<u64>,
}

/// What letters of one record have in common: its topic, the group, where letters are told apart by it, and
/// the record.
pub type Identity = (String, Option<String>, Record);

/// The letters of a run so far, each of which counts once.
#[derive(Debug, Default)]
pub struct Seen {
    records: BTreeSet<Identity>,
    /// Of those that were put through the contract.
    taken: BTreeSet<Position>,
}

impl Screening {
    /// Why a letter is left out.
    pub fn leaves_out(&self, letter: &Letter, seen: &mut Seen) -> Option<Fate> {
        if let Some(fate) = self.is_not_ours(letter) {
            return Some(fate);
        }
        let Position { partition, offset } = letter.at();
        let standing = letter.standing.unwrap_or_default();
        let last_row = self.last_rows.get(&partition).copied();
        let is_settled = self
            .settled
            .as_ref()
            .is_none_or(|settled| settled.get(&partition).is_some_and(|settled| offset < *settled));
        match () {
            () if standing.is_row => Some(Fate::There),
            () if standing.is_taken => Some(Fate::Taken),
            () if !is_settled => Some(Fate::Instances),
            () if standing.is_in_gap(letter.at(), last_row, &self.links) => Some(Fate::Gap),
            () if self.most_tries.is_some_and(|most| letter.tries >= most) => Some(Fate::Tried),
            () if letter.kept() != Kept::Whole => Some(Fate::Incomplete),
            // Records of two topics of this name, of which the table can only have one.
            () if !seen.taken.insert(letter.at()) => Some(Fate::Taken),
            () => None,
        }
    }
}

impl Screening {
    /// Which letters count as one. Two groups that reject one record by contracts of their own have two.
    pub fn identity(&self, letter: &Letter) -> Identity {
        let group = self.group.as_ref().and(letter.group.clone());
        (letter.topic.clone(), group, letter.key())
    }

    /// Whether it is a letter of another domain, which deals with it itself.
    pub fn is_not_ours(&self, letter: &Letter) -> Option<Fate> {
        let is_ours = |group: &String| letter.group.as_ref() == Some(group);
        match () {
            () if letter.topic != self.topic => Some(Fate::OtherTopic),
            () if !self.group.as_ref().is_none_or(is_ours) => Some(Fate::OtherGroup),
            () => None,
        }
    }
}

impl Seen {
    /// Whether a letter of its record comes for the first time.
    pub fn is_first(&mut self, identity: Identity) -> bool {
        self.records.insert(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::standing::Standing;
    use crate::letters::tests::letter_at;
    use crate::record::{Offset, OwnedEvent, Partition};

    fn letter(offset: i64, timestamp_ms: i64, tries: u64) -> Letter {
        let letter = letter_at(offset, Position::new(0, 0));
        let event = OwnedEvent { timestamp_ms: Some(timestamp_ms), ..letter.event };
        Letter { event, tries, ..letter }
    }

    #[test]
    fn what_may_become_a_row_twice_or_has_been_tried_often_is_left_out() {
        let mut seen = Seen::default();
        let screening = Screening {
            topic: "orders".to_owned(),
            settled: Some(Offsets::from([(Partition(0), Offset(100))])),
            most_tries: Some(3),
            ..Screening::default()
        };
        let mut fate = |letter: &Letter, standing| {
            let letter = Letter { standing, ..letter.clone() };
            screening.leaves_out(&letter, &mut seen)
        };
        let row = Standing { is_row: true, is_taken: true, ..Standing::default() };
        let other = Standing { is_taken: true, ..Standing::default() };
        assert_eq!(fate(&letter(7, 1, 0), Some(row)), Some(Fate::There));
        assert_eq!(fate(&letter(7, 1, 0), Some(other)), Some(Fate::Taken));
        assert_eq!(fate(&letter(100, 1, 0), None), Some(Fate::Instances));
        let gap = Standing { named: Some(Offset(30)), ..Standing::default() };
        assert_eq!(fate(&letter(17, 1, 0), Some(gap)), Some(Fate::Gap));
        assert_eq!(fate(&letter(99, 1, 3), None), Some(Fate::Tried));
        assert_eq!(fate(&letter(99, 1, 2), None), None);
        // A record of the topic as it was before it was created again.
        assert_eq!(fate(&letter(99, 2, 0), None), Some(Fate::Taken));
        let elsewhere = Letter { topic: "others".to_owned(), ..letter(5, 1, 0) };
        assert_eq!(fate(&elsewhere, None), Some(Fate::OtherTopic));
        let cut = Letter { value_bytes: 3, ..letter(5, 1, 0) };
        assert_eq!(fate(&cut, None), Some(Fate::Incomplete));
        let of_no_partition = Letter {
            event: OwnedEvent { at: Position::new(1, 5), ..letter(5, 1, 0).event },
            ..letter(5, 1, 0)
        };
        assert_eq!(fate(&of_no_partition, None), Some(Fate::Instances));
    }
}
