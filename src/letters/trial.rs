//! What would become of dead letters that are put through a contract again. Nothing is written.

use std::collections::BTreeMap;

use super::fate::Fate;
use super::groups::Example;
use super::letter::Letter;
use super::screening::{Screening, Seen};
use super::stream::Letters;
use crate::record::{Rejection, Transcoded};
use crate::row::RowBuffer;
use crate::stop::Stop;
use crate::transcode::{Ingestion, Plan};

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
    /// Whether the letters say what the sink has at their places.
    pub asked: bool,
    /// The most that may become rows: whoever redrives so many after the other comes to an end, whatever
    /// else there is.
    pub limit: Option<u64>,
    pub now_micros: i64,
}

/// Puts letters through a contract, the oldest first. A letter that is there more than once counts once.
pub async fn try_letters(mut letters: Letters, mut with: With<'_>) -> Result<Trial, Stop> {
    let mut trial = Trial { asked: with.asked, ..Trial::default() };
    let mut seen = Seen::default();
    let mut rows = 0;
    while with.limit.is_none_or(|limit| rows < limit)
        && let Some(letter) = letters.next().await.transpose()?
    {
        if !seen.is_first(with.screening.identity(&letter)) {
            continue;
        }
        let (fate, detail) = match with.screening.leaves_out(&letter, &mut seen) {
            Some(fate) => (fate, None),
            None => with.transcoded(&letter),
        };
        rows += u64::from(fate == Fate::Row);
        trial.add(&letter, fate, detail);
    }
    trial.bytes_billed = letters.bytes_billed();
    Ok(trial)
}

impl With<'_> {
    fn transcoded(&mut self, letter: &Letter) -> (Fate, Option<String>) {
        let (fate, rejection) =
            transcoded(self.plan, letter, self.now_micros, &mut RowBuffer::default());
        (fate, rejection.map(|rejection| rejection.detail))
    }
}

/// Puts a letter through the contract of now. A row is appended to `rows`.
pub(super) fn transcoded(
    plan: &mut Plan,
    letter: &Letter,
    at_micros: i64,
    rows: &mut RowBuffer,
) -> (Fate, Option<Rejection>) {
    let ingestion = Ingestion { at_micros, previous: letter.previous };
    match plan.transcode(&letter.event.event(), ingestion, rows) {
        Transcoded::Row => (Fate::Row, None),
        Transcoded::Ignored(label) => {
            let label = plan.ignored_labels().get(label).cloned();
            (Fate::Ignored(label.unwrap_or_default()), None)
        }
        Transcoded::Rejected(rejection) => {
            (Fate::Dead(rejection.reason.code().to_owned()), Some(*rejection))
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
