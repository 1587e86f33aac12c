//! The three steps of a run, on BigQuery.

use super::counts::Counts;
use super::error::TransferError;
use super::progress::{Phase, Progress};
use super::request::Request;
use super::runs;
use super::source::Source;
use super::target::Method;
use crate::clock::Clock;
use crate::config::{Duplicates, Scope, TableId, TransferSettings};
use crate::error_chain::chain;
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{Applied, Job, JobDone, JobError, Lease, Merge, TargetTable};
use crate::stop::Stop;
use crate::transcode::Plan;

/// The column, in staging tables where the last of several rows with the same key counts.
pub const ORDER: &str = "_transfer_order";

/// What a run needs.
pub struct Transfer<'a> {
    pub settings: &'a TransferSettings,
    pub request: &'a Request,
    pub bigquery: BigQuery,
    pub target: TableId,
    /// The columns that the rows should have.
    pub columns: TableSchema,
    /// Compiles the contract for the columns that the target has.
    pub plan: &'a (dyn Fn(&TableSchema) -> Result<Plan, Stop> + Sync),
    pub source: Source,
    /// Statements of the user's own, before rows are staged and after the target has changed.
    pub before: Option<OwnSql>,
    pub after: Option<OwnSql>,
    /// Whether a job that changes the target may be running. False at first.
    pub is_moving: bool,
    /// The topic or the files, and the contract, for dead letters.
    pub topic: String,
    pub contract: String,
    pub progress: Progress,
    pub shutdown: Shutdown,
}

/// A file with a statement.
#[derive(Debug, Clone)]
pub struct OwnSql {
    pub file: String,
    pub text: String,
}

/// A run that has ended well.
#[derive(Debug, Clone)]
pub struct Summary {
    pub run: u64,
    pub counts: Counts,
    pub applied: Applied,
    pub bytes_billed: u64,
    pub fingerprint: String,
    /// The job that changed the target.
    pub job: String,
    pub method: String,
    pub dead_letters: String,
}

impl Transfer<'_> {
    /// Does all three steps. The target is as it was, or as it should be.
    pub async fn run(mut self) -> Result<Summary, TransferError> {
        let started = Clock::System.now_micros();
        self.progress.begin(Phase::PreExecutionCleansing, "");
        let manage = self.settings.domain.write.manage_table;
        let by = match self.settings.scope {
            Scope::Day => self.settings.date_column.as_deref(),
            Scope::Table => None,
        };
        let prepared = self.bigquery.prepare(&self.target, &self.columns, manage, by).await?;
        self.columns = prepared.columns;
        let live = self.bigquery.target(&self.target).await?;
        let runs = runs::table(&self.target);
        self.bigquery.prepare(&runs, &runs::columns(), true, Some("started_at")).await?;
        let holder = format!("{:016x}", rand::random::<u64>());
        let lease = self.acquire(&holder).await?;
        let kept = self.keep(lease.clone());
        let ended = self.steps(&holder, &live, &runs, &lease, started).await;
        kept.abort();
        // The next run would do it too. It needs the staging table of a job that may still be running.
        if ended.is_err()
            && !self.is_moving
            && let Err(error) = self.drop_staging(&holder).await
        {
            tracing::warn!(error = chain(&error), "the staging table stays");
        }
        if let Err(error) = lease.release(&self.bigquery).await {
            tracing::warn!(error = chain(&error), "the lease expires by itself");
        }
        ended
    }

    async fn steps(
        &mut self,
        holder: &str,
        live: &TargetTable,
        runs: &TableId,
        lease: &Lease,
        started: i64,
    ) -> Result<Summary, TransferError> {
        self.pre_execution_cleansing(live).await?;
        let run = self.ended_runs(live, runs).await? + 1;
        let done = self.pipeline(holder, live, lease, run).await?;
        self.post_execution_cleanup(holder, live, runs, &done, started).await?;
        Ok(done)
    }

    /// Removes what interrupted runs of this transfer and date have left: their jobs end before anything
    /// else is done, and their staging tables are dropped.
    async fn pre_execution_cleansing(&self, live: &TargetTable) -> Result<(), TransferError> {
        let left = self.bigquery.tables_named(&self.target, &self.prefix()).await?;
        for table in &left {
            let (project, job) = (&self.target.project, self.moving_job(table));
            self.bigquery.wait_for_job(project, live.location(), &job).await?;
            self.bigquery.drop_table(table).await?;
        }
        tracing::info!(step = "pre_execution_cleansing", dropped = left.len(), "step done");
        Ok(())
    }

    /// Stages the rows, counts them and moves them into the target.
    async fn pipeline(
        &mut self,
        holder: &str,
        live: &TargetTable,
        lease: &Lease,
        run: u64,
    ) -> Result<Summary, TransferError> {
        let key = self.key()?;
        let orders = self.settings.duplicates == Duplicates::Last && !self.settings.key.is_empty();
        let (request, settings) = (self.request, self.settings);
        let method = Method::choose(settings, request.mode, &request.days, live, !orders)?;
        tracing::info!(
            step = "pipeline",
            method = method.describe(&self.target),
            run,
            "step begins"
        );
        let hint = "the target is as it was; correct the statement and run it again";
        let before = format!("{}_before", self.jobs(holder));
        self.own_sql(self.before.as_ref(), before, live, hint).await?;
        let letters = self.letters(run).await?;
        let staged = self.stage(holder, live, orders, &letters).await?;
        let counts = staged.counts;
        if !request.max_rejected.allows(counts.rejected, counts.read) {
            return Err(TransferError::TooManyRejected {
                rejected: counts.rejected,
                read: counts.read,
                limit: request.max_rejected.to_string(),
                dead_letters: letters.to_string(),
            });
        }
        let columns: Vec<String> =
            self.columns.columns.iter().map(|column| column.name.clone()).collect();
        let merge = Merge {
            target: &self.target,
            staging: &staged.table,
            columns: &columns,
            range: None,
            key: &key,
            last_by: orders.then_some(ORDER),
        };
        self.check_staged(&merge, live, counts, orders).await?;
        let fingerprint = format!("{:032x}", staged.fingerprint);
        let configuration = method.job(&merge, settings.delete_missing);
        if self.shutdown.requested() {
            return Err(TransferError::Interrupted);
        }
        if !lease.renew(&self.bigquery).await? {
            return Err(TransferError::Stop(Stop {
                what: format!("write {}: another run has taken over", self.target),
                hint: "this run was away for longer than its lease; the other one goes on"
                    .to_owned(),
                source: None,
            }));
        }
        let job = Job {
            what: method.describe(&self.target),
            project: &self.target.project,
            location: live.location(),
            id: self.moving_job(&staged.table),
            configuration,
        };
        let hint = "the target is as it was; correct what the message says and run it again";
        self.is_moving = true;
        self.progress.begin(Phase::Moving, &job.id);
        let moved = self.bigquery.run_job(&job).await;
        // Where nobody has said how it ended, it may still be running.
        self.is_moving = matches!(moved, Err(JobError::Rest(_)));
        let done = moved.map_err(|error| error.stop(hint))?;
        tracing::info!(step = "pipeline", job = done.id, "step done");
        let applied = applied(&method, &done, counts);
        let hint = "the target has its new rows; correct the statement and run it again";
        let after = format!("{}_after", self.jobs(holder));
        self.own_sql(self.after.as_ref(), after, live, hint).await?;
        Ok(Summary {
            run,
            counts,
            applied,
            bytes_billed: done.number("/query/totalBytesBilled"),
            fingerprint,
            job: done.id,
            method: method.describe(&self.target),
            dead_letters: letters.to_string(),
        })
    }

    /// Drops the staging table and records the run.
    async fn post_execution_cleanup(
        &self,
        holder: &str,
        live: &TargetTable,
        table: &TableId,
        done: &Summary,
        started_micros: i64,
    ) -> Result<(), TransferError> {
        self.progress.begin(Phase::PostExecutionCleanup, "");
        self.drop_staging(holder).await?;
        let ended = runs::Ended {
            of: self.of(),
            run: done.run,
            started_micros,
            ended_micros: Clock::System.now_micros(),
            counts: done.counts,
            applied: done.applied,
            bytes_billed: done.bytes_billed,
            fingerprint: &done.fingerprint,
            job: &done.job,
        };
        let id = format!("{}_record", self.jobs(holder));
        self.query("record the run", &runs::record(table, &ended), id, live).await?;
        tracing::info!(step = "post_execution_cleanup", "step done");
        Ok(())
    }
}

fn applied(method: &Method, done: &JobDone, counts: Counts) -> Applied {
    match method {
        Method::Copy { .. } => Applied { inserted: counts.rows, updated: 0, deleted: None },
        Method::Replace { .. } | Method::Merge { .. } => Applied {
            inserted: done.number("/query/dmlStats/insertedRowCount"),
            updated: done.number("/query/dmlStats/updatedRowCount"),
            deleted: Some(done.number("/query/dmlStats/deletedRowCount")),
        },
    }
}
