//! A table of PostgreSQL as a target: rows by COPY into a staging table, and one transaction that
//! changes the target and records the run.

mod method;
mod planned;
pub mod status;

use std::sync::Arc;

use method::Method;
pub use planned::planned;

use super::counts::Applied;
use super::error::TransferError;
use super::request::OwnSql;
use super::runs::{Cell, RunRow, State, TABLE, columns as run_columns};
use super::target::{
    self, Acquired, Change, ORDER, StagedTable, StagingError, Target, Unapplied, Wanted, When,
};
use crate::config::{PostgresSettings, PostgresTable};
use crate::record::{DeadLetter, Position};
use crate::row::{RowBuffer, TableSchema};
use crate::sink::dead_letter::About;
use crate::sink::postgres::Connections;
use crate::sink::postgres::batch::{
    self, BatchParts, BatchTables, Changed, LetterTable, Merge, Move, MoveError, text, timestamp,
};
use crate::stop::Stop;

/// The target of a run, with its tables ready.
pub struct PostgresTarget {
    connections: Connections,
    tables: BatchTables,
    manage: bool,
    letters: Option<Arc<LetterTable>>,
    transfer: String,
    holder: String,
}

impl PostgresTarget {
    /// Creates the tables that are missing, and adds the columns that the target lacks.
    pub async fn prepare(
        connections: Connections,
        settings: &PostgresSettings,
        wanted: Wanted<'_>,
    ) -> Result<Self, Stop> {
        let leased_as = wanted.leased_as();
        let Wanted { columns, manage, date_column, transfer, last_day, holder, lease } = wanted;
        let of = last_day.map_or("positions".to_owned(), |day| day.to_string());
        let parts = BatchParts {
            settings,
            manage,
            columns,
            date_column,
            runs: (TABLE, &run_columns()),
            name: &format!("{leased_as} {of}"),
            holder,
            lease,
        };
        let tables = BatchTables::prepare(connections.clone(), parts).await?;
        let (transfer, holder) = (transfer.to_owned(), holder.to_owned());
        Ok(Self { connections, tables, manage, letters: None, transfer, holder })
    }

    fn table(&self) -> &PostgresTable {
        self.tables.target()
    }

    fn merge<'m>(&'m self, staging: &'m PostgresTable, key: &'m [String]) -> Merge<'m> {
        Merge { target: self.table(), staging, columns: &[], range: None, key, last_by: None }
    }
}

impl Target for PostgresTarget {
    type Lease = batch::Lease;
    type Staging = batch::Staging;

    fn name(&self) -> String {
        self.table().to_string()
    }

    fn columns(&self) -> &TableSchema {
        self.tables.columns()
    }

    fn method(&self, change: &Change<'_>) -> Result<String, Stop> {
        let method = Method::choose(change, self.table(), self.columns())?;
        Ok(method.describe(self.table(), change.days))
    }

    async fn lease(&self, about: &str) -> Result<Acquired<batch::Lease>, Stop> {
        let lease = self.tables.lease();
        Ok(match lease.acquire(about).await? {
            batch::Acquired::Mine => Acquired::Mine(lease.clone()),
            batch::Acquired::Held { by, expires_in_ms } => Acquired::Held { by, expires_in_ms },
        })
    }

    async fn cleanse(&self) -> Result<usize, Stop> {
        self.tables.cleanse().await
    }

    async fn recorded_runs(&self) -> Result<u64, Stop> {
        self.tables.recorded(&self.transfer).await
    }

    async fn own_sql(&self, _: When, sql: &OwnSql, hint: &str) -> Result<(), Stop> {
        let what = format!("run the statement of {}", sql.file);
        self.tables.own_sql(&what, &sql.text, hint).await
    }

    async fn open_letters(&mut self, about: About) -> Result<(), Stop> {
        let table = self.table().dead_letters();
        let letters = LetterTable::open(self.connections.clone(), table, self.manage, about);
        self.letters = Some(Arc::new(letters.await?));
        Ok(())
    }

    fn dead_letters(&self) -> String {
        self.table().dead_letters().to_string()
    }

    async fn send_letters(&self, letters: &[DeadLetter]) -> Result<(), Stop> {
        match &self.letters {
            Some(table) => table.send(letters).await,
            None => Ok(()),
        }
    }

    async fn stage(&self, attempt: usize, last_counts: bool) -> Result<batch::Staging, Stop> {
        self.tables.stage(attempt, last_counts.then_some(ORDER)).await
    }

    async fn unstage(&self) -> Result<(), Stop> {
        self.tables.unstage().await.map(drop)
    }

    async fn staged_rows(&self, staged: &StagedTable) -> Result<u64, Stop> {
        let staging = self.table().beside(&staged.name);
        let count = batch::count_statement(&staging, None);
        self.tables.counted("count the staged rows", &count).await
    }

    async fn repeated_keys(&self, staged: &StagedTable, key: &[String]) -> Result<u64, Stop> {
        let staging = self.table().beside(&staged.name);
        let count = self.merge(&staging, key).repeated_keys();
        self.tables.counted("look for repeated keys", &count).await
    }

    async fn examples_of_repeated_keys(
        &self,
        staged: &StagedTable,
        key: &[String],
        most: u32,
    ) -> Result<Vec<Vec<String>>, Stop> {
        let staging = self.table().beside(&staged.name);
        let query = self.merge(&staging, key).examples_of_repeated_keys(most);
        let rows = batch::rows(&self.connections, "read repeated keys", &query).await?;
        let texts = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default);
        Ok(rows.into_iter().map(|row| texts(row).collect()).collect())
    }

    fn moving(&self, _: &StagedTable) -> String {
        self.holder.clone()
    }

    async fn apply(
        &self,
        staged: &StagedTable,
        change: &Change<'_>,
        run: &RunRow,
    ) -> Result<Applied, Unapplied> {
        let method = Method::choose(change, self.table(), self.columns());
        let method = method.map_err(Unapplied::never)?;
        let staging = self.table().beside(&staged.name);
        let columns: Vec<String> =
            self.columns().columns.iter().map(|column| column.name.clone()).collect();
        let last_by = change.last_counts.then_some(ORDER);
        let merge = Merge { columns: &columns, last_by, ..self.merge(&staging, change.key) };
        let merge = Merge { range: method.range(), ..merge };
        if let Some(outside) = merge.outside() {
            let counted = self.tables.counted("look for rows of other days", &outside).await;
            let rows = counted.map_err(Unapplied::never)?;
            if rows > 0 {
                return Err(Unapplied::never(TransferError::Settings {
                    what: format!("{rows} rows are of another day as {} stores them", self.name()),
                    hint:
                        "the type of the date column rounds its values, or a default changes them; \
                           the target is as it was"
                            .to_owned(),
                }));
            }
        }
        let is_replaced = matches!(method, Method::Replace { .. });
        let replaced = is_replaced.then(|| merge.count());
        let record = |changed: Changed| cells(run, State::Moved, &self.applied(changed));
        let steps = method.steps(merge.clone(), change.delete_missing);
        let it = Move {
            staging: &staging,
            rows: staged.rows,
            steps,
            replaced,
            is_exact: !change.last_counts,
            record: &record,
        };
        match self.tables.apply(&it).await {
            Ok(changed) => Ok(self.applied(changed)),
            Err(MoveError::TakenOver) => {
                Err(Unapplied::never(TransferError::TakenOver { target: self.name() }))
            }
            Err(MoveError::Stop(stop)) => Err(Unapplied::never(stop)),
            Err(MoveError::Lost(why)) => Err(Unapplied::Lost(why)),
            Err(MoveError::Unknown(stop)) => {
                let hint = "the target is as it was, or as it should be; run it again once \
                            PostgreSQL answers"
                    .to_owned();
                Err(Unapplied::MayHappen(Stop { hint, ..stop }.into()))
            }
        }
    }

    async fn record(&self, run: &RunRow, applied: &Applied) -> Result<(), Stop> {
        self.tables.complete(&cells(run, State::Done, applied)).await
    }
}

impl PostgresTarget {
    fn applied(&self, Changed { inserted, updated, deleted }: Changed) -> Applied {
        let (deleted, job) = (Some(deleted), self.holder.clone());
        Applied { inserted, updated, deleted, job, bytes_billed: None }
    }
}

/// The run's row as literals.
fn cells(run: &RunRow, state: State, applied: &Applied) -> Vec<(&'static str, String)> {
    let value = |cell: Cell| match cell {
        Cell::Text(value) => text(&value),
        Cell::Number(number) => number.to_string(),
        Cell::Time(micros) => timestamp(micros),
        Cell::Date(date) => format!("DATE '{date}'"),
        Cell::Null => "NULL".to_owned(),
    };
    let cells = run.cells(state, applied).into_iter();
    cells.map(|(column, cell)| (column, value(cell))).collect()
}

impl target::Lease for batch::Lease {
    async fn renew(&self) -> Result<bool, Stop> {
        self.renew().await
    }

    async fn release(self) -> Result<(), Stop> {
        self.release().await
    }
}

impl target::Staging for batch::Staging {
    async fn append(&mut self, rows: RowBuffer) -> Result<(), StagingError> {
        Ok(self.append(rows).await?)
    }

    fn newly_refused(&mut self) -> Vec<(Position, String)> {
        self.newly_refused()
    }

    async fn commit(self) -> Result<StagedTable, StagingError> {
        let (table, rows) = self.commit().await?;
        Ok(StagedTable { name: table.table, rows })
    }
}

impl From<batch::StagingError> for StagingError {
    fn from(error: batch::StagingError) -> Self {
        match error {
            batch::StagingError::Refused(rows) => Self::Refused(rows),
            batch::StagingError::Lost(why) => Self::Lost(why),
            batch::StagingError::TakenOver { target } => {
                Self::Failed(TransferError::TakenOver { target })
            }
            batch::StagingError::Stop(stop) => Self::Failed(stop.into()),
        }
    }
}
