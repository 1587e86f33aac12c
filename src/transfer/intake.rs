//! From records to rows: the contract's plan decides about each, and the days of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use jiff::civil::Date;
use xxhash_rust::xxh3::Xxh3;

use super::counts::Counts;
use super::refused::Refused;
use crate::record::{
    DeadLetter, Event, Offset, Partition, Position, Reason, Rejection, Transcoded,
};
use crate::row::{FieldValue, Fields, RowBuffer, TableSchema};
use crate::transcode::{Ingestion, Plan};

/// Bytes of rows and letters after which they are handed on.
const CHUNK_BYTES: usize = 4 << 20;

/// Records after which they are handed on, so that what is shown goes on where few become rows.
const CHUNK_RECORDS: u64 = 20_000;

/// Rows and dead letters on their way to the target.
#[derive(Debug, Default)]
pub struct Chunk {
    pub rows: RowBuffer,
    /// The hash of each row, which the sum is made of.
    pub hashes: Vec<u128>,
    pub letters: Vec<DeadLetter>,
    /// Bytes that the letters hold.
    letter_bytes: usize,
    pub counts: Counts,
    /// Bytes of files that were read for it.
    pub bytes: u64,
    /// The sum of the hashes of its rows, which no order of reading changes.
    pub fingerprint: u128,
}

/// Takes chunks; a break ends the reading.
pub type HandOn<'a> = &'a mut dyn FnMut(Chunk) -> ControlFlow<()>;

/// The column that says to which day a row belongs, and the days of the run.
#[derive(Debug, Clone)]
pub struct DayCheck {
    /// Index of the column.
    pub column: usize,
    pub name: String,
    pub days: Range<Date>,
    /// The same in microseconds since the epoch.
    pub micros: Range<i64>,
}

/// The field of a row that says where its record stands in the source.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The number of the protobuf field.
    pub field: u32,
}

/// What a record has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    Row,
    /// The index of the plan's label for it.
    Ignored(usize),
    Dead {
        reason: Reason,
        detail: String,
    },
}

/// The letter that a record has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastLetter {
    InTable {
        /// The code of its reason.
        reason: String,
        /// Whether it is the contract of now that has rejected it.
        is_of_now: bool,
    },
    /// It stays where it is, whatever the record is rejected for.
    InTopic,
}

/// Takes records and makes chunks.
pub struct Intake {
    plan: Plan,
    columns: TableSchema,
    /// `None`: rows are of no day.
    check: Option<DayCheck>,
    /// Rows that the target has refused.
    refused: Refused,
    order: Option<Order>,
    /// Where dead letters stand already.
    letters: Arc<BTreeSet<Position>>,
    /// The letter of the record that is taken.
    last_letter: Option<LastLetter>,
    /// The last row of each partition.
    previous: BTreeMap<Partition, Offset>,
    chunk: Chunk,
}

impl Intake {
    pub fn new(
        plan: Plan,
        columns: TableSchema,
        check: Option<DayCheck>,
        refused: Refused,
        order: Option<Order>,
    ) -> Self {
        let (letters, last_letter, previous, chunk) = Default::default();
        Self { plan, columns, check, refused, order, letters, last_letter, previous, chunk }
    }

    /// Takes a record of the topic. Those of other days are counted, and left out.
    pub fn take_record(&mut self, event: &Event<'_>) {
        let micros = event.timestamp_ms.and_then(|ms| ms.checked_mul(1_000));
        let days = self.check.as_ref().map(|check| check.micros.clone());
        match micros.filter(|at| days.is_none_or(|days| days.contains(at))) {
            // A row says of its reading what its record says, so that a second run writes the same.
            Some(micros) => _ = self.take(event, micros, false),
            None => {
                self.chunk.counts.read += 1;
                self.chunk.counts.of_other_days += 1;
            }
        }
    }

    /// Takes a record of the topic that is read again, at this time (microseconds since the epoch).
    pub fn take_again(&mut self, event: &Event<'_>, now_micros: i64) {
        self.take(event, now_micros, false);
    }

    /// Takes the record of a letter. What is rejected has no second letter where that would say the same.
    pub fn take_letter(&mut self, event: &Event<'_>, now_micros: i64, last: LastLetter) -> Became {
        self.last_letter = Some(last);
        let became = self.take(event, now_micros, false);
        self.last_letter = None;
        became
    }

    /// The name of what a record was ignored as.
    pub fn ignored_label(&self, index: usize) -> &str {
        self.plan.ignored_labels().get(index).map_or("", String::as_str)
    }

    /// What the contract rejects has no second letter where one stands already.
    pub fn know_letters(&mut self, letters: Arc<BTreeSet<Position>>) {
        self.letters = letters;
    }

    /// The next row of the partition names this one as the row before it.
    pub fn begin_chain(&mut self, partition: Partition, previous: Option<Offset>) {
        match previous {
            Some(previous) => self.previous.insert(partition, previous),
            None => self.previous.remove(&partition),
        };
    }

    /// Takes a record of files or of a query. One of another day is a mistake of the source.
    pub fn take_row(&mut self, event: &Event<'_>) {
        self.take(event, self.check.as_ref().map_or(0, |check| check.micros.start), true);
    }

    /// A record that could not even be read as one.
    pub fn take_unreadable(&mut self, event: &Event<'_>, rejection: Rejection) {
        self.chunk.counts.read += 1;
        self.reject(event, rejection);
    }

    fn take(&mut self, event: &Event<'_>, at_micros: i64, checks_day: bool) -> Became {
        self.chunk.counts.read += 1;
        let partition = event.at.partition;
        let ingestion = Ingestion { at_micros, previous: self.previous.get(&partition).copied() };
        let rows = &mut self.chunk.rows;
        match self.plan.transcode(event, ingestion, rows) {
            Transcoded::Row => {}
            Transcoded::Ignored(label) => {
                self.chunk.counts.ignored += 1;
                return Became::Ignored(label);
            }
            Transcoded::Rejected(rejection) => return self.reject(event, *rejection),
        }
        let Some(row) = rows.last() else { return Became::Row };
        if checks_day
            && let Some(check) = &self.check
            && let Err(why) = check.check(&self.columns, row)
        {
            rows.pop();
            let rejection = Rejection::new(Reason::OtherDay, why, None);
            return self.reject(event, rejection);
        }
        let mut hash = Xxh3::new();
        hash.update(row);
        let hash = hash.digest128();
        if let Some(message) = self.refused.message(event.at, hash) {
            rows.pop();
            let rejection = Rejection::new(Reason::RowError, message.clone(), None);
            return self.reject(event, rejection);
        }
        self.chunk.fingerprint = self.chunk.fingerprint.wrapping_add(hash);
        self.chunk.hashes.push(hash);
        if let Some(order) = self.order {
            let row = row.to_vec();
            rows.pop();
            let pushed: Result<(), std::convert::Infallible> = rows.push(event.at, |into| {
                into.extend_from_slice(&row);
                order.write(event.at, into);
                Ok(())
            });
            let Ok(()) = pushed;
        }
        self.chunk.counts.rows += 1;
        self.previous.insert(partition, event.at.offset);
        Became::Row
    }

    fn reject(&mut self, event: &Event<'_>, rejection: Rejection) -> Became {
        self.chunk.counts.rejected += 1;
        let became = Became::Dead { reason: rejection.reason, detail: rejection.detail.clone() };
        // The letter of a row that the database refuses is a link of the chain of rows.
        let is_link = rejection.reason == Reason::RowError;
        let is_there = match &self.last_letter {
            Some(LastLetter::InTable { reason, is_of_now }) => {
                *is_of_now && reason == rejection.reason.code()
            }
            Some(LastLetter::InTopic) => true,
            None => !is_link && self.letters.contains(&event.at),
        };
        if !is_there {
            let mut letter = DeadLetter::of(event, rejection);
            if is_link && self.last_letter.is_some() {
                letter.previous = self.previous.get(&event.at.partition).copied();
            }
            self.chunk.letter_bytes += letter.bytes();
            self.chunk.letters.push(letter);
        }
        became
    }

    pub fn is_full(&self) -> bool {
        let chunk = &self.chunk;
        chunk.rows.bytes() + chunk.letter_bytes >= CHUNK_BYTES || chunk.counts.read >= CHUNK_RECORDS
    }

    /// What was taken since the last time.
    pub fn chunk(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }
}

impl Order {
    /// Files in their order, and records in theirs.
    fn write(self, at: Position, row: &mut Vec<u8>) {
        let number = (at.partition.0 as u64) << 40 | at.offset.0 as u64;
        prost::encoding::encode_varint(u64::from(self.field) << 3, row);
        prost::encoding::encode_varint(number, row);
    }
}

impl DayCheck {
    /// The error says which day the row is of.
    fn check(&self, columns: &TableSchema, row: &[u8]) -> Result<(), String> {
        let mut values = Vec::with_capacity(columns.columns.len());
        let read = Fields::new(&columns.columns, row).read(&mut values);
        let value = read.ok().and_then(|()| values.get(self.column).copied());
        let is_of_the_days = match value {
            Some(FieldValue::Timestamp(micros)) => self.micros.contains(&micros),
            Some(FieldValue::Date(days)) => {
                let epoch = Date::constant(1970, 1, 1);
                let day = epoch.checked_add(jiff::Span::new().days(days));
                day.is_ok_and(|day| self.days.contains(&day))
            }
            Some(FieldValue::Datetime(text)) => {
                let day = text.get(..10).and_then(|day| day.parse::<Date>().ok());
                day.is_some_and(|day| self.days.contains(&day))
            }
            _ => return Err(format!("{} has no value, so the row is of no day", self.name)),
        };
        match is_of_the_days {
            true => Ok(()),
            false => Err(format!("{} is of none of the days of this run", self.name)),
        }
    }
}
