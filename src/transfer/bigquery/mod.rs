//! A table of BigQuery as a target: one PENDING write stream into a staging table, and one job that
//! changes the target.

mod method;
mod names;
mod planned;
mod runs;
pub mod status;

use std::time::Duration;

use serde_json::Value;

use method::Method;
use names::Names;
pub use planned::planned;

use super::counts::Applied;
use super::request::OwnSql;
use super::runs::{RunRow, TABLE, columns as run_columns};
use super::target::{
    self, Acquired, Change, ORDER, StagedTable, StagingError, Target, Unapplied, Wanted, When,
};
use crate::config::TableId;
use crate::record::{DeadLetter, Position};
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{self, Job, JobDone, JobError, Merge, TargetTable, name, query};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::stop::Stop;

/// How long a staging table lives that nobody drops.
const STAGING: Duration = Duration::from_secs(2 * 86_400);

/// The target of a run, with its tables ready.
pub struct BigQueryTarget {
    bigquery: BigQuery,
    table: TableId,
    live: TargetTable,
    columns: TableSchema,
    /// `generic_consumer_transfers`, in the target's dataset.
    runs: TableId,
    manage: bool,
    letters: Option<DeadLetters>,
    transfer: String,
    names: Names,
    holder: String,
    lasts: Duration,
}

impl BigQueryTarget {
    /// Creates the tables that are missing, and adds the columns that the target lacks.
    pub async fn prepare(
        bigquery: BigQuery,
        table: &TableId,
        wanted: Wanted<'_>,
    ) -> Result<Self, Stop> {
        let Wanted { columns, manage, date_column, .. } = wanted;
        let prepared = bigquery.prepare(table, columns, manage, date_column).await?;
        let live = bigquery.target(table).await?;
        let runs = TableId { table: TABLE.to_owned(), ..table.clone() };
        bigquery.prepare(&runs, &run_columns(), true, Some("started_at")).await?;
        Ok(Self {
            bigquery,
            table: table.clone(),
            live,
            columns: prepared.columns,
            runs,
            manage,
            letters: None,
            transfer: wanted.transfer.to_owned(),
            names: Names::new(table, &wanted),
            holder: wanted.holder.to_owned(),
            lasts: wanted.lease,
        })
    }

    fn beside(&self, table: &str) -> TableId {
        TableId { table: table.to_owned(), ..self.table.clone() }
    }

    fn job(&self, what: String, id: String, configuration: Value) -> Job<'_> {
        let (project, location) = (self.table.project.as_str(), self.live.location());
        Job { what, project, location, id, configuration }
    }

    /// Runs a statement, and returns the number that is its answer; 0 where it has none.
    async fn query(&self, what: &str, sql: &str, id: String) -> Result<u64, Stop> {
        let rows = self.rows(what, sql, id).await?;
        let cell = rows.first().and_then(|row| row.first()).and_then(|cell| cell.as_str());
        Ok(cell.and_then(|cell| cell.parse().ok()).unwrap_or(0))
    }

    /// Runs a statement, and returns the first rows of its answer, each as its cells in order.
    async fn rows(&self, what: &str, sql: &str, id: String) -> Result<Vec<Vec<Value>>, Stop> {
        let job = self.job(what.to_owned(), id, query(sql));
        let hint = "the message is BigQuery's";
        let done = self.bigquery.run_job(&job).await.map_err(|error| error.stop(hint))?;
        match sql.starts_with("SELECT") {
            true => self.bigquery.answer(&job, &done).await,
            false => Ok(Vec::new()),
        }
    }
}

impl Target for BigQueryTarget {
    type Lease = Lease;
    type Staging = Staging;

    fn name(&self) -> String {
        self.table.to_string()
    }

    fn columns(&self) -> &TableSchema {
        &self.columns
    }

    fn method(&self, change: &Change<'_>) -> Result<String, Stop> {
        Ok(Method::choose(change, &self.live)?.describe(&self.table))
    }

    async fn lease(&self, about: &str) -> Result<Acquired<Lease>, Stop> {
        let table = self.beside(&self.names.lease());
        let acquired = self.bigquery.lease(table, &self.holder, about, self.lasts).await?;
        Ok(match acquired {
            batch::Acquired::Mine(lease) => {
                Acquired::Mine(Lease { bigquery: self.bigquery.clone(), lease })
            }
            batch::Acquired::Held { by, expires_in_ms } => Acquired::Held { by, expires_in_ms },
        })
    }

    async fn cleanse(&self) -> Result<usize, Stop> {
        let left = self.bigquery.tables_named(&self.table, &self.names.prefix).await?;
        for table in &left {
            let (project, job) = (&self.table.project, Names::moving_job(table));
            self.bigquery.wait_for_job(project, self.live.location(), &job).await?;
            self.bigquery.drop_table(table).await?;
        }
        Ok(left.len())
    }

    async fn recorded_runs(&self) -> Result<u64, Stop> {
        let id = format!("{}_runs_{:016x}", self.names.prefix, rand::random::<u64>());
        let sql = runs::count(&self.runs, &self.transfer, &self.table);
        self.query("count the runs", &sql, id).await
    }

    async fn own_sql(&self, when: When, sql: &OwnSql, hint: &str) -> Result<(), Stop> {
        let what = format!("run the statement of {}", sql.file);
        let job = self.job(what, self.names.job(when.name()), query(&sql.text));
        self.bigquery.run_job(&job).await.map_err(|error| error.stop(hint))?;
        Ok(())
    }

    async fn open_letters(&mut self, about: About) -> Result<(), Stop> {
        let letters = DeadLetters::bigquery(&self.bigquery, &self.table, self.manage, about);
        self.letters = Some(letters.await?);
        Ok(())
    }

    fn dead_letters(&self) -> String {
        self.table.dead_letters().to_string()
    }

    async fn send_letters(&self, letters: &[DeadLetter]) -> Result<(), Stop> {
        match &self.letters {
            Some(table) => table.send(letters, &|| {}).await,
            None => Ok(()),
        }
    }

    async fn stage(&self, attempt: usize, last_counts: bool) -> Result<Staging, Stop> {
        // A table that was dropped and created again is not found for a while.
        let table = self.beside(&format!("{}{attempt}", self.names.staging()));
        let order = Column::nullable(ORDER, ColumnType::Int64);
        let also = if last_counts { std::slice::from_ref(&order) } else { &[] };
        self.bigquery.create_staging(&table, &self.live, also, STAGING).await?;
        let columns: Vec<Column> = self.columns.columns.iter().chain(also).cloned().collect();
        let columns = TableSchema { columns };
        let stream = batch::Staging::new(self.bigquery.clone(), table.clone(), &columns);
        Ok(Staging { table, stream })
    }

    async fn unstage(&self) -> Result<(), Stop> {
        for table in self.bigquery.tables_named(&self.table, &self.names.staging()).await? {
            self.bigquery.drop_table(&table).await?;
        }
        Ok(())
    }

    async fn staged_rows(&self, staged: &StagedTable) -> Result<u64, Stop> {
        let sql = format!("SELECT COUNT(*) FROM {}", name(&self.beside(&staged.name)));
        self.query("count the staged rows", &sql, format!("{}_count", staged.name)).await
    }

    async fn repeated_keys(&self, staged: &StagedTable, key: &[String]) -> Result<u64, Stop> {
        let sql = batch::repeated_keys(&self.beside(&staged.name), key);
        self.query("look for repeated keys", &sql, format!("{}_keys", staged.name)).await
    }

    async fn examples_of_repeated_keys(
        &self,
        staged: &StagedTable,
        key: &[String],
        most: u32,
    ) -> Result<Vec<Vec<String>>, Stop> {
        let sql = batch::examples_of_repeated_keys(&self.beside(&staged.name), key, most);
        let id = format!("{}_examples", staged.name);
        let rows = self.rows("read repeated keys", &sql, id).await?;
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        Ok(rows.iter().map(|row| row.iter().map(text).collect()).collect())
    }

    fn moving(&self, staged: &StagedTable) -> String {
        Names::moving_job(&self.beside(&staged.name))
    }

    async fn apply(
        &self,
        staged: &StagedTable,
        change: &Change<'_>,
        _: &RunRow,
    ) -> Result<Applied, Unapplied> {
        let method = Method::choose(change, &self.live).map_err(Unapplied::never)?;
        let staging = self.beside(&staged.name);
        let columns: Vec<String> =
            self.columns.columns.iter().map(|column| column.name.clone()).collect();
        let merge = Merge {
            target: &self.table,
            staging: &staging,
            columns: &columns,
            range: None,
            key: change.key,
            last_by: change.last_counts.then_some(ORDER),
        };
        let configuration = method.job(&merge, change.delete_missing);
        let id = Names::moving_job(&staging);
        let job = self.job(method.describe(&self.table), id, configuration);
        match self.bigquery.run_job(&job).await {
            Ok(done) => Ok(applied(&method, &done, staged.rows)),
            Err(error) => {
                let hint =
                    "the target is as it was; correct what the message says and run it again";
                // Where nobody has said how the job ended, it may still be running.
                let as_unapplied = match error {
                    JobError::Rest(_) => Unapplied::MayHappen,
                    JobError::Failed { .. } => Unapplied::Never,
                };
                Err(as_unapplied(error.stop(hint).into()))
            }
        }
    }

    async fn record(&self, run: &RunRow, applied: &Applied) -> Result<(), Stop> {
        let sql = runs::record(&self.runs, run, applied);
        self.query("record the run", &sql, self.names.job("record")).await.map(drop)
    }
}

fn applied(method: &Method, done: &JobDone, rows: u64) -> Applied {
    let job = done.id.clone();
    let bytes_billed = Some(done.number("/query/totalBytesBilled"));
    match method {
        Method::Copy { .. } => {
            Applied { inserted: rows, updated: 0, deleted: None, job, bytes_billed }
        }
        Method::Replace { .. } | Method::Merge { .. } | Method::Fill => Applied {
            inserted: done.number("/query/dmlStats/insertedRowCount"),
            updated: done.number("/query/dmlStats/updatedRowCount"),
            deleted: Some(done.number("/query/dmlStats/deletedRowCount")),
            job,
            bytes_billed,
        },
    }
}

/// A lease, and where it is.
#[derive(Clone)]
pub struct Lease {
    bigquery: BigQuery,
    lease: batch::Lease,
}

impl target::Lease for Lease {
    async fn renew(&self) -> Result<bool, Stop> {
        self.lease.renew(&self.bigquery).await
    }

    async fn release(self) -> Result<(), Stop> {
        self.lease.release(&self.bigquery).await
    }
}

/// A staging table, and the write stream into it.
pub struct Staging {
    table: TableId,
    stream: batch::Staging,
}

impl target::Staging for Staging {
    async fn append(&mut self, rows: RowBuffer) -> Result<(), StagingError> {
        Ok(self.stream.append(rows).await?)
    }

    fn newly_refused(&mut self) -> Vec<(Position, String)> {
        Vec::new()
    }

    async fn commit(self) -> Result<StagedTable, StagingError> {
        let rows = self.stream.commit().await?;
        Ok(StagedTable { name: self.table.table, rows })
    }
}

impl From<batch::StagingError> for StagingError {
    fn from(error: batch::StagingError) -> Self {
        match error {
            batch::StagingError::Refused(rows) => Self::Refused(rows),
            batch::StagingError::Stop(stop) => Self::Failed(stop.into()),
        }
    }
}
