//! The statements of a run.

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::error::TransferError;
use super::run::Transfer;
use super::runs;
use super::target::query;
use crate::config::TableId;
use crate::sink::bigquery::batch::{Job, TargetTable};
use crate::stop::Stop;

impl Transfer<'_> {
    /// A statement of the user's own. A run that is resumed does not run it again.
    pub(super) async fn own_sql(
        &self,
        when: &str,
        file: Option<&PathBuf>,
        live: &TargetTable,
        run: u64,
    ) -> Result<(), TransferError> {
        let Some(file) = file else { return Ok(()) };
        let sql = std::fs::read_to_string(file).map_err(|error| {
            Stop::new(
                format!("read {}", file.display()),
                "it is named in the transfer's table",
                error,
            )
        })?;
        let digest = format!("{:016x}", xxh3_64(sql.as_bytes()));
        let id = format!("{}_{when}", self.job_id(run, &digest));
        self.query(&format!("run {}", file.display()), &sql, id, live).await?;
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
            return Ok(0);
        }
        let rows = self.bigquery.answer(&job, &done).await?;
        let cell = rows.first().and_then(|row| row.first()).and_then(|cell| cell.as_str());
        Ok(cell.and_then(|cell| cell.parse().ok()).unwrap_or(0))
    }
}
