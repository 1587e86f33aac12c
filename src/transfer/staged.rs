//! From the source into a staging table, and what is checked before the target is touched.

use super::columns;
use super::counts::Counts;
use super::error::TransferError;
use super::intake::{Intake, Order};
use super::progress::Phase;
use super::reading::Reading;
use super::refused::Refused;
use super::run::{Run, Transfer};
use super::source::Source;
use super::target::{Change, StagedTable, Staging, StagingError, Target};
use crate::config::printable_beginning;
use crate::record::Position;
use crate::sink::dead_letter::About;
use crate::stop::Stop;

/// How many of the keys that are repeated an error names.
const EXAMPLES: u32 = 5;

/// How often rows are staged again without those that the database refuses.
pub const ATTEMPTS: usize = 5;

/// The rows of a run in their staging table.
pub struct Staged {
    pub table: StagedTable,
    pub counts: Counts,
    /// The sum of the hashes of the rows.
    pub fingerprint: u128,
}

impl<T: Target> Run<'_, T> {
    /// Reads the source into the staging table. Where the database refuses rows, all others are staged
    /// again.
    pub(super) async fn stage(&mut self, last_counts: bool) -> Result<Staged, TransferError> {
        let mut refused = Refused::new(self.transfer.source.keeps_positions());
        for attempt in 0..ATTEMPTS {
            self.transfer.progress.begin(Phase::Staging, "");
            match self.stage_once(attempt, last_counts, &mut refused).await {
                Ok(staged) => return Ok(staged),
                Err(StagingError::Refused(rows)) => learn(&mut refused, rows)?,
                Err(StagingError::Lost(why)) => tracing::warn!(why, "what was staged is gone"),
                Err(StagingError::Failed(error)) => return Err(error),
            }
            self.target.unstage().await?;
            tracing::warn!(
                refused = refused.len(),
                "the rows that are not refused are staged again"
            );
        }
        Err(TransferError::Stop(Stop {
            what: format!("stage rows of {}", self.transfer.settings.name),
            hint:
                "more rows are refused, or those that were staged are gone, at each attempt; the \
                   messages are in the log"
                    .to_owned(),
            source: None,
        }))
    }

    async fn stage_once(
        &mut self,
        attempt: usize,
        last_counts: bool,
        refused: &mut Refused,
    ) -> Result<Staged, StagingError> {
        let mut to = self.target.stage(attempt, last_counts).await?;
        let (counts, fingerprint) = self.fill(&mut to, last_counts, refused).await?;
        let table = to.commit().await?;
        if table.rows != counts.rows {
            return Err(StagingError::from(Stop {
                what: format!("stage rows: {} were sent, {} committed", counts.rows, table.rows),
                hint: "please report this".to_owned(),
                source: None,
            }));
        }
        Ok(Staged { table, counts, fingerprint })
    }

    async fn fill(
        &mut self,
        to: &mut T::Staging,
        last_counts: bool,
        refused: &mut Refused,
    ) -> Result<(Counts, u128), StagingError> {
        let columns = self.target.columns();
        let plan = (self.transfer.plan)(columns)?;
        let order = last_counts.then_some(Order { field: columns.columns.len() as u32 + 1 });
        let intake = Intake::new(
            plan,
            columns.clone(),
            columns::day_check(self.transfer.settings, self.transfer.request, columns)?,
            refused.clone(),
            order,
        );
        let source = std::mem::replace(&mut self.transfer.source, Source::none());
        let mut reading = Reading::start(source, intake);
        let (mut counts, mut fingerprint, mut failed) = (Counts::default(), 0_u128, None);
        while let Some(chunk) = reading.next().await {
            counts.add(chunk.counts);
            fingerprint = fingerprint.wrapping_add(chunk.fingerprint);
            self.transfer.progress.add(chunk.counts, chunk.bytes);
            refused.note(chunk.rows.positions(), &chunk.hashes);
            let sent = async {
                if !chunk.letters.is_empty() {
                    self.target.send_letters(&chunk.letters).await?;
                }
                to.append(chunk.rows).await
            };
            let sent = sent.await;
            let learnt = learn(refused, to.newly_refused()).map_err(StagingError::from);
            if let Err(error) = sent.and(learnt) {
                failed = Some(error);
                break;
            }
            if self.transfer.shutdown.requested() {
                break;
            }
        }
        let ended = reading.end().await;
        let (source, read) = ended.map_err(|error| {
            let hint = "please report this with the log around it";
            Stop::new("read the source", hint, error)
        })?;
        self.transfer.source = source;
        if let Some(error) = failed {
            return Err(error);
        }
        if self.transfer.shutdown.requested() {
            return Err(TransferError::Interrupted.into());
        }
        read.map_err(TransferError::from)?;
        Ok((counts, fingerprint))
    }

    /// Whether few enough records were rejected.
    pub(super) fn check_rejected(&self, staged: &Staged) -> Result<(), TransferError> {
        let (limit, Counts { rejected, read, .. }) =
            (self.transfer.request.max_rejected, staged.counts);
        match limit.allows(rejected, read) {
            true => Ok(()),
            false => Err(TransferError::TooManyRejected {
                rejected,
                read,
                limit: limit.to_string(),
                dead_letters: self.target.dead_letters(),
            }),
        }
    }

    /// Compares what is in the staging table with what was read.
    pub(super) async fn check_staged(
        &self,
        staged: &Staged,
        change: &Change<'_>,
    ) -> Result<(), StagingError> {
        self.transfer.progress.begin(Phase::Checking, "");
        let (table, counts) = (&staged.table, staged.counts);
        let rows = self.target.staged_rows(table).await?;
        if rows == 0 && counts.rows > 0 {
            return Err(StagingError::Lost(format!(
                "{} rows were staged, and none is there",
                counts.rows
            )));
        }
        if !counts.is_complete() || rows != counts.rows {
            return Err(StagingError::from(Stop {
                what: format!("the counts do not agree: {counts:?}, and {rows} rows are staged"),
                hint: "the target is as it was; please report this".to_owned(),
                source: None,
            }));
        }
        if !self.transfer.settings.key.is_empty() && !change.last_counts {
            let keys = self.target.repeated_keys(table, change.key).await?;
            if keys > 0 {
                let rows =
                    self.target.examples_of_repeated_keys(table, change.key, EXAMPLES).await?;
                let examples = rows.iter().map(|row| example(change.key, row)).collect();
                return Err(TransferError::Duplicates { keys, examples }.into());
            }
        }
        Ok(())
    }

    /// What the dead letters of a run say about it.
    pub(super) fn about(&self, run: u64) -> About {
        let Transfer { settings, request, topic, contract, .. } = &self.transfer;
        let name = &settings.name;
        let group = match &request.days {
            Some(days) => format!("transfer-{name} {days} run {run}"),
            None => format!("{name} run {run}"),
        };
        About { topic: topic.clone(), group, contract: contract.clone() }
    }
}

/// Remembers rows that the database has refused.
fn learn(refused: &mut Refused, rows: Vec<(Position, String)>) -> Result<(), TransferError> {
    match refused.add(rows) {
        true => Ok(()),
        false => Err(TransferError::Stop(Stop {
            what: "leave out rows that the database refuses".to_owned(),
            hint: "it names rows that were not sent a moment ago; please report this".to_owned(),
            source: None,
        })),
    }
}

/// A key and its number of rows, for people: `order_id "o1" (2 rows)`.
fn example(key: &[String], row: &[String]) -> String {
    let text = |value: &String| printable_beginning(false, value);
    let key = key.iter().zip(row).map(|(name, value)| format!("{name} \"{}\"", text(value)));
    let key: Vec<String> = key.collect();
    let rows = row.last().map(text).unwrap_or_default();
    format!("{} ({rows} rows)", key.join(", "))
}
