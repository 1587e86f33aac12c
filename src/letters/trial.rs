//! What would become of dead letters that are put through a contract again. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::Example;
use super::letter::{Kept, Letter};
use super::stream::Letters;
use crate::record::{Position, Rejection, Transcoded};
use crate::row::RowBuffer;
use crate::stop::Stop;
use crate::transcode::{Ingestion, Plan};
use crate::verify::{Part, Table};

/// Positions that the table is asked for at once.
const ASKED: usize = 500;

/// What would become of a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A row.
    Row,
    /// Left out on purpose, by event type, filter or as a tombstone.
    Ignored(String),
    /// A dead letter again, with this reason.
    Dead(String),
    /// The sink has its row already.
    There,
    /// Parts of its record are not kept.
    Incomplete,
    /// It is a record of another topic.
    OtherTopic,
}

/// Letters of a reason that would come to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub letters: u64,
    /// The first; its detail is the new one, where it is rejected again.
    pub example: Example,
}

/// What would become of letters, by the reason that they have and by their fate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    pub tried: BTreeMap<(String, Fate), Tried>,
    /// Whether the sink was asked for the rows that it has.
    pub asked: bool,
}

/// What letters are tried with.
pub struct With<'a> {
    pub plan: &'a mut Plan,
    /// The topic that the domain reads.
    pub topic: &'a str,
    /// The table that would get the rows; `None`: the sink is not asked.
    pub rows: Option<&'a Table>,
    pub now_micros: i64,
}

/// Puts letters through a contract. A letter that is there more than once counts once.
pub async fn try_letters(mut letters: Letters, mut with: With<'_>) -> Result<Trial, Stop> {
    let mut trial = Trial { asked: with.rows.is_some(), ..Trial::default() };
    let mut seen = BTreeSet::new();
    let mut waiting = Vec::new();
    loop {
        let next = letters.next().await.transpose()?;
        let is_last = next.is_none();
        if let Some(letter) = next
            && seen.insert((letter.topic.clone(), letter.at()))
        {
            waiting.push(letter);
        }
        if waiting.len() >= ASKED || is_last {
            let there = with.there(&waiting).await?;
            for letter in waiting.drain(..) {
                let (fate, detail) = with.fate(&letter, &there);
                trial.add(&letter, fate, detail);
            }
        }
        if is_last {
            return Ok(trial);
        }
    }
}

impl With<'_> {
    /// The positions of letters whose rows the sink has.
    async fn there(&self, letters: &[Letter]) -> Result<BTreeSet<Position>, Stop> {
        let Some(table) = self.rows else { return Ok(BTreeSet::new()) };
        let positions: Vec<Position> = letters.iter().map(Letter::at).collect();
        if positions.is_empty() {
            return Ok(BTreeSet::new());
        }
        let asked = table.ask(Part::default(), false);
        Ok(table.there(&asked, &positions).await?.0)
    }

    fn fate(&mut self, letter: &Letter, there: &BTreeSet<Position>) -> (Fate, Option<String>) {
        match () {
            () if letter.topic != self.topic => (Fate::OtherTopic, None),
            () if there.contains(&letter.at()) => (Fate::There, None),
            () if letter.kept() != Kept::Whole => (Fate::Incomplete, None),
            () => self.transcoded(letter),
        }
    }

    fn transcoded(&mut self, letter: &Letter) -> (Fate, Option<String>) {
        let mut rows = RowBuffer::default();
        let ingestion = Ingestion { at_micros: self.now_micros, previous: letter.previous };
        match self.plan.transcode(&letter.event.event(), ingestion, &mut rows) {
            Transcoded::Row => (Fate::Row, None),
            Transcoded::Ignored(label) => {
                let label = self.plan.ignored_labels().get(label).cloned();
                (Fate::Ignored(label.unwrap_or_default()), None)
            }
            Transcoded::Rejected(rejection) => {
                let Rejection { reason, detail, .. } = *rejection;
                (Fate::Dead(reason.code().to_owned()), Some(detail))
            }
        }
    }
}

impl Trial {
    pub fn letters(&self) -> u64 {
        self.tried.values().map(|tried| tried.letters).sum()
    }

    /// How many letters come to such an end.
    pub fn count(&self, is: impl Fn(&Fate) -> bool) -> u64 {
        let tried = self.tried.iter().filter(|((_, fate), _)| is(fate));
        tried.map(|(_, tried)| tried.letters).sum()
    }

    fn add(&mut self, letter: &Letter, fate: Fate, detail: Option<String>) {
        let tried = self.tried.entry((letter.reason.clone(), fate)).or_insert_with(|| Tried {
            letters: 0,
            example: Example {
                at: letter.at(),
                message: letter.message,
                detail: detail.unwrap_or_else(|| letter.detail.clone()),
            },
        });
        tried.letters += 1;
    }
}
