//! From the source into a staging table, and what is checked before the target is touched.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::counts::Counts;
use super::error::TransferError;
use super::intake::{Intake, Order};
use super::progress::Phase;
use super::reading::Reading;
use super::run::{ORDER, Transfer};
use super::source::Source;
use crate::config::{TableId, printable_beginning};
use crate::record::Position;
use crate::row::{Column, ColumnType, TableSchema};
use crate::sink::bigquery::batch::{Merge, Staging, StagingError, TargetTable, name};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::stop::Stop;

/// How long a staging table lives that nobody drops.
const STAGING: Duration = Duration::from_secs(2 * 86_400);

/// How many of the keys that are repeated an error names.
const EXAMPLES: u32 = 5;

/// How often rows are staged again without those that BigQuery refuses.
const ATTEMPTS: usize = 5;

/// The rows of a run in their staging table.
pub struct Staged {
    pub table: TableId,
    pub counts: Counts,
    /// The sum of the hashes of the rows.
    pub fingerprint: u128,
}

impl Transfer<'_> {
    /// Reads the source into the staging table. Where BigQuery refuses rows, all others are staged
    /// again.
    pub(super) async fn stage(
        &mut self,
        holder: &str,
        live: &TargetTable,
        orders: bool,
        letters: &DeadLetters,
    ) -> Result<Staged, TransferError> {
        let mut refused: BTreeMap<Position, String> = BTreeMap::new();
        for attempt in 0..ATTEMPTS {
            self.progress.begin(Phase::Staging, "");
            // A table that was dropped and created again is not found for a while.
            let table = format!("{}{attempt}", self.staging_prefix(holder));
            let staging = TableId { table, ..self.target.clone() };
            let order = Column::nullable(ORDER, ColumnType::Int64);
            let also = if orders { std::slice::from_ref(&order) } else { &[] };
            self.bigquery.create_staging(&staging, live, also, STAGING).await?;
            let columns: Vec<Column> = self.columns.columns.iter().chain(also).cloned().collect();
            let columns = TableSchema { columns };
            let mut to = Staging::new(self.bigquery.clone(), staging.clone(), &columns);
            match self.fill(&mut to, orders, &refused, letters).await {
                Ok((counts, fingerprint)) => match to.commit().await {
                    Ok(rows) if rows == counts.rows => {
                        return Ok(Staged { table: staging, counts, fingerprint });
                    }
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
            self.bigquery.drop_table(&staging).await?;
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

    /// Drops what this run has staged.
    pub(super) async fn drop_staging(&self, holder: &str) -> Result<(), Stop> {
        let prefix = self.staging_prefix(holder);
        for table in self.bigquery.tables_named(&self.target, &prefix).await? {
            self.bigquery.drop_table(&table).await?;
        }
        Ok(())
    }

    /// Compares what is in the staging table with what was read.
    pub(super) async fn check_staged(
        &self,
        merge: &Merge<'_>,
        live: &TargetTable,
        counts: Counts,
        orders: bool,
    ) -> Result<(), TransferError> {
        self.progress.begin(Phase::Checking, "");
        let id = |what: &str| format!("{}_{what}", merge.staging.table);
        let sql = format!("SELECT COUNT(*) FROM {}", name(merge.staging));
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
                let sql = merge.examples_of_repeated_keys(EXAMPLES);
                let rows = self.rows("read repeated keys", &sql, id("examples"), live).await?;
                let examples = rows.iter().map(|row| example(merge.key, row)).collect();
                return Err(TransferError::Duplicates { keys, examples });
            }
        }
        Ok(())
    }

    pub(super) async fn letters(&self, run: u64) -> Result<DeadLetters, TransferError> {
        let about = About {
            topic: self.topic.clone(),
            group: format!("transfer-{} {} run {run}", self.settings.name, self.request.days),
            contract: self.contract.clone(),
        };
        let manage = self.settings.domain.write.manage_table;
        Ok(DeadLetters::bigquery(&self.bigquery, &self.target, manage, about).await?)
    }
}

/// A key and its number of rows, for people: `order_id "o1" (2 rows)`.
fn example(key: &[String], row: &[Value]) -> String {
    let text = |value: &Value| match value.as_str() {
        Some(text) => printable_beginning(false, text),
        None => value.to_string(),
    };
    let key = key.iter().zip(row).map(|(name, value)| format!("{name} \"{}\"", text(value)));
    let key: Vec<String> = key.collect();
    let rows = row.last().map(text).unwrap_or_default();
    format!("{} ({rows} rows)", key.join(", "))
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
