//! One round over the letters of a topic whose rows go to a sink that cannot be asked for them
//! (docs/adr/0032-redrive.md).
//!
//! The committed offset of the letters can say one thing: all before this is dealt with. So each letter is
//! dealt with when its turn comes. Its record becomes a row, or is not to be one, or the letter is written
//! again behind the others.

use std::collections::HashMap;

use super::fate::Fate;
use super::letter::Letter;
use super::message;
use super::screening::{Identity, Screening, Seen};
use super::selection::Selection;
use super::trial::{Trial, transcoded};
use crate::record::{
    Again, DeadLetter, Event, Offset, OwnedEvent, Partition, Position, Reason, Rejection,
};
use crate::row::RowBuffer;
use crate::transcode::Plan;

/// Decides about letters.
pub struct Round {
    pub plan: Plan,
    pub screening: Screening,
    pub selection: Selection,
    /// `Contract::id` of the contract of now.
    pub contract: String,
    /// When the rows are written, in microseconds since the epoch.
    pub now_micros: i64,
}

/// What has become of a letter.
pub struct Judged {
    /// `None`: it is not one of those that were asked for.
    pub fate: Option<Fate>,
    /// What is wrong now, where it is rejected again.
    pub detail: Option<String>,
    pub turn: Turn,
}

/// What is to be written in place of a letter.
pub enum Turn {
    /// The row that was appended.
    Row,
    /// Another letter, behind the others.
    Again(Box<DeadLetter>),
    /// Nothing.
    Passed,
}

impl Round {
    /// The next letter, and its message. `seen` has those before it; a row is appended to `rows`.
    pub fn take(
        &mut self,
        message: &OwnedEvent,
        letter: &Letter,
        seen: &mut Seen,
        rows: &mut RowBuffer,
    ) -> Judged {
        let is_asked_for = self.selection.has(letter);
        let left_out = match is_asked_for {
            true => self.screening.leaves_out(letter, seen),
            false => self.screening.is_not_ours(letter),
        };
        let (fate, rejection) = match (left_out, is_asked_for) {
            (Some(fate), _) => (fate, None),
            (None, true) => transcoded(&mut self.plan, letter, self.now_micros, rows),
            (None, false) => {
                let turn = Turn::Again(Box::new(unchanged(message, letter)));
                return Judged { fate: None, detail: None, turn };
            }
        };
        let detail = rejection.as_ref().map(|rejection| rejection.detail.clone());
        let turn = match (&fate, rejection) {
            (Fate::Row, _) => Turn::Row,
            (_, Some(rejection)) if self.is_new(letter, &fate) => {
                Turn::Again(Box::new(tried_again(letter, rejection)))
            }
            _ if fate.is_dealt_with() => Turn::Passed,
            _ => Turn::Again(Box::new(unchanged(message, letter))),
        };
        Judged { fate: is_asked_for.then_some(fate), detail, turn }
    }

    /// Whether something would be written because of this letter: the others only make room for it.
    fn is_new(&self, letter: &Letter, fate: &Fate) -> bool {
        match fate {
            Fate::Row | Fate::Ignored(_) => true,
            Fate::Dead(reason) => {
                *reason != letter.reason || letter.contract.as_ref() != Some(&self.contract)
            }
            Fate::There
            | Fate::Taken
            | Fate::Gap
            | Fate::Instances
            | Fate::Tried
            | Fate::Incomplete
            | Fate::OtherTopic
            | Fate::OtherGroup => false,
        }
    }

    /// Whether it is one of those that were asked for, and this domain's.
    pub fn tries(&self, letter: &Letter) -> bool {
        self.selection.has(letter) && self.screening.is_not_ours(letter).is_none()
    }
}

/// A letter of the same record, which was rejected once more.
pub fn tried_again(letter: &Letter, rejection: Rejection) -> DeadLetter {
    DeadLetter {
        previous: letter.previous,
        again: Some(Again::Tried(letter.tries + 1)),
        ..DeadLetter::of(&letter.event.event(), rejection)
    }
}

/// The same letter.
fn unchanged(message: &OwnedEvent, letter: &Letter) -> DeadLetter {
    // Its headers have the reason, which may be one that this version does not know.
    let rejection = Rejection::new(Reason::RowError, letter.detail.clone(), None);
    DeadLetter {
        at: letter.at(),
        timestamp_ms: letter.event.timestamp_ms,
        key: message.record.key.clone(),
        headers: Vec::new(),
        value: message.record.value.clone(),
        value_bytes: letter.value_bytes,
        value_sha256: letter.value_sha256.clone(),
        previous: letter.previous,
        rejection,
        again: Some(Again::Unchanged {
            headers: message.record.headers.clone(),
            written_ms: message.timestamp_ms,
        }),
    }
}

/// A mark among the letters of a partition.
pub fn mark(partition: Partition, before: Offset) -> DeadLetter {
    let at = Position { partition, offset: before };
    let rejection = Rejection::new(Reason::RowError, String::new(), None);
    let again = Some(Again::Passed { partition, before });
    DeadLetter { again, ..DeadLetter::of(&Event::unknown(at), rejection) }
}

/// What a first look at all letters finds.
#[derive(Default)]
pub struct Survey {
    pub trial: Trial,
    /// Whether something would be written that is new. Without it letters would only change places.
    pub is_new: bool,
    seen: Seen,
    rows: RowBuffer,
}

impl Survey {
    /// The next message.
    pub fn add(&mut self, event: &Event<'_>, copies: &Copies, round: &mut Round) {
        let Some(letter) = message::read(event) else { return };
        if !copies.has(&round.screening.identity(&letter), &letter) {
            return;
        }
        self.rows.clear();
        let judged = round.take(&OwnedEvent::of(event), &letter, &mut self.seen, &mut self.rows);
        if let Some(fate) = judged.fate {
            self.is_new |= round.is_new(&letter, &fate);
            self.trial.add(&letter, fate, judged.detail);
        }
    }
}

/// Which letter of each record counts: the last in the order in which they are dealt with. A process that
/// dies after a letter was written and before an offset was has left it there twice. The copies before the
/// last are passed; so whenever the last is dealt with, those are dealt with already.
#[derive(Debug, Default)]
pub struct Copies(HashMap<Identity, Position>);

impl Copies {
    /// The next message, in the order in which they will be dealt with.
    pub fn add(&mut self, event: &Event<'_>, screening: &Screening) {
        if let Some(letter) = message::read(event) {
            self.0.insert(screening.identity(&letter), event.at);
        }
    }

    /// Whether it is the one that counts.
    pub fn has(&self, identity: &Identity, letter: &Letter) -> bool {
        let last = self.0.get(identity);
        last.is_none_or(|last| Some(*last) == letter.message)
    }
}
