//! What a run needs of the database that its target is in. `bigquery` and `postgres` have it; the steps
//! themselves are in `run`.

use std::time::Duration;

use jiff::civil::Date;

use super::counts::Applied;
use super::days::Days;
use super::error::TransferError;
use super::request::{Mode, OwnSql, Request};
use super::runs::RunRow;
use crate::config::{Duplicates, Scope, TransferSettings};
use crate::record::{DeadLetter, Position};
use crate::row::{RowBuffer, TableSchema};
use crate::sink::dead_letter::About;
use crate::stop::Stop;

/// The column, in staging tables where the last of several rows with the same key counts.
pub const ORDER: &str = "_transfer_order";

/// What the target has to be like, and whose run it is.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The columns that the rows should have.
    pub columns: &'a TableSchema,
    /// Whether tables are created, and their columns added.
    pub manage: bool,
    /// The column by which a table that is created is divided, or searched.
    pub date_column: Option<&'a str>,
    pub transfer: &'a str,
    /// `None`: the run is not of days.
    pub last_day: Option<Date>,
    /// This run's own: 16 lower-case hexadecimal digits.
    pub holder: &'a str,
    /// How long its lease lasts unless it is renewed.
    pub lease: Duration,
}

impl Wanted<'_> {
    /// The name by which the run's lease and staging tables go. Runs that are not of days insert rows
    /// that are missing, and two of them might insert the same ones: whatever their names, they are one
    /// after the other.
    pub fn leased_as(&self) -> &str {
        match self.last_day {
            Some(_) => self.transfer,
            None => "replay",
        }
    }
}

/// How the rows become those of the target.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub mode: Mode,
    pub days: Option<&'a Days>,
    pub scope: Scope,
    pub date_column: Option<&'a str>,
    /// The columns that tell rows apart, by their names in the target.
    pub key: &'a [String],
    /// Of rows with the same key the last one counts; otherwise there are none.
    pub last_counts: bool,
    pub delete_missing: bool,
}

impl<'a> Change<'a> {
    /// What the settings and the command line ask for.
    pub fn of(settings: &'a TransferSettings, request: &'a Request, key: &'a [String]) -> Self {
        Self {
            mode: request.mode,
            days: request.days.as_ref(),
            scope: settings.scope,
            date_column: settings.date_column.as_deref(),
            key,
            last_counts: settings.duplicates == Duplicates::Last && !settings.key.is_empty(),
            delete_missing: settings.delete_missing,
        }
    }
}

/// The target of a run, with its tables ready.
pub trait Target {
    type Lease: Lease;
    type Staging: Staging;

    /// The table's full name.
    fn name(&self) -> String;

    /// The columns that are written.
    fn columns(&self) -> &TableSchema;

    /// How the change is made, for people. An error says what mode, scope and table have against each
    /// other.
    fn method(&self, change: &Change<'_>) -> Result<String, Stop>;

    /// Takes the lease of transfer and date, if nobody else has it. `about` says who this is.
    async fn lease(&self, about: &str) -> Result<Acquired<Self::Lease>, Stop>;

    /// Removes what interrupted runs of this transfer and date have left, after the last of them has
    /// ceased to change anything. Returns the number of staging tables.
    async fn cleanse(&self) -> Result<usize, Stop>;

    /// The number of runs of this transfer that are recorded.
    async fn recorded_runs(&self) -> Result<u64, Stop>;

    /// Runs a statement of the user's own. `hint` says what an error means for the target.
    async fn own_sql(&self, when: When, sql: &OwnSql, hint: &str) -> Result<(), Stop>;

    /// Makes the table of dead letters ready.
    async fn open_letters(&mut self, about: About) -> Result<(), Stop>;

    /// Where dead letters go.
    fn dead_letters(&self) -> String;

    /// Writes dead letters, which are durable once this returns.
    async fn send_letters(&self, letters: &[DeadLetter]) -> Result<(), Stop>;

    /// Creates a staging table for rows of the target's columns, and `ORDER` where the last row with a
    /// key counts.
    async fn stage(&self, attempt: usize, last_counts: bool) -> Result<Self::Staging, Stop>;

    /// Drops the staging tables of this run.
    async fn unstage(&self) -> Result<(), Stop>;

    /// How many rows the staging table has.
    async fn staged_rows(&self, staged: &StagedTable) -> Result<u64, Stop>;

    /// How many keys several rows of the staging table have.
    async fn repeated_keys(&self, staged: &StagedTable, key: &[String]) -> Result<u64, Stop>;

    /// Some of these keys, those of most rows first: the values of a key and the number of its rows.
    async fn examples_of_repeated_keys(
        &self,
        staged: &StagedTable,
        key: &[String],
        most: u32,
    ) -> Result<Vec<Vec<String>>, Stop>;

    /// What changes the target, by a name that only this run has.
    fn moving(&self, staged: &StagedTable) -> String;

    /// Changes the target in one step, which happens once or not at all. Where that step is a
    /// transaction, the run's row is written in it.
    async fn apply(
        &self,
        staged: &StagedTable,
        change: &Change<'_>,
        run: &RunRow,
    ) -> Result<Applied, Unapplied>;

    /// Records that the run has ended well.
    async fn record(&self, run: &RunRow, applied: &Applied) -> Result<(), Stop>;
}

/// The lease of a run, in the database of its target.
pub trait Lease: Clone + Send + Sync + 'static {
    /// Holds the lease for its time again. Returns whether this run still had it.
    fn renew(&self) -> impl Future<Output = Result<bool, Stop>> + Send;

    /// Gives the lease back, if this run still has it.
    async fn release(self) -> Result<(), Stop>;
}

/// What became of an attempt to take a lease.
#[derive(Debug)]
pub enum Acquired<L> {
    Mine(L),
    /// Somebody else holds it: who, and the milliseconds until it expires unless it is renewed.
    Held {
        by: String,
        expires_in_ms: i64,
    },
}

/// A staging table that is being filled.
pub trait Staging {
    /// Sends rows. Those that are refused may be told later.
    async fn append(&mut self, rows: RowBuffer) -> Result<(), StagingError>;

    /// Rows that were refused since the last time, where the others are staged all the same. Committing
    /// them fails.
    fn newly_refused(&mut self) -> Vec<(Position, String)>;

    /// Returns the table once all rows are in it.
    async fn commit(self) -> Result<StagedTable, StagingError>;
}

/// Why rows are not staged.
#[derive(Debug)]
pub enum StagingError {
    /// The database does not take these rows: the position of each, and a message without values. All
    /// others have to be staged again.
    Refused(Vec<(Position, String)>),
    /// What was staged is gone: the text says why. All rows have to be staged again.
    Lost(String),
    Failed(TransferError),
}

impl From<TransferError> for StagingError {
    fn from(error: TransferError) -> Self {
        Self::Failed(error)
    }
}

impl From<Stop> for StagingError {
    fn from(stop: Stop) -> Self {
        Self::Failed(stop.into())
    }
}

/// A staging table that has all rows of its run.
#[derive(Debug, Clone)]
pub struct StagedTable {
    /// Its name, without that of the dataset or schema.
    pub name: String,
    pub rows: u64,
}

/// The target was not changed, as far as is known.
#[derive(Debug)]
pub enum Unapplied {
    /// It has not happened, and will not.
    Never(TransferError),
    /// It may still happen: the staging table has to stay.
    MayHappen(TransferError),
    /// What was staged is gone: the text says why. All rows have to be staged again.
    Lost(String),
}

impl Unapplied {
    pub fn never(error: impl Into<TransferError>) -> Self {
        Self::Never(error.into())
    }
}

/// When a statement of the user's own is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

impl When {
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}
