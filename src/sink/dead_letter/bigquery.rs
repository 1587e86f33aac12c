//! Dead letters in a BigQuery table next to the domain's own.
//!
//! A record that the contract rejects may be anything: its key or headers may be larger than a request
//! to BigQuery, or something that BigQuery does not take. A letter must never stop the instance for
//! good, so keys and headers above a limit are left out, and of a letter that BigQuery refuses all that
//! came from the record. What remains names the record, with the size and hash of its value.

use std::fmt;

use tokio::sync::Mutex;
use tonic::transport::Channel;

use super::about::About;
use super::letter_row::{self, Kept};
use super::on_retry::OnRetry;
use crate::clock::Clock;
use crate::config::TableId;
use crate::record::DeadLetter;
use crate::row::TableSchema;
use crate::sink::BatchId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::appender::{
    ANSWER, Appended, Appender, Destination, RefusedRow, StreamKind,
};
use crate::sink::bigquery::descriptor::writer_schema;
use crate::stop::Stop;

/// The dead-letter table and the appender to its default stream.
pub struct LetterTable {
    bigquery: BigQuery,
    channel: Channel,
    to: Destination,
    columns: TableSchema,
    about: About,
    clock: Clock,
    /// `None` before the first letter, and while letters are being sent. Sending is exclusive: dead
    /// letters are few.
    appender: Mutex<Option<Appender>>,
}

impl fmt::Display for LetterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.table.fmt(f)
    }
}

impl LetterTable {
    pub async fn open(
        bigquery: &BigQuery,
        table: TableId,
        manage: bool,
        about: About,
    ) -> Result<Self, Stop> {
        let desired = letter_row::columns();
        let prepared = bigquery.prepare(&table, &desired, manage, Some("_ingested_at")).await?;
        let to = Destination {
            schema: writer_schema(&prepared.columns),
            created: prepared.created,
            table,
            stream: StreamKind::Default,
            answer: ANSWER,
        };
        Ok(Self {
            to,
            columns: prepared.columns,
            about,
            clock: bigquery.clock(),
            channel: bigquery.channel(),
            appender: Mutex::new(None),
            bigquery: bigquery.clone(),
        })
    }

    /// Durable once this returns.
    pub async fn send(&self, letters: &[DeadLetter], on_retry: &OnRetry) -> Result<(), Stop> {
        let mut slot = self.appender.lock().await;
        // It is put back only after success. Where this future is dropped instead, because its lane
        // was given up, the appender goes with it, and nobody takes its answers for their own.
        let mut appender = slot.take().unwrap_or_else(|| {
            Appender::new(self.bigquery.clone(), self.channel.clone(), self.to.clone())
        });
        let refused = self.append(&mut appender, letters.iter(), Kept::MIB, on_retry).await?;
        if !refused.is_empty() {
            let refused_now = |letter: &&DeadLetter| refused.iter().any(|row| row.at == letter.at);
            let letters = letters.iter().filter(refused_now);
            let still = self.append(&mut appender, letters, Kept::Position, on_retry).await?;
            if let Some(row) = still.into_iter().next() {
                return Err(self.refused(row.message));
            }
        }
        *slot = Some(appender);
        Ok(())
    }

    /// Returns the letters that BigQuery refuses; all others are durable.
    async fn append(
        &self,
        appender: &mut Appender,
        letters: impl Iterator<Item = &DeadLetter>,
        kept: Kept,
        on_retry: &OnRetry,
    ) -> Result<Vec<RefusedRow>, Stop> {
        let now = self.clock.now_micros();
        let letters = letters.map(|letter| (letter, kept));
        let rows = self.about.rows(&self.columns, letters, now);
        appender.admit(BatchId(0), rows, false);
        let mut refused = Vec::new();
        while appender.settled().is_none() {
            if let Appended::Retrying(_) = appender.send().await? {
                on_retry();
            }
            match appender.next().await? {
                Appended::Refused { batch, rows } => {
                    for RefusedRow { at, message, .. } in &rows {
                        tracing::warn!(position = %at, message, "bigquery refuses a dead letter");
                    }
                    refused.extend(rows);
                    appender.delivered(batch, Vec::new());
                }
                Appended::Retrying(_) => on_retry(),
                Appended::Acknowledged(_) | Appended::Nothing => {}
            }
        }
        Ok(refused)
    }

    fn refused(&self, message: String) -> Stop {
        Stop::new(
            format!("append dead letters to {}", self.to.table),
            "BigQuery refuses a dead letter; please report this with the message",
            message,
        )
    }
}
