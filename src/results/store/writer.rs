//! What the follower writes: reports and the next offsets, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::database::Database;
use super::error::StoreError;
use crate::record::{Offset, Partition};
use crate::results::report::{Change, Report};
use crate::topic_id::TopicId;

/// A reader that was away for longer might miss that a report was removed: Kafka keeps a tombstone for
/// `delete.retention.ms`, 24 hours by default.
const LONGEST_PAUSE_MS: i64 = 12 * 3_600_000;

/// Writes the store. There is one for each file.
pub struct StoreWriter {
    database: Database,
    topic: String,
    contract: String,
}

/// What is written together.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order of their partitions.
    pub changes: Vec<Change>,
    /// The next offset to read, of the partitions that have records in this batch.
    pub next: BTreeMap<Partition, Offset>,
    /// When everything that the topic had was read, in milliseconds since the epoch; `None` where it
    /// was not.
    pub current_ms: Option<i64>,
}

/// What the store has when reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The next offset of each partition that was read.
    pub next: BTreeMap<Partition, Offset>,
    /// Why the store was emptied. `None`: it goes on where it was.
    pub emptied: Option<&'static str>,
}

/// The row of `meta`.
struct Meta {
    topic: String,
    contract: String,
    topic_id: Option<String>,
    current_ms: i64,
}

impl StoreWriter {
    pub(super) fn new(database: Database, topic: &str, contract: &str) -> Self {
        Self { database, topic: topic.to_owned(), contract: contract.to_owned() }
    }

    /// Says where to go on reading the topic, and empties the store first where it cannot go on.
    /// `topic_id` is the topic's now, where the brokers have such ids.
    pub fn begin(&mut self, topic_id: Option<TopicId>, now_ms: i64) -> Result<Kept, StoreError> {
        let meta = self.meta()?;
        let reason = match &meta {
            None => Some("the store is new"),
            Some(meta) => self.unusable(meta, topic_id, now_ms),
        };
        if let Some(why) = reason {
            self.empty(topic_id, now_ms)?;
            return Ok(Kept { next: BTreeMap::new(), emptied: Some(why) });
        }
        if let Some(id) = topic_id {
            let sql = "UPDATE meta SET topic_id = ?1";
            self.database.connection.execute(sql, [id.to_string()])?;
        }
        Ok(Kept { next: self.next()?, emptied: None })
    }

    fn unusable(
        &self,
        meta: &Meta,
        topic_id: Option<TopicId>,
        now_ms: i64,
    ) -> Option<&'static str> {
        let read: Option<TopicId> = meta.topic_id.as_ref().and_then(|id| id.parse().ok());
        if meta.topic != self.topic {
            Some("the store has the reports of another topic")
        } else if TopicId::differ(read, topic_id).is_some() {
            Some("the topic was deleted and created again")
        } else if meta.contract != self.contract {
            Some("the contract is another one")
        } else if now_ms.saturating_sub(meta.current_ms) > LONGEST_PAUSE_MS {
            Some("the store is more than 12 hours old, and tombstones may be gone since")
        } else {
            None
        }
    }

    /// Whether so much time has passed since everything was read that [`Self::begin`] would empty the
    /// store.
    pub fn is_too_old(&self, now_ms: i64) -> Result<bool, StoreError> {
        let meta = self.meta()?;
        Ok(meta.is_some_and(|meta| now_ms.saturating_sub(meta.current_ms) > LONGEST_PAUSE_MS))
    }

    /// Forgets all reports and offsets. The store is incomplete until a batch says otherwise.
    pub fn empty(&mut self, topic_id: Option<TopicId>, now_ms: i64) -> Result<(), StoreError> {
        let transaction = begin(&mut self.database.connection)?;
        for table in ["meta", "offsets", "reports", "findings"] {
            transaction.execute(&format!("DELETE FROM {table}"), [])?;
        }
        let sql = "INSERT INTO meta VALUES (1, ?1, ?2, ?3, 0, ?4)";
        let id = topic_id.map(|id| id.to_string());
        transaction.execute(sql, params![self.topic, self.contract, id, now_ms])?;
        Ok(transaction.commit()?)
    }

    /// Stores what was read, all of it or nothing.
    pub fn store(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let transaction = begin(&mut self.database.connection)?;
        for change in &batch.changes {
            apply(&transaction, change)?;
        }
        for (partition, next) in &batch.next {
            let sql = "INSERT INTO offsets VALUES (?1, ?2)
                       ON CONFLICT (partition) DO UPDATE SET next = excluded.next";
            transaction.prepare_cached(sql)?.execute([i64::from(partition.0), next.0])?;
        }
        if let Some(now_ms) = batch.current_ms {
            let sql = "UPDATE meta SET complete = 1, current_ms = ?1";
            transaction.prepare_cached(sql)?.execute([now_ms])?;
        }
        Ok(transaction.commit()?)
    }

    fn meta(&self) -> Result<Option<Meta>, StoreError> {
        let sql = "SELECT topic, contract, topic_id, current_ms FROM meta";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Meta {
                topic: row.get(0)?,
                contract: row.get(1)?,
                topic_id: row.get(2)?,
                current_ms: row.get(3)?,
            })
        };
        Ok(self.database.connection.query_row(sql, [], read).optional()?)
    }

    fn next(&self) -> Result<BTreeMap<Partition, Offset>, StoreError> {
        let mut rows = self.database.connection.prepare("SELECT partition, next FROM offsets")?;
        let next = rows.query_map([], |row| Ok((Partition(row.get(0)?), Offset(row.get(1)?))))?;
        Ok(next.collect::<Result<_, _>>()?)
    }
}

fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let partition = change.at.partition.0;
    let sql = "DELETE FROM reports WHERE partition = ?1 AND identity = ?2
               RETURNING id, organization, cluster";
    let identity = change.identity.bytes();
    let former: Option<(i64, String, String)> = transaction
        .prepare_cached(sql)?
        .query_row(params![partition, identity], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((id, organization, cluster)) = &former {
        transaction.prepare_cached("DELETE FROM findings WHERE report = ?1")?.execute([id])?;
        let is_same =
            |report: &Report| report.organization == *organization && report.cluster == *cluster;
        if !change.report.as_ref().is_some_and(is_same) {
            show_latest(transaction, organization, cluster)?;
        }
    }
    let Some(report) = &change.report else { return Ok(()) };
    let sql = "INSERT INTO reports
               (partition, identity, offset, timestamp_ms, organization, cluster, report)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let Report { organization, cluster, findings, text } = report;
    let at = change.at.offset.0;
    transaction.prepare_cached(sql)?.execute(params![
        partition,
        identity,
        at,
        change.timestamp_ms,
        organization,
        cluster,
        text
    ])?;
    let id = transaction.last_insert_rowid();
    for (rule, count) in findings {
        let sql = "INSERT INTO findings VALUES (?1, ?2, ?3, ?4, ?5)";
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        transaction.prepare_cached(sql)?.execute(params![
            rule,
            organization,
            cluster,
            id,
            count
        ])?;
    }
    show_latest(transaction, organization, cluster)
}

/// Shows the latest of a cluster's reports. There is more than one where records of the cluster have
/// several keys, or none: then no offset says which is later, and the timestamp decides.
fn show_latest(
    transaction: &Transaction<'_>,
    organization: &str,
    cluster: &str,
) -> rusqlite::Result<()> {
    let hide = "UPDATE reports SET shown = 0
                WHERE organization = ?1 AND cluster = ?2 AND shown = 1";
    transaction.prepare_cached(hide)?.execute([organization, cluster])?;
    let show = "UPDATE reports SET shown = 1 WHERE id = (
                    SELECT id FROM reports WHERE organization = ?1 AND cluster = ?2
                    ORDER BY timestamp_ms DESC, partition DESC, offset DESC LIMIT 1)";
    transaction.prepare_cached(show)?.execute([organization, cluster])?;
    Ok(())
}
