//! What a run did, for the person who started it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::record::{Position, Reason, Rejected};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{EventTypeLabel, LabelText};

/// The most undeclared fields that are shown.
const MOST_FIELDS: usize = 20;

/// Counts of one run. A record that was read again after a rejoin counts again.
#[derive(Debug, Clone)]
pub struct Summary {
    began: Instant,
    pub read: u64,
    pub read_bytes: u64,
    pub written: u64,
    pub written_bytes: u64,
    /// By event type, `tombstone` among them.
    pub ignored: BTreeMap<String, u64>,
    pub dead_lettered: BTreeMap<Reason, u64>,
    /// Events with a member that the contract does not declare, by event type and path: about.
    pub undeclared: BTreeMap<(String, String), u64>,
    /// Times that the Kafka client was closed and joined the group again.
    pub rejoins: u64,
    /// Where records cannot be read yet.
    pub held_up: Vec<HeldUp>,
    /// Where the rows are.
    pub target: String,
    /// Where the dead letters are.
    pub dead_letters: String,
    /// A run that only catches up has done so.
    pub caught_up: bool,
}

/// Records that stand behind the beginning of an open transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldUp {
    /// The first record that cannot be read.
    pub at: Position,
    /// Offsets from there to the end of the partition.
    pub records: i64,
    /// When that record was written, in milliseconds since the epoch, where it is known.
    pub since_ms: Option<i64>,
}

impl Summary {
    pub fn new(target: String, dead_letters: String) -> Self {
        Self {
            began: Instant::now(),
            read: 0,
            read_bytes: 0,
            written: 0,
            written_bytes: 0,
            ignored: BTreeMap::new(),
            dead_lettered: BTreeMap::new(),
            undeclared: BTreeMap::new(),
            rejoins: 0,
            held_up: Vec::new(),
            target,
            dead_letters,
            caught_up: false,
        }
    }

    pub(super) fn add_written(&mut self, written: Written) {
        self.written += written.rows;
        self.written_bytes += written.bytes;
        for reason in written.letters {
            *self.dead_lettered.entry(reason).or_default() += 1;
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed().as_secs_f64();
        let ignored: u64 = self.ignored.values().sum();
        let letters: u64 = self.dead_lettered.values().sum();
        writeln!(
            f,
            "read           {:>10}  {} bytes in {seconds:.1} s",
            self.read, self.read_bytes
        )?;
        writeln!(f, "written        {:>10}  {} bytes of rows", self.written, self.written_bytes)?;
        writeln!(f, "ignored        {ignored:>10}")?;
        for (event_type, count) in &self.ignored {
            writeln!(f, "  {event_type:<32} {count:>8}")?;
        }
        match letters {
            0 => writeln!(f, "dead-lettered  {letters:>10}")?,
            _ => writeln!(f, "dead-lettered  {letters:>10}  to {}", self.dead_letters)?,
        }
        for (reason, count) in &self.dead_lettered {
            writeln!(f, "  {:<32} {count:>8}", reason.code())?;
        }
        if !self.undeclared.is_empty() {
            let fields = self.undeclared.len();
            writeln!(
                f,
                "undeclared     {fields:>10}  fields that the contract does not have, in _extra"
            )?;
        }
        for ((event_type, path), events) in self.undeclared.iter().take(MOST_FIELDS) {
            writeln!(f, "  {:<32} {events:>8}", format!("{event_type} {path}"))?;
        }
        if let Some(more) = self.undeclared.len().checked_sub(MOST_FIELDS + 1) {
            writeln!(f, "  and {} more", more + 1)?;
        }
        if self.rejoins > 0 {
            writeln!(
                f,
                "rejoined       {:>10}  (uncommitted records were read again)",
                self.rejoins
            )?;
        }
        for HeldUp { at, records, since_ms } in &self.held_up {
            let since = since_ms
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .map_or_else(String::new, |since| format!(", since {since:.0}"));
            writeln!(
                f,
                "held up        {records:>10}  offsets of partition {} from {} on, by an open \
                 transaction{since}",
                at.partition, at.offset
            )?;
        }
        write!(f, "rows are in    {}", self.target)
    }
}

/// What was settled since the summary was last updated.
#[derive(Debug, Default)]
pub(super) struct Written {
    rows: u64,
    bytes: u64,
    letters: Vec<Reason>,
}

impl Written {
    pub fn add(&mut self, rows: usize, bytes: usize, letters: &[Rejected]) {
        self.rows += rows as u64;
        self.bytes += bytes as u64;
        self.letters.extend(letters.iter().map(|letter| letter.rejection.reason));
    }
}

/// What one turn counted, kept apart from the shared counters so that the hot path touches none.
#[derive(Debug, Default)]
pub(super) struct Tally {
    records: u64,
    bytes: u64,
    /// By index into `Plan::ignored_labels`.
    ignored: Vec<u64>,
}

impl Tally {
    pub fn read(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }

    pub fn ignore(&mut self, label: usize) {
        if self.ignored.len() <= label {
            self.ignored.resize(label + 1, 0);
        }
        self.ignored[label] += 1;
    }

    /// Adds the counts to the summary and the metrics, and resets them.
    pub fn publish(&mut self, labels: &[String], summary: &mut Summary, metrics: &Metrics) {
        // A record that the steps let pass is ignored later than it is read.
        if self.records == 0 && self.ignored.iter().all(|count| *count == 0) {
            return;
        }
        summary.read += self.records;
        summary.read_bytes += self.bytes;
        metrics.read.inc_by(self.records);
        metrics.read_bytes.inc_by(self.bytes);
        for (label, count) in self.ignored.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            let event_type = labels.get(label).cloned().unwrap_or_default();
            metrics
                .ignored
                .get_or_create(&EventTypeLabel { event_type: LabelText(event_type.clone()) })
                .inc_by(*count);
            *summary.ignored.entry(event_type).or_default() += *count;
            *count = 0;
        }
        (self.records, self.bytes) = (0, 0);
    }
}
