//! Dead letters that are put through the contract of now again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::letters::{Fate, Letter, Pacing, Passed, Screening, Seen, Selection, Store, Trial};
use crate::record::{Offset, Partition, Position};
use crate::source::Offsets;
use crate::stop::Stop;
use crate::transfer::intake::{Became, HandOn, Intake, LastLetter};

/// What was read is handed on after this, so that what is shown goes on where letters come slowly.
const HANDED_ON_EVERY: Duration = Duration::from_secs(1);

/// What has become of the letters, shared with whoever started the run. If they are read again, that
/// counts.
#[derive(Debug, Clone, Default)]
pub struct Redriven(Arc<Mutex<(Trial, Passed)>>);

/// Letters of a domain, and what decides about them.
pub struct LetterSource {
    pub store: Store,
    /// Which letters; with their values, and what is known of them.
    pub selection: Selection,
    pub screening: Screening,
    /// Where those in a topic end.
    pub until: Offsets,
    /// The most that may become rows.
    pub limit: Option<u64>,
    /// `Contract::id` of the contract of now.
    pub contract: String,
    /// About so many are read.
    pub letters: u64,
    /// When the rows are written, in microseconds since the epoch.
    pub now_micros: i64,
    pub pacing: Option<Pacing>,
    pub redriven: Redriven,
}

impl LetterSource {
    pub fn letters(&self) -> u64 {
        self.letters
    }

    pub fn describe(&self) -> String {
        format!("{} dead letters", self.letters)
    }

    /// Reads the letters, the oldest first.
    pub fn read(&mut self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), Stop> {
        let mut letters = self.store.letters(self.selection.clone());
        let (mut seen, mut trial) = (Seen::default(), Trial { asked: true, ..Trial::default() });
        let (mut rows, mut chain, mut handed_on) = (0, Chain::default(), Instant::now());
        let mut passed = Passed::default();
        while self.limit.is_none_or(|limit| rows < limit) {
            let Some(letter) = letters.next_blocking().transpose()? else {
                passed.complete(&self.until);
                break;
            };
            if !seen.is_first(self.screening.identity(&letter)) {
                passed.add_copy(&letter);
                continue;
            }
            let (fate, detail) = match self.screening.leaves_out(&letter, &mut seen) {
                Some(fate) => (fate, None),
                None => self.take(intake, &mut chain, &letter),
            };
            rows += u64::from(fate == Fate::Row);
            passed.add(&letter, fate.is_dealt_with());
            trial.add(&letter, fate, detail);
            if intake.is_full() || handed_on.elapsed() >= HANDED_ON_EVERY {
                handed_on = Instant::now();
                if hand_on(intake.chunk()).is_break() {
                    return Ok(());
                }
            }
        }
        let _ = hand_on(intake.chunk());
        trial.bytes_billed = letters.bytes_billed();
        self.redriven.set(trial, passed);
        Ok(())
    }

    fn take(
        &mut self,
        intake: &mut Intake,
        chain: &mut Chain,
        letter: &Letter,
    ) -> (Fate, Option<String>) {
        if let Some(wait) = &mut self.pacing {
            wait();
        }
        let at = letter.at();
        let known = self.previous(letter);
        intake.begin_chain(at.partition, known.or_else(|| chain.before(at)));
        let last = match letter.message {
            Some(_) => LastLetter::InTopic,
            None => LastLetter::InTable {
                reason: letter.reason.clone(),
                is_of_now: letter.contract.as_deref() == Some(&self.contract),
            },
        };
        match intake.take_letter(&letter.event.event(), self.now_micros, last) {
            Became::Row => {
                chain.add(at, known.is_some());
                (Fate::Row, None)
            }
            Became::Ignored(label) => (Fate::Ignored(intake.ignored_label(label).to_owned()), None),
            Became::Dead { reason, detail } => (Fate::Dead(reason.code().to_owned()), Some(detail)),
        }
    }

    /// The row that the letter's row names as the one before it.
    fn previous(&self, letter: &Letter) -> Option<Offset> {
        let at = letter.at();
        let last_row = self.screening.last_rows.get(&at.partition).copied();
        let named = letter.standing.and_then(|standing| standing.previous(at, last_row));
        letter.previous.or(named)
    }
}

/// The last row of each partition that was made without knowing the row before it. The next such row
/// names it: otherwise each of them would begin a chain, where there were no rows before.
#[derive(Debug, Default)]
struct Chain(BTreeMap<Partition, Offset>);

impl Chain {
    fn before(&self, at: Position) -> Option<Offset> {
        self.0.get(&at.partition).copied().filter(|before| *before < at.offset)
    }

    fn add(&mut self, at: Position, is_known: bool) {
        match is_known {
            true => self.0.remove(&at.partition),
            false => self.0.insert(at.partition, at.offset),
        };
    }
}

impl Redriven {
    /// What has become of them, and how far a topic of letters is dealt with once the rows are in the
    /// table. Empty before all were read.
    pub fn all(&self) -> (Trial, Passed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trial: Trial, passed: Passed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (trial, passed);
    }
}
