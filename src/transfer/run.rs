//! The three steps of a run, on BigQuery.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counts::Counts;
use super::intake::{DayCheck, Intake, Order};
use super::reading::Reading;
use super::request::Request;
use super::runs;
use super::source::{Size, Source, SourceError};
use super::target::{Method, query};
use crate::clock::Clock;
use crate::config::{Duplicates, SourceSettings, TableId, TransferSettings};
use crate::record::Position;
use crate::row::{Column, ColumnType, Mode as ColumnMode, TableSchema};
use crate::shutdown::Shutdown;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{
    Acquired, Applied, Job, JobDone, Lease, Merge, Staging, StagingError, TargetTable,
};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::stop::Stop;
use crate::transcode::Plan;

/// How long a staging table lives that nobody drops.
const STAGING: Duration = Duration::from_secs(2 * 86_400);

/// How often rows are staged again without those that BigQuery refuses.
const ATTEMPTS: usize = 5;

/// In staging tables where the last of several rows with the same key counts.
const ORDER: &str = "_transfer_order";

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
    /// The topic or the files, and the contract, for dead letters.
    pub topic: String,
    pub contract: String,
    pub progress: Progress,
    pub shutdown: Shutdown,
}

/// What a run has done so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    read: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Progress {
    /// Records, bytes of them, and rows.
    pub fn now(&self) -> (u64, u64, u64) {
        let Inner { read, bytes, rows } = &*self.inner;
        [read, bytes, rows].map(|one| one.load(Ordering::Relaxed)).into()
    }

    fn add(&self, counts: Counts, bytes: u64) {
        self.inner.read.fetch_add(counts.read, Ordering::Relaxed);
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.inner.rows.fetch_add(counts.rows, Ordering::Relaxed);
    }
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
    /// Whether an interrupted run had changed it already.
    pub adopted: bool,
    pub method: String,
    pub dead_letters: String,
}

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the run is held by {by}")]
    Held { by: String, expires_in_ms: i64 },
    #[error("{rejected} of {read} records are rejected, and --max-rejected is {limit}")]
    TooManyRejected { rejected: u64, read: u64, limit: String, dead_letters: String },
    #[error("{keys} keys are those of several rows")]
    Duplicates { keys: u64 },
    #[error("{what}")]
    Settings { what: String, hint: String },
    #[error("stopped by a signal")]
    Interrupted,
}

impl Transfer<'_> {
    /// Does all three steps. The target is as it was, or as it should be.
    pub async fn run(mut self) -> Result<Summary, TransferError> {
        let started = Clock::System.now_micros();
        let manage = self.settings.domain.write.manage_table;
        let by = self.settings.date_column.as_deref();
        let prepared = self.bigquery.prepare(&self.target, &self.columns, manage, by).await?;
        self.columns = prepared.columns;
        let live = self.bigquery.target(&self.target).await?;
        let runs = runs::table(&self.target);
        self.bigquery.prepare(&runs, &runs::columns(), true, Some("started_at")).await?;
        let holder = format!("{:016x}", rand::random::<u64>());
        let lease = self.acquire(&holder).await?;
        let kept = tokio::spawn(keep(lease.clone(), self.bigquery.clone(), self.settings.lease));
        let staging =
            TableId { table: format!("{}{holder}", self.prefix()), ..self.target.clone() };
        let ended = self.steps(&staging, &live, &runs, &lease, started).await;
        kept.abort();
        if ended.is_err() {
            // The next run would do it too.
            if let Err(error) = self.bigquery.drop_table(&staging).await {
                tracing::warn!(
                    error = crate::error_chain::chain(&error),
                    "the staging table stays"
                );
            }
        }
        if let Err(error) = lease.release(&self.bigquery).await {
            tracing::warn!(
                error = crate::error_chain::chain(&error),
                "the lease expires by itself"
            );
        }
        ended
    }

    async fn steps(
        &mut self,
        staging: &TableId,
        live: &TargetTable,
        runs: &TableId,
        lease: &Lease,
        started: i64,
    ) -> Result<Summary, TransferError> {
        self.pre_execution_cleansing().await?;
        let run = self.ended_runs(live, runs).await? + 1;
        let done = self.pipeline(staging, live, lease, run).await?;
        self.post_execution_cleanup(staging, live, runs, &done, started).await?;
        Ok(done)
    }

    /// Removes what interrupted runs of this transfer and date have left.
    async fn pre_execution_cleansing(&self) -> Result<(), TransferError> {
        let dropped = self.bigquery.delete_tables(&self.target, &self.prefix()).await?;
        tracing::info!(step = "pre_execution_cleansing", dropped = dropped.len(), "step done");
        Ok(())
    }

    /// Stages the rows, counts them and moves them into the target.
    async fn pipeline(
        &mut self,
        staging: &TableId,
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
        self.own_sql("before", settings.before.as_ref(), live, run).await?;
        let letters = self.letters(run).await?;
        let (counts, fingerprint) = self.stage(staging, live, orders, &letters).await?;
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
            staging,
            columns: &columns,
            range: None,
            key: &key,
            last_by: orders.then_some(ORDER),
        };
        self.check_staged(&merge, live, counts, orders).await?;
        let fingerprint = format!("{fingerprint:032x}");
        let mut id = self.job_id(run, &fingerprint);
        // Rows that are not in this staging table are another job's.
        if let Some(sql) = method.job(&merge, settings.delete_missing)["query"]["query"].as_str() {
            id = format!(
                "{id}_{:08x}",
                xxhash_rust::xxh3::xxh3_64(sql.replace(&staging.table, "").as_bytes()) as u32
            );
        }
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
            id,
            configuration: method.job(&merge, settings.delete_missing),
        };
        let hint = "the target is as it was; correct what the message says and run it again";
        let done = self.bigquery.run_job(&job).await.map_err(|error| error.stop(hint))?;
        let applied = applied(&method, &done, counts);
        self.own_sql("after", settings.after.as_ref(), live, run).await?;
        Ok(Summary {
            run,
            counts,
            applied,
            bytes_billed: done.number("/query/totalBytesBilled"),
            fingerprint,
            job: done.id,
            adopted: done.adopted,
            method: method.describe(&self.target),
            dead_letters: letters.to_string(),
        })
    }

    /// Drops the staging table and records the run.
    async fn post_execution_cleanup(
        &self,
        staging: &TableId,
        live: &TargetTable,
        table: &TableId,
        done: &Summary,
        started_micros: i64,
    ) -> Result<(), TransferError> {
        self.bigquery.drop_table(staging).await?;
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
        let id = format!("{}_record", self.job_id(done.run, &done.fingerprint));
        self.query("record the run", &runs::record(table, &ended), id, live).await?;
        tracing::info!(step = "post_execution_cleanup", "step done");
        Ok(())
    }

    /// Reads the source into the staging table. Where BigQuery refuses rows, all others are staged
    /// again.
    async fn stage(
        &mut self,
        staging: &TableId,
        live: &TargetTable,
        orders: bool,
        letters: &DeadLetters,
    ) -> Result<(Counts, u128), TransferError> {
        let mut refused: BTreeMap<Position, String> = BTreeMap::new();
        for _ in 0..ATTEMPTS {
            let order = Column::nullable(ORDER, ColumnType::Int64);
            let also = if orders { std::slice::from_ref(&order) } else { &[] };
            self.bigquery.drop_table(staging).await?;
            self.bigquery.create_staging(staging, live, also, STAGING).await?;
            let columns: Vec<Column> = self.columns.columns.iter().chain(also).cloned().collect();
            let columns = TableSchema { columns };
            let mut to = Staging::new(self.bigquery.clone(), staging.clone(), &columns);
            match self.fill(&mut to, orders, &refused, letters).await {
                Ok((counts, fingerprint)) => match to.commit().await {
                    Ok(rows) if rows == counts.rows => return Ok((counts, fingerprint)),
                    Ok(rows) => {
                        return Err(TransferError::Stop(Stop {
                            what: format!(
                                "stage rows: {} were sent, {rows} committed",
                                counts.rows
                            ),
                            hint: "please report this".to_owned(),
                            source: None,
                        }));
                    }
                    Err(StagingError::Refused(rows)) => refused.extend(rows),
                    Err(StagingError::Stop(stop)) => return Err(stop.into()),
                },
                Err(Fill::Refused(rows)) => refused.extend(rows),
                Err(Fill::Failed(error)) => return Err(error),
            }
            tracing::warn!(
                refused = refused.len(),
                "bigquery refuses rows; the others are staged again"
            );
        }
        Err(TransferError::Stop(Stop {
            what: format!("stage rows of {}", self.settings.name),
            hint: "BigQuery refuses more rows at each attempt; the messages are in the log"
                .to_owned(),
            source: None,
        }))
    }

    async fn fill(
        &mut self,
        to: &mut Staging,
        orders: bool,
        refused: &BTreeMap<Position, String>,
        letters: &DeadLetters,
    ) -> Result<(Counts, u128), Fill> {
        let plan = (self.plan)(&self.columns).map_err(TransferError::from)?;
        let order = orders.then_some(Order { field: self.columns.columns.len() as u32 + 1 });
        let intake =
            Intake::new(plan, self.columns.clone(), self.day_check()?, refused.clone(), order);
        let source = std::mem::replace(&mut self.source, Source::none());
        let mut reading = Reading::start(source, intake);
        let (mut counts, mut fingerprint, mut failed) = (Counts::default(), 0_u128, None);
        while let Some(chunk) = reading.next().await {
            counts.add(chunk.counts);
            fingerprint = fingerprint.wrapping_add(chunk.fingerprint);
            self.progress.add(chunk.counts, chunk.bytes);
            let sent = async {
                if !chunk.letters.is_empty() {
                    letters.send(&chunk.letters, &|| {}).await.map_err(StagingError::Stop)?;
                }
                to.append(chunk.rows).await
            };
            if let Err(error) = sent.await {
                failed = Some(error);
                break;
            }
            if self.shutdown.requested() {
                break;
            }
        }
        let ended = reading.end().await;
        let (source, read) = ended.map_err(|error| {
            let hint = "please report this with the log around it";
            TransferError::Stop(Stop::new("read the source", hint, error))
        })?;
        self.source = source;
        match failed {
            Some(StagingError::Refused(rows)) => return Err(Fill::Refused(rows)),
            Some(StagingError::Stop(stop)) => return Err(TransferError::Stop(stop).into()),
            None => {}
        }
        if self.shutdown.requested() {
            return Err(TransferError::Interrupted.into());
        }
        read.map_err(TransferError::from)?;
        Ok((counts, fingerprint))
    }

    /// Compares what is in the staging table with what was read.
    async fn check_staged(
        &self,
        merge: &Merge<'_>,
        live: &TargetTable,
        counts: Counts,
        orders: bool,
    ) -> Result<(), TransferError> {
        let id = |what: &str| format!("{}_{what}", merge.staging.table);
        let sql =
            format!("SELECT COUNT(*) FROM {}", crate::sink::bigquery::batch::name(merge.staging));
        let staged = self.query("count the staged rows", &sql, id("count"), live).await?;
        if !counts.is_complete() || staged != counts.rows {
            return Err(TransferError::Stop(Stop {
                what: format!("the counts do not agree: {counts:?}, and {staged} rows are staged"),
                hint: "the target is as it was; please report this".to_owned(),
                source: None,
            }));
        }
        if !self.settings.key.is_empty() && !orders {
            let keys = self
                .query("look for repeated keys", &merge.repeated_keys(), id("keys"), live)
                .await?;
            if keys > 0 {
                return Err(TransferError::Duplicates { keys });
            }
        }
        Ok(())
    }

    async fn acquire(&self, holder: &str) -> Result<Lease, TransferError> {
        let table = TableId {
            table: self.prefix().trim_end_matches('_').to_owned(),
            ..self.target.clone()
        };
        let about = format!(
            "process {} of {}, begun at {}",
            std::process::id(),
            std::env::var("HOSTNAME").unwrap_or_else(|_| "this machine".to_owned()),
            jiff::Timestamp::from_microsecond(Clock::System.now_micros())
                .unwrap_or_default()
                .strftime("%Y-%m-%dT%H:%M:%SZ"),
        );
        let mut said = false;
        loop {
            match self.bigquery.lease(table.clone(), holder, &about, self.settings.lease).await? {
                Acquired::Mine(lease) => return Ok(lease),
                Acquired::Held { by, expires_in_ms } if !self.request.wait => {
                    return Err(TransferError::Held { by, expires_in_ms });
                }
                Acquired::Held { by, expires_in_ms } => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::info!(by, expires_in_ms, "waiting for another run");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = self.shutdown.wait() => return Err(TransferError::Interrupted),
            }
        }
    }

    /// A statement of the user's own. A run that is resumed does not run it again.
    async fn own_sql(
        &self,
        when: &str,
        file: Option<&std::path::PathBuf>,
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
        let id = format!(
            "{}_{when}",
            self.job_id(run, &format!("{:016x}", xxhash_rust::xxh3::xxh3_64(sql.as_bytes())))
        );
        self.query(&format!("run {}", file.display()), &sql, id, live).await?;
        Ok(())
    }

    async fn ended_runs(&self, live: &TargetTable, table: &TableId) -> Result<u64, TransferError> {
        let id = format!("{}_runs_{:016x}", self.prefix(), rand::random::<u64>());
        self.query("count the runs", &runs::count(table, self.of()), id, live).await
    }

    /// Runs a statement, and returns the number that is its answer; 0 where it has none.
    async fn query(
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

    async fn letters(&self, run: u64) -> Result<DeadLetters, TransferError> {
        let about = About {
            topic: self.topic.clone(),
            group: format!("transfer-{} {} run {run}", self.settings.name, self.request.days),
            contract: self.contract.clone(),
        };
        let manage = self.settings.domain.write.manage_table;
        Ok(DeadLetters::bigquery(&self.bigquery, &self.target, manage, about).await?)
    }

    /// What tells rows apart.
    fn key(&self) -> Result<Vec<String>, TransferError> {
        let wrong = |what: String| TransferError::Settings {
            what,
            hint: "`key` names columns that every row has, each with one value".to_owned(),
        };
        let is_topic = matches!(self.settings.source, SourceSettings::Topic);
        let key: Vec<String> = match (&self.settings.key[..], is_topic) {
            ([], true) => vec!["_kafka_partition".to_owned(), "_kafka_offset".to_owned()],
            ([], false) if self.request.mode == super::request::Mode::Delta => {
                return Err(wrong("mode delta needs to know which rows are the same".to_owned()));
            }
            (key, _) => key.to_vec(),
        };
        for name in &key {
            let Some(column) = self.columns.column(name) else {
                return Err(wrong(format!("the key {name} is no column of {}", self.target)));
            };
            let has_value = column.required || column.mode == ColumnMode::Required || is_topic;
            let one = column.mode != ColumnMode::Repeated
                && !matches!(
                    column.kind,
                    ColumnType::Record(_) | ColumnType::Json | ColumnType::Float64
                );
            if !has_value || !one {
                return Err(wrong(format!(
                    "the key {name} ({}) may be missing, or has values that cannot be compared",
                    column.kind.name()
                )));
            }
        }
        Ok(key)
    }

    fn day_check(&self) -> Result<Option<DayCheck>, TransferError> {
        let Some(name) = &self.settings.date_column else { return Ok(None) };
        let days = &self.request.days;
        let index =
            self.columns.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let Some(column) = index else {
            return Err(TransferError::Settings {
                what: format!("the rows have no column {name}"),
                hint: "date_column names a column that the contract gives".to_owned(),
            });
        };
        let (from, to) = days.micros();
        Ok(Some(DayCheck {
            column,
            name: name.clone(),
            days: days.first()..days.after(),
            micros: from..to,
        }))
    }

    fn of(&self) -> runs::Of<'_> {
        runs::Of {
            transfer: &self.settings.name,
            days: &self.request.days,
            mode: self.request.mode,
            target: &self.target,
        }
    }

    /// The beginning of the names of this transfer's and date's tables.
    fn prefix(&self) -> String {
        let date = self.request.days.last().strftime("%Y%m%d");
        format!("{}_transfer_{}_{date}_", self.target.table, self.settings.name)
    }

    /// The same for a run that is resumed, and for no other.
    fn job_id(&self, run: u64, fingerprint: &str) -> String {
        let days = &self.request.days;
        format!(
            "generic_consumer_{}_{}_{}_{}_{}_{run}_{fingerprint}",
            self.target.table,
            self.settings.name,
            self.request.mode.name(),
            days.first().strftime("%Y%m%d"),
            days.last().strftime("%Y%m%d"),
        )
    }

    /// How much there is to read.
    pub fn size(&self) -> Size {
        self.source.size()
    }
}

/// Why a staging table is not filled.
enum Fill {
    Refused(Vec<(Position, String)>),
    Failed(TransferError),
}

impl From<TransferError> for Fill {
    fn from(error: TransferError) -> Self {
        Self::Failed(error)
    }
}

/// Renews the lease as long as the run lasts. One that is lost is found before the target is changed.
async fn keep(lease: Lease, bigquery: BigQuery, lasts: Duration) {
    loop {
        tokio::time::sleep(lasts / 3).await;
        match lease.renew(&bigquery).await {
            Ok(true) => {}
            Ok(false) => return tracing::warn!("another run holds the lease now"),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain::chain(&error),
                    "the lease is not renewed"
                );
            }
        }
    }
}

fn applied(method: &Method, done: &JobDone, counts: Counts) -> Applied {
    match method {
        Method::Copy { .. } => Applied { inserted: counts.rows, updated: 0, deleted: 0 },
        Method::Replace { .. } | Method::Merge { .. } => Applied {
            inserted: done.number("/query/dmlStats/insertedRowCount"),
            updated: done.number("/query/dmlStats/updatedRowCount"),
            deleted: done.number("/query/dmlStats/deletedRowCount"),
        },
    }
}
