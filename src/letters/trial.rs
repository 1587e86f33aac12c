//! What would become of dead letters that are put through a contract again. Nothing is written.

use std::collections::BTreeMap;

use super::fate::Fate;
use super::groups::Example;
use super::letter::Letter;
use super::screening::{Screening, Seen};
use super::standing::{Standings, standings};
use super::stream::Letters;
use crate::record::{Rejection, Transcoded};
use crate::row::RowBuffer;
use crate::stop::Stop;
use crate::transcode::{Ingestion, Plan};
use crate::verify::Table;

/// Letters that are judged at once.
const AT_ONCE: usize = 500;

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
    pub bytes_billed: u64,
}

/// What letters are tried with.
pub struct With<'a> {
    pub plan: &'a mut Plan,
    pub screening: &'a Screening,
    /// The table that would get the rows; `None`: the sink is not asked.
    pub rows: Option<&'a Table>,
    /// The most that may become rows: whoever redrives so many after the other comes to an end, whatever
    /// else there is.
    pub limit: Option<u64>,
    pub now_micros: i64,
}

/// Puts letters through a contract, the oldest first. A letter that is there more than once counts once.
pub async fn try_letters(mut letters: Letters, mut with: With<'_>) -> Result<Trial, Stop> {
    let mut trial = Trial { asked: with.rows.is_some(), ..Trial::default() };
    let mut seen = Seen::default();
    let (mut waiting, mut rows) = (Vec::new(), 0);
    loop {
        let next = letters.next().await.transpose()?;
        let is_last = next.is_none();
        if let Some(letter) = next
            && seen.is_first(&letter)
        {
            waiting.push(letter);
        }
        if waiting.len() >= AT_ONCE || is_last {
            let (standings, billed) = with.standings(&waiting).await?;
            trial.bytes_billed += billed;
            for letter in waiting.drain(..) {
                let standing = letter.known.map(|known| known.standing);
                let standing = standing.or_else(|| standings.get(&letter.key()).copied());
                let (fate, detail) = match with.screening.leaves_out(&letter, standing, &mut seen) {
                    Some(fate) => (fate, None),
                    None => with.transcoded(&letter),
                };
                let is_row = fate == Fate::Row;
                trial.add(&letter, fate, detail);
                rows += u64::from(is_row);
                if with.limit.is_some_and(|limit| rows >= limit) {
                    trial.bytes_billed += letters.bytes_billed();
                    return Ok(trial);
                }
            }
        }
        if is_last {
            trial.bytes_billed += letters.bytes_billed();
            return Ok(trial);
        }
    }
}

impl With<'_> {
    /// What the table has at the places of letters that do not say it themselves.
    async fn standings(&self, letters: &[Letter]) -> Result<(Standings, u64), Stop> {
        let Some(table) = self.rows else { return Ok(Default::default()) };
        let unknown = letters.iter().filter(|letter| letter.known.is_none());
        standings(table, &unknown.map(Letter::key).collect::<Vec<_>>()).await
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

    /// Counts a letter. `detail` is the new one, where it is rejected again.
    pub fn add(&mut self, letter: &Letter, fate: Fate, detail: Option<String>) {
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
