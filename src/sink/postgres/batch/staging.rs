//! A staging table. Each batch of rows is copied in a transaction that also moves the lease's count of
//! staged rows from what it was: so a batch whose answer was lost is there once, and a run that has lost
//! its lease adds nothing.

use bytes::Bytes;
use tokio_postgres::error::SqlState;

use super::asked::{BEGIN_LONG, ask};
use super::attempts::{Attempts, retried};
use super::lease::Lease;
use crate::config::PostgresTable;
use crate::record::Position;
use crate::row::RowBuffer;
use crate::sink::postgres::columns::quoted_name;
use crate::sink::postgres::copy::CopyInto;
use crate::sink::postgres::errors::{PgError, Verdict};
use crate::sink::postgres::pool::within;
use crate::sink::postgres::refused::{self, Refused};
use crate::sink::postgres::statement::{begin, copy, execute};
use crate::stop::Stop;

/// The rows of a job, on their way into its staging table.
pub struct Staging {
    lease: Lease,
    target: PostgresTable,
    table: PostgresTable,
    into: CopyInto,
    /// Rows that are in the table.
    staged: u64,
    /// Rows that the database does not take: the position of each, and a message without values.
    refused: Vec<(Position, String)>,
    /// Whether there were such rows.
    refuses: bool,
}

/// Why rows are not staged.
#[derive(Debug)]
pub enum StagingError {
    /// The database does not take these rows; all others have to be staged again.
    Refused(Vec<(Position, String)>),
    /// The rows that were staged are gone, and all have to be staged again.
    Lost(String),
    /// Another job has the lease, and with it the target.
    TakenOver {
        target: String,
    },
    Stop(Stop),
}

impl From<Stop> for StagingError {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Where a transaction failed.
enum Failed {
    /// Before its end: nothing is stored.
    Rows(PgError),
    /// At its end, where the count is not what it should be, or the answer is lost.
    Commit(PgError),
}

impl Failed {
    /// Whether the count was not what it should be: the statement that moves it has divided by zero.
    fn is_moved(&self) -> bool {
        let is_moved =
            |error: &PgError| error.db().is_some_and(|db| *db.code() == SqlState::DIVISION_BY_ZERO);
        matches!(self, Self::Commit(error) if is_moved(error))
    }
}

impl Staging {
    pub(super) fn new(
        lease: Lease,
        target: PostgresTable,
        table: PostgresTable,
        into: CopyInto,
    ) -> Self {
        Self { lease, target, table, into, staged: 0, refused: Vec::new(), refuses: false }
    }

    /// The rows that were refused since the last time. `commit` will fail.
    pub fn newly_refused(&mut self) -> Vec<(Position, String)> {
        std::mem::take(&mut self.refused)
    }

    /// Stores rows, but for those that the database refuses.
    pub async fn append(&mut self, mut rows: RowBuffer) -> Result<(), StagingError> {
        let mut attempts = Attempts::of(format!("stage rows in {}", self.table));
        loop {
            let (message, unfit) = self.into.message(&rows, 0..rows.len());
            if !unfit.is_empty() {
                rows = self.refuse(&rows, refused::unfit(unfit));
                continue;
            }
            if rows.is_empty() {
                return Ok(());
            }
            let after = self.staged + rows.len() as u64;
            let failed = match self.store(message.freeze(), after).await {
                Ok(()) => {
                    self.staged = after;
                    return Ok(());
                }
                Err(failed) => failed,
            };
            match failed {
                Failed::Rows(error) if error.verdict() == Verdict::Refused => {
                    let connections = &self.lease.connections;
                    let found = retried("look for refused rows", || {
                        refused::find(connections, &self.into, &rows)
                    });
                    let found = self.unless_taken_over(found.await).await?;
                    match found.is_empty() {
                        true => self.pause(&mut attempts, error).await?,
                        false => rows = self.refuse(&rows, found),
                    }
                    continue;
                }
                failed if failed.is_moved() => {}
                Failed::Rows(error) | Failed::Commit(error) => {
                    self.pause(&mut attempts, error).await?;
                }
            }
            let staged = self.counted().await?;
            if staged == after {
                self.staged = after;
                return Ok(());
            }
            if staged != self.staged {
                let expected = self.staged;
                return Err(StagingError::Lost(format!(
                    "{expected} rows were staged, and the lease counts {staged}"
                )));
            }
        }
    }

    /// Counts the rows, and returns the table.
    pub async fn commit(mut self) -> Result<(PostgresTable, u64), StagingError> {
        if self.refuses {
            return Err(StagingError::Refused(std::mem::take(&mut self.refused)));
        }
        let table = quoted_name(&self.table);
        // Without statistics, the statements that come may be planned for a table of a few rows.
        let count = format!("{BEGIN_LONG}; ANALYZE {table}; SELECT count(*) FROM {table}; COMMIT");
        let counted = retried("count the staged rows", || async {
            let connection = self.lease.connections.get().await?;
            let answer = ask(&connection, "count the staged rows", &count).await?;
            connection.give_back();
            Ok(answer)
        });
        let counted = counted.await;
        let counted = self.unless_taken_over(counted).await?;
        let rows = counted.number(0, 0).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
        match rows == self.staged {
            true => Ok((self.table, rows)),
            false => Err(StagingError::Lost(format!(
                "{} rows were staged, and {rows} are there: the server has crashed meanwhile",
                self.staged
            ))),
        }
    }

    /// One transaction: the rows, and the lease's count of them.
    async fn store(&self, message: Bytes, after: u64) -> Result<(), Failed> {
        let connection = self.lease.connections.get().await.map_err(Failed::Rows)?;
        begin(&connection).await.map_err(Failed::Rows)?;
        copy(&connection, &self.into, message).await.map_err(Failed::Rows)?;
        let commit = format!(
            "WITH moved AS (UPDATE {} SET staged = {after} WHERE {} AND staged = {} RETURNING 1) \
             SELECT 1 / count(*) AS an_update_of_no_row_aborts FROM moved; COMMIT",
            self.lease.table(),
            self.lease.is_mine(),
            self.staged,
        );
        execute(&connection, "commit staged rows", &commit).await.map_err(Failed::Commit)?;
        connection.give_back();
        Ok(())
    }

    /// How many rows the lease counts.
    async fn counted(&self) -> Result<u64, StagingError> {
        let counted = retried("read how many rows are staged", || self.count_once()).await?;
        counted.ok_or_else(|| self.taken_over())
    }

    /// The same, with one attempt; `None` where this run does not have the lease. Waits for a transaction
    /// that is still being committed.
    async fn count_once(&self) -> Result<Option<u64>, PgError> {
        let operation = "read how many rows are staged";
        let (table, mine) = (self.lease.table(), self.lease.is_mine());
        let sql = format!("SELECT staged FROM {table} WHERE {mine} FOR UPDATE");
        within(operation, async {
            let connection = self.lease.connections.get().await?;
            let answer = ask(&connection, operation, &sql).await?;
            connection.give_back();
            Ok(answer.number(0, 0).and_then(|staged| u64::try_from(staged).ok()))
        })
        .await
    }

    async fn pause(&self, attempts: &mut Attempts, error: PgError) -> Result<(), StagingError> {
        let paused = attempts.pause(error).await;
        self.unless_taken_over(paused).await
    }

    /// A job that has taken over has dropped the table; what PostgreSQL says of that helps nobody.
    async fn unless_taken_over<V>(&self, done: Result<V, Stop>) -> Result<V, StagingError> {
        match done {
            Ok(value) => Ok(value),
            Err(stop) => match self.count_once().await {
                Ok(None) => Err(self.taken_over()),
                Ok(Some(_)) | Err(_) => Err(StagingError::Stop(stop)),
            },
        }
    }

    fn taken_over(&self) -> StagingError {
        StagingError::TakenOver { target: self.target.to_string() }
    }

    /// Remembers rows that are refused, and returns the others.
    fn refuse(&mut self, rows: &RowBuffer, refused: Vec<Refused>) -> RowBuffer {
        let mut indices: Vec<usize> = refused.iter().map(|one| one.index).collect();
        let positions: Vec<Position> = rows.rows().map(|(at, _)| at).collect();
        for Refused { index, detail } in refused {
            if let Some(at) = positions.get(index) {
                self.refuses = true;
                self.refused.push((*at, detail));
            }
        }
        indices.sort_unstable();
        rows.without(&indices)
    }
}
