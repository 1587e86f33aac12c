//! The statements of a run.

use serde_json::Value;

use super::error::TransferError;
use super::progress::Phase;
use super::run::{OwnSql, Transfer};
use super::runs;
use super::target::query;
use crate::config::TableId;
use crate::sink::bigquery::batch::{Job, TargetTable};

impl Transfer<'_> {
    /// Runs a statement of the user's own, if there is one.
    pub(super) async fn own_sql(
        &self,
        own: Option<&OwnSql>,
        id: String,
        live: &TargetTable,
        hint: &str,
    ) -> Result<(), TransferError> {
        let Some(OwnSql { file, text }) = own else { return Ok(()) };
        self.progress.begin(Phase::Statement, file);
        let job = Job {
            what: format!("run the statement of {file}"),
            project: &self.target.project,
            location: live.location(),
            id,
            configuration: query(text),
        };
        self.bigquery.run_job(&job).await.map_err(|error| error.stop(hint))?;
        Ok(())
    }

    pub(super) async fn ended_runs(
        &self,
        live: &TargetTable,
        table: &TableId,
    ) -> Result<u64, TransferError> {
        let id = format!("{}_runs_{:016x}", self.prefix(), rand::random::<u64>());
        self.query("count the runs", &runs::count(table, self.of()), id, live).await
    }

    /// Runs a statement, and returns the number that is its answer; 0 where it has none.
    pub(super) async fn query(
        &self,
        what: &str,
        sql: &str,
        id: String,
        live: &TargetTable,
    ) -> Result<u64, TransferError> {
        let rows = self.rows(what, sql, id, live).await?;
        let cell = rows.first().and_then(|row| row.first()).and_then(|cell| cell.as_str());
        Ok(cell.and_then(|cell| cell.parse().ok()).unwrap_or(0))
    }

    /// Runs a statement, and returns the first rows of its answer, each as its cells in order.
    pub(super) async fn rows(
        &self,
        what: &str,
        sql: &str,
        id: String,
        live: &TargetTable,
    ) -> Result<Vec<Vec<Value>>, TransferError> {
        let job = Job {
            what: what.to_owned(),
            project: &self.target.project,
            location: live.location(),
            id,
            configuration: query(sql),
        };
        let hint = "the message is BigQuery's";
        let done = self.bigquery.run_job(&job).await.map_err(|error| error.stop(hint))?;
        if !sql.starts_with("SELECT") {
            return Ok(Vec::new());
        }
        Ok(self.bigquery.answer(&job, &done).await?)
    }
}
