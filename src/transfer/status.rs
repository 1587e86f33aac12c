//! What is known of a transfer: its last runs, the runs that go on now, and what interrupted ones have
//! left. It is read next to the target, and nothing is changed.

use jiff::civil::Date;

/// What is known of a transfer.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The runs that have ended well, the last one first.
    pub runs: Vec<PastRun>,
    /// The leases that are held now.
    pub held: Vec<Held>,
    /// Staging tables that belong to no run that goes on.
    pub left: Vec<Left>,
    /// What reading it has cost. `None`: the target bills nothing.
    pub bytes_billed: Option<u64>,
}

/// A row of the table of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastRun {
    pub run: u64,
    pub mode: String,
    pub first_day: String,
    pub last_day: String,
    pub state: String,
    pub started_micros: i64,
    pub ended_micros: i64,
    pub read: u64,
    pub staged: u64,
    pub rejected: u64,
    /// With those of other days.
    pub ignored: u64,
    pub inserted: u64,
    pub updated: u64,
    /// `None`: rows were replaced, and nobody knows how many.
    pub deleted: Option<u64>,
    pub bytes_billed: Option<u64>,
    pub fingerprint: String,
    pub job: String,
    pub program: String,
}

impl PastRun {
    /// A row of the table, with the times in microseconds since the epoch, each value as text.
    pub(super) fn of(row: &[Option<String>]) -> Self {
        let known = |column: usize| row.get(column).and_then(Option::as_deref);
        let text = |column| known(column).unwrap_or_default();
        let number = |column| text(column).parse::<u64>().unwrap_or(0);
        let micros = |column| text(column).parse().unwrap_or(0);
        Self {
            run: number(0),
            mode: text(1).to_owned(),
            first_day: text(2).to_owned(),
            last_day: text(3).to_owned(),
            state: text(4).to_owned(),
            started_micros: micros(5),
            ended_micros: micros(6),
            read: number(7),
            staged: number(8),
            rejected: number(9),
            ignored: number(10),
            inserted: number(11),
            updated: number(12),
            deleted: known(13).and_then(|rows| rows.parse().ok()),
            bytes_billed: known(14).and_then(|bytes| bytes.parse().ok()),
            fingerprint: text(15).to_owned(),
            job: text(16).to_owned(),
            program: text(17).to_owned(),
        }
    }
}

/// A run that goes on, or was killed so recently that its lease has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The last day of the run.
    pub day: Date,
    /// Who it is, for people.
    pub by: String,
    /// When the lease ends unless it is renewed, in milliseconds since the epoch.
    pub expires_ms: i64,
}

/// What an interrupted run has left. The next run of its day removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub day: Date,
    pub table: String,
    /// When it goes by itself, in milliseconds since the epoch.
    pub expires_ms: Option<i64>,
}
