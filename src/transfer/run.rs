//! The three steps of a run, on whatever database its target is in.

use super::bigquery::BigQueryTarget;
use super::columns;
use super::counts::Applied;
use super::database::Database;
use super::days::Days;
use super::error::TransferError;
use super::postgres::PostgresTarget;
use super::progress::{Phase, Progress};
use super::request::{OwnSql, Request};
use super::runs::RunRow;
use super::source::Source;
use super::target::{Change, Lease, Target, Wanted, When};
use crate::clock::Clock;
use crate::config::{Scope, TransferSettings};
use crate::error_chain::chain;
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::stop::Stop;
use crate::transcode::Plan;

/// What a run needs, next to its target.
pub struct Transfer<'a> {
    pub settings: &'a TransferSettings,
    pub request: &'a Request,
    /// The columns that the rows should have.
    pub columns: TableSchema,
    /// Compiles the contract for the columns that the target has.
    pub plan: &'a (dyn Fn(&TableSchema) -> Result<Plan, Stop> + Sync),
    pub source: Source,
    /// Statements of the user's own, before rows are staged and after the target has changed.
    pub before: Option<OwnSql>,
    pub after: Option<OwnSql>,
    /// The topic or the files, and the contract, for dead letters.
    pub topic: String,
    pub contract: String,
    pub progress: Progress,
    pub shutdown: Shutdown,
}

/// A run that has ended well.
#[derive(Debug, Clone)]
pub struct Summary {
    pub run: RunRow,
    pub applied: Applied,
    pub method: String,
    pub dead_letters: String,
}

impl Transfer<'_> {
    /// Does all three steps. The target is as it was, or as it should be.
    pub async fn run(self, database: &Database) -> Result<Summary, TransferError> {
        self.progress.begin(Phase::PreExecutionCleansing, "");
        columns::check(self.settings, self.request.mode, &self.columns, &database.to_string())?;
        let holder = format!("{:016x}", rand::random::<u64>());
        let date_column = match self.settings.scope {
            Scope::Day => self.settings.date_column.as_deref(),
            Scope::Table => None,
        };
        let wanted = Wanted {
            columns: &self.columns,
            manage: self.settings.domain.write.manage_table,
            date_column,
            transfer: &self.settings.name,
            last_day: self.request.days.as_ref().map(Days::last),
            holder: &holder,
            lease: self.settings.lease,
        };
        match database {
            Database::BigQuery { bigquery, table } => {
                let target = BigQueryTarget::prepare(bigquery.clone(), table, wanted).await?;
                Run { transfer: self, target, is_moving: false }.run().await
            }
            Database::Postgres { connections, settings } => {
                let connections = connections.clone();
                let target = PostgresTarget::prepare(connections, settings, wanted).await?;
                Run { transfer: self, target, is_moving: false }.run().await
            }
        }
    }
}

/// A run on its target.
pub struct Run<'a, T> {
    pub(super) transfer: Transfer<'a>,
    pub(super) target: T,
    /// Whether a job or transaction that changes the target may be going on.
    pub(super) is_moving: bool,
}

impl<T: Target> Run<'_, T> {
    async fn run(mut self) -> Result<Summary, TransferError> {
        let started = Clock::System.now_micros();
        let lease = self.acquire().await?;
        let kept = self.keep(lease.clone());
        let ended = self.steps(&lease, started).await;
        kept.abort();
        // The next run would do it too. It needs the staging table of a job that may still be running.
        if ended.is_err()
            && !self.is_moving
            && let Err(error) = self.target.unstage().await
        {
            tracing::warn!(error = chain(&error), "the staging table stays");
        }
        if let Err(error) = lease.release().await {
            tracing::warn!(error = chain(&error), "the lease expires by itself");
        }
        ended
    }

    async fn steps(&mut self, lease: &T::Lease, started: i64) -> Result<Summary, TransferError> {
        self.pre_execution_cleansing().await?;
        let run = self.target.recorded_runs().await? + 1;
        let done = self.pipeline(lease, run, started).await?;
        self.post_execution_cleanup(&done).await?;
        Ok(done)
    }

    /// Removes what interrupted runs of this transfer and date have left: their jobs and transactions end
    /// before anything else is done, and their staging tables are dropped.
    async fn pre_execution_cleansing(&self) -> Result<(), TransferError> {
        let dropped = self.target.cleanse().await?;
        tracing::info!(step = "pre_execution_cleansing", dropped, "step done");
        Ok(())
    }

    /// Stages the rows, counts them and moves them into the target.
    async fn pipeline(
        &mut self,
        lease: &T::Lease,
        run: u64,
        started_micros: i64,
    ) -> Result<Summary, TransferError> {
        let Transfer { settings, request, .. } = self.transfer;
        let key = columns::key(settings, request.mode, self.target.columns(), &self.target.name())?;
        let change = Change::of(settings, request, &key);
        let method = self.target.method(&change)?;
        tracing::info!(step = "pipeline", method, run, "step begins");
        let hint = "the target is as it was; correct the statement and run it again";
        self.own_sql(When::Before, hint).await?;
        self.target.open_letters(self.about(run)).await?;
        let (run, applied) = self.stage_and_apply(lease, &change, run, started_micros).await?;
        tracing::info!(step = "pipeline", job = applied.job, "step done");
        let hint = "the target has its new rows; correct the statement and run it again";
        self.own_sql(When::After, hint).await?;
        Ok(Summary { run, applied, method, dead_letters: self.target.dead_letters() })
    }

    /// Drops the staging table and records the run.
    async fn post_execution_cleanup(&self, done: &Summary) -> Result<(), TransferError> {
        self.transfer.progress.begin(Phase::PostExecutionCleanup, "");
        self.target.unstage().await?;
        self.target.record(&done.run, &done.applied).await?;
        tracing::info!(step = "post_execution_cleanup", "step done");
        Ok(())
    }

    async fn own_sql(&self, when: When, hint: &str) -> Result<(), TransferError> {
        let own = match when {
            When::Before => &self.transfer.before,
            When::After => &self.transfer.after,
        };
        match own {
            Some(sql) => {
                self.transfer.progress.begin(Phase::Statement, &sql.file);
                Ok(self.target.own_sql(when, sql, hint).await?)
            }
            None => Ok(()),
        }
    }
}
