//! The transaction that changes the target. It happens once: its last statement writes the row of the
//! run, unless that is there already, and only while the run has its lease. So the database knows
//! whether it has happened, whatever became of the answer.

use super::asked::{BEGIN_LONG, ask};
use super::attempts::{Attempts, retried};
use super::tables::BatchTables;
use crate::config::PostgresTable;
use crate::sink::postgres::columns::{literal, quoted, quoted_name};
use crate::sink::postgres::errors::PgError;
use crate::sink::postgres::pool::within;
use crate::sink::postgres::statement::execute;
use crate::stop::Stop;

/// What the transaction does.
pub struct Move<'a> {
    pub staging: &'a PostgresTable,
    /// The rows that the staging table has to have.
    pub rows: u64,
    pub steps: Vec<Step>,
    /// Counts the rows of the target that are those of the staging table afterwards, and no others.
    pub replaced: Option<String>,
    /// Whether each staged row becomes one: otherwise the last one with its key does.
    pub is_exact: bool,
    /// The run's row, given what was changed: columns and literals.
    pub record: &'a (dyn Fn(Changed) -> Vec<(&'static str, String)> + Sync),
}

/// A statement, by what it does to rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Delete(String),
    Update(String),
    Insert(String),
}

/// Rows that were changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// Why the target is as it was.
#[derive(Debug)]
pub enum MoveError {
    /// Another run has the lease.
    TakenOver,
    Stop(Stop),
    /// The rows that were staged are gone, and all have to be staged again.
    Lost(String),
    /// The database does not answer, so it may have its new rows.
    Unknown(Stop),
}

/// Why an attempt has failed.
enum Failed {
    Postgres(PgError),
    /// The staging table has so many rows.
    Lost(u64),
    /// So many rows were inserted, and so many are there.
    Unfit(u64, u64),
}

impl From<PgError> for Failed {
    fn from(error: PgError) -> Self {
        Self::Postgres(error)
    }
}

/// What the database says of the transaction.
enum Outcome {
    Done(Changed),
    NotDone,
    TakenOver,
}

impl BatchTables {
    /// Changes the target, and writes the run's row.
    pub async fn apply(&self, it: &Move<'_>) -> Result<Changed, MoveError> {
        let mut attempts = Attempts::of(format!("write to the table {}", self.target));
        loop {
            let failed = match self.attempt(it).await {
                Ok(changed) => return Ok(changed),
                Err(failed) => failed,
            };
            let outcome = retried("ask whether the target has changed", || self.outcome()).await;
            match (outcome, failed) {
                (Ok(Outcome::Done(changed)), _) => return Ok(changed),
                (Ok(Outcome::TakenOver), _) => return Err(MoveError::TakenOver),
                (Ok(Outcome::NotDone), Failed::Lost(found)) => {
                    return Err(MoveError::Lost(format!(
                        "{} rows were staged, and {found} are there: the server has crashed meanwhile",
                        it.rows
                    )));
                }
                (Ok(Outcome::NotDone), Failed::Unfit(inserted, found)) => {
                    return Err(MoveError::Stop(Stop {
                        what: format!(
                            "write to the table {}: {} rows were staged, {inserted} inserted, and \
                             {found} would be there",
                            self.target, it.rows
                        ),
                        hint:
                            "a trigger, a rule or row security of the target keeps rows from being \
                               replaced; the target is as it was"
                                .to_owned(),
                        source: None,
                    }));
                }
                (Ok(Outcome::NotDone), Failed::Postgres(error)) => {
                    attempts.pause(error).await.map_err(MoveError::Stop)?;
                }
                (Err(stop), _) => return Err(MoveError::Unknown(stop)),
            }
        }
    }

    async fn attempt(&self, it: &Move<'_>) -> Result<Changed, Failed> {
        let connection = self.connections.get().await?;
        ask(&connection, "begin a transaction", &self.begin()).await?;
        let count = format!("SELECT count(*) FROM {}", quoted_name(it.staging));
        let found = ask(&connection, "count the staged rows", &count).await?;
        let found = found.number(0, 0).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
        if found != it.rows {
            return Err(Failed::Lost(found));
        }
        let mut changed = Changed::default();
        for step in &it.steps {
            let (operation, statement, counted) = match step {
                Step::Delete(statement) => ("delete rows", statement, &mut changed.deleted),
                Step::Update(statement) => ("update rows", statement, &mut changed.updated),
                Step::Insert(statement) => ("insert rows", statement, &mut changed.inserted),
            };
            *counted += ask(&connection, operation, statement).await?.affected;
        }
        if let Some(count) = &it.replaced {
            let found = ask(&connection, "count the new rows", count).await?;
            let found = found.number(0, 0).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
            let is_whole = !it.is_exact || changed.inserted == it.rows;
            if found != changed.inserted || !is_whole {
                return Err(Failed::Unfit(changed.inserted, found));
            }
        }
        let commit = self.commit(&(it.record)(changed));
        execute(&connection, "commit the change", &commit).await?;
        connection.give_back();
        Ok(changed)
    }

    /// Runs of all transfers into the target change it one after the other.
    fn begin(&self) -> String {
        let key = literal(&format!("generic-consumer transfers into {}", self.target));
        format!("{BEGIN_LONG}; SELECT pg_advisory_xact_lock(hashtextextended({key}, 0))")
    }

    /// The statements that end the transaction: they write the run's row and commit, or fail and so
    /// abort it where the run's row is there, or another run has the lease. The lease's row is locked
    /// no longer than that takes, so that it can be renewed before.
    fn commit(&self, row: &[(&'static str, String)]) -> String {
        let columns: Vec<String> = row.iter().map(|(column, _)| quoted(column)).collect();
        let values: Vec<&str> = row.iter().map(|(_, value)| value.as_str()).collect();
        format!(
            "WITH held AS (SELECT 1 FROM {leases} WHERE {mine} FOR UPDATE), \
             recorded AS (INSERT INTO {runs} ({columns}) SELECT {values} FROM held \
             WHERE NOT EXISTS (SELECT FROM {runs} WHERE {this}) RETURNING 1) \
             SELECT 1 / count(*) AS no_row_aborts FROM recorded; COMMIT",
            leases = self.lease().table(),
            mine = self.lease().is_mine(),
            runs = quoted_name(&self.runs),
            this = self.this_run(),
            columns = columns.join(", "),
            values = values.join(", "),
        )
    }

    /// Whether the transaction has happened. Waits for one that is still under way.
    async fn outcome(&self) -> Result<Outcome, PgError> {
        let operation = "ask whether the target has changed";
        within(operation, async {
            let connection = self.connections.get().await?;
            ask(&connection, operation, &self.begin()).await?;
            let row = format!(
                "SELECT rows_inserted, rows_updated, rows_deleted FROM {} WHERE {}",
                quoted_name(&self.runs),
                self.this_run()
            );
            let row = ask(&connection, operation, &row).await?;
            let (leases, mine) = (self.lease().table(), self.lease().is_mine());
            let held = format!("SELECT 1 FROM {leases} WHERE {mine}; COMMIT");
            let held = ask(&connection, operation, &held).await?;
            connection.give_back();
            let count = |column: usize| {
                row.number(0, column).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0)
            };
            Ok(match (row.rows.is_empty(), held.rows.is_empty()) {
                (false, _) => Outcome::Done(Changed {
                    inserted: count(0),
                    updated: count(1),
                    deleted: count(2),
                }),
                (true, false) => Outcome::NotDone,
                (true, true) => Outcome::TakenOver,
            })
        })
        .await
    }

    /// True of the run's row.
    fn this_run(&self) -> String {
        format!("job = {}", literal(&self.lease().holder))
    }

    /// Ends the run's row: the run has done all that it had to.
    pub async fn complete(&self, row: &[(&'static str, String)]) -> Result<(), Stop> {
        let set: Vec<String> =
            row.iter().map(|(column, value)| format!("{} = {value}", quoted(column))).collect();
        let (runs, this) = (quoted_name(&self.runs), self.this_run());
        self.execute(
            "record the run",
            &format!("UPDATE {runs} SET {} WHERE {this}", set.join(", ")),
        )
        .await
    }

    /// How many runs of a transfer into the target are recorded.
    pub async fn recorded(&self, transfer: &str) -> Result<u64, Stop> {
        let count = format!(
            "SELECT count(*) FROM {} WHERE transfer = {} AND target = {}",
            quoted_name(&self.runs),
            literal(transfer),
            literal(&self.target.to_string()),
        );
        self.counted("count the runs", &count).await
    }
}
