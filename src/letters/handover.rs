//! Letters of a partition on their way through one round: what becomes of each is gathered and stored in
//! batches, each together with the offset behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::fate::Fate;
use super::letter::Letter;
use super::message;
use super::round::{Copies, Judged, Round, Turn, mark, tried_again};
use super::screening::Seen;
use super::trial::Trial;
use crate::record::{
    DeadLetter, Event, Offset, OwnedEvent, Partition, Position, Rejected, Rejection,
};
use crate::row::RowBuffer;
use crate::sink::Reread;

/// The most letters of a batch, the most bytes, and for how long letters are gathered that come slowly.
const MOST_LETTERS: usize = 500;
const MOST_BYTES: usize = 4 << 20;
const STORED_EVERY: Duration = Duration::from_secs(5);

/// Waits until the next letter is due.
pub type Pacing = Box<dyn FnMut() + Send>;

/// What is stored in one step: rows, letters that are written again, and the offset behind all of them.
#[derive(Debug)]
pub struct Stored {
    pub rows: RowBuffer,
    pub again: Vec<DeadLetter>,
    /// The first letter, and the offset behind the last.
    pub first: Offset,
    pub next: Offset,
}

impl Stored {
    fn from(first: Offset) -> Self {
        Self { rows: RowBuffer::default(), again: Vec::new(), first, next: first }
    }
}

/// Where batches are stored.
pub trait Out {
    /// Why it could not be done.
    type Error;

    /// Stores a batch. Returns the rows that were refused, whose records are letters again.
    fn store(&mut self, partition: Partition, batch: Stored) -> Result<Vec<Rejected>, Self::Error>;
}

/// What has become of letters so far.
#[derive(Debug, Default)]
pub struct Account {
    pub trial: Trial,
    pub rows: u64,
    /// Letters that were written again.
    pub again: u64,
    /// Offsets that were passed.
    pub passed: u64,
}

/// A round over the partitions, one after the other.
pub struct Handover<'a, O> {
    pub round: &'a mut Round,
    pub copies: &'a Copies,
    /// The records of the rows on their way.
    pub records: &'a Records,
    /// The most rows.
    pub limit: Option<u64>,
    pub pacing: Option<Pacing>,
    /// Whether each batch leaves a mark behind the letters, for when the brokers have forgotten the offset.
    pub leaves_marks: bool,
    pub out: O,
    pub account: Account,
    seen: Seen,
    partition: Partition,
    stored: Stored,
    bytes: usize,
    since: Instant,
    judged: Vec<(Letter, Fate, Option<String>)>,
}

impl<'a, O: Out> Handover<'a, O> {
    pub fn new(round: &'a mut Round, copies: &'a Copies, records: &'a Records, out: O) -> Self {
        Self {
            round,
            copies,
            records,
            limit: None,
            pacing: None,
            leaves_marks: false,
            out,
            account: Account::default(),
            seen: Seen::default(),
            partition: Partition(0),
            stored: Stored::from(Offset(0)),
            bytes: 0,
            since: Instant::now(),
            judged: Vec::new(),
        }
    }

    /// A partition begins at this offset.
    pub fn begin(&mut self, partition: Partition, first: Offset) {
        self.partition = partition;
        self.stored = Stored::from(first);
    }

    /// The next message of the partition.
    pub fn take(&mut self, event: &Event<'_>) -> Result<(), O::Error> {
        self.stored.next = event.at.offset.next();
        let Some(letter) = message::read(event) else { return Ok(()) };
        if !self.copies.has(&self.round.screening.identity(&letter), &letter) {
            return Ok(());
        }
        if let Some(wait) = self.pacing.as_mut().filter(|_| self.round.tries(&letter)) {
            wait();
        }
        let (before, message) = (self.stored.rows.bytes(), OwnedEvent::of(event));
        let Judged { fate, detail, turn } =
            self.round.take(&message, &letter, &mut self.seen, &mut self.stored.rows);
        match turn {
            Turn::Row => {
                self.bytes += self.stored.rows.bytes() - before + letter.event.bytes();
                self.records.add(letter.clone());
            }
            Turn::Again(again) => {
                self.bytes += again.bytes();
                self.stored.again.push(*again);
            }
            Turn::Passed => {}
        }
        if let Some(fate) = fate {
            self.judged.push((letter.without_record(), fate, detail));
        }
        self.turn()
    }

    /// Stores what was gathered once it is much, or old. To be called from time to time.
    pub fn turn(&mut self) -> Result<(), O::Error> {
        let letters = self.stored.rows.len() + self.stored.again.len();
        let is_full = letters >= MOST_LETTERS || self.bytes >= MOST_BYTES;
        match is_full || self.since.elapsed() >= STORED_EVERY {
            true => self.store(),
            false => Ok(()),
        }
    }

    /// Whether as many letters are rows as were asked for.
    pub fn is_done(&self) -> bool {
        let rows = self.account.rows + self.stored.rows.len() as u64;
        self.limit.is_some_and(|limit| rows >= limit)
    }

    /// The partition ends before this offset. What stands before it and was not handed over is no letter.
    pub fn end(&mut self, end: Offset) -> Result<(), O::Error> {
        self.stored.next = self.stored.next.max(end);
        self.store()
    }

    /// Stores what was gathered.
    pub fn store(&mut self) -> Result<(), O::Error> {
        (self.since, self.bytes) = (Instant::now(), 0);
        let next = self.stored.next;
        let mut batch = std::mem::replace(&mut self.stored, Stored::from(next));
        if batch.first == next {
            return Ok(());
        }
        let (rows, again) = (batch.rows.len() as u64, batch.again.len() as u64);
        if self.leaves_marks {
            batch.again.push(mark(self.partition, next));
        }
        self.account.passed += u64::try_from(next.0 - batch.first.0).unwrap_or(0);
        let refused = self.out.store(self.partition, batch)?;
        let refused: BTreeMap<Position, Rejection> =
            refused.into_iter().map(|Rejected { at, rejection }| (at, rejection)).collect();
        self.records.clear();
        self.account.rows += rows.saturating_sub(refused.len() as u64);
        self.account.again += again + refused.len() as u64;
        for (letter, fate, detail) in self.judged.drain(..) {
            let (fate, detail) = match refused.get(&letter.at()).filter(|_| fate == Fate::Row) {
                Some(Rejection { reason, detail, .. }) => {
                    (Fate::Dead(reason.code().to_owned()), Some(detail.clone()))
                }
                None => (fate, detail),
            };
            self.account.trial.add(&letter, fate, detail);
        }
        Ok(())
    }
}

/// The records of the rows on their way, for the letters of those that the sink refuses.
#[derive(Clone, Default)]
pub struct Records(Arc<Mutex<BTreeMap<Position, Letter>>>);

impl Records {
    fn add(&self, letter: Letter) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(letter.at(), letter);
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[async_trait]
impl Reread for Records {
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&at).map(|letter| tried_again(letter, rejection))
    }
}
