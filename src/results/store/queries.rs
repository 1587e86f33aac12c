//! What the API reads. Every answer is of one moment.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};

use super::database::connect;
use super::error::StoreError;
use crate::record::Position;

/// Connections that are kept for further queries.
const MOST_IDLE: usize = 8;

/// The reports of a store, for many readers at once. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Reports {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// A report that is shown, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub organization: String,
    pub cluster: String,
    /// Where the record is on the topic.
    pub at: Position,
    pub timestamp_ms: Option<i64>,
    /// All findings of the report.
    pub findings: u64,
}

/// A report with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterReport {
    pub held: Held,
    pub text: String,
}

/// A cluster in which a rule has found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedCluster {
    pub held: Held,
    /// The findings of the rule.
    pub of_rule: u64,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether the list goes on.
    pub has_more: bool,
}

/// The columns of [`Held`].
const HELD: &str = "r.organization, r.cluster, r.partition, r.offset, r.timestamp_ms,
    (SELECT coalesce(sum(findings), 0) FROM findings WHERE report = r.id)";

impl Reports {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default() }
    }

    /// The latest report of the cluster in each of up to `most` organizations, or in the one given.
    /// `None`: the topic is not read to its end yet.
    pub fn of_cluster(
        &self,
        cluster: &str,
        organization: Option<&str>,
        most: usize,
    ) -> Result<Option<Vec<ClusterReport>>, StoreError> {
        let sql = format!(
            "SELECT {HELD}, r.report FROM reports r
             WHERE r.cluster = ?1 AND r.shown = 1 AND (?2 IS NULL OR r.organization = ?2)
             ORDER BY r.organization LIMIT ?3"
        );
        let read = |row: &Row<'_>| Ok(ClusterReport { held: held(row)?, text: row.get(6)? });
        self.when_complete(|connection| {
            rows(connection, &sql, (cluster, organization, most as i64), read)
        })
    }

    /// The organization's clusters after this one, in the order of their names.
    pub fn of_organization(
        &self,
        organization: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Option<Page<Held>>, StoreError> {
        let sql = format!(
            "SELECT {HELD} FROM reports r
             WHERE r.organization = ?1 AND r.shown = 1 AND r.cluster > ?2
             ORDER BY r.cluster LIMIT ?3"
        );
        // No cluster has an empty name.
        let after = after.unwrap_or_default();
        self.when_complete(|connection| {
            let found = rows(connection, &sql, (organization, after, most as i64 + 1), held)?;
            Ok(page(found, most))
        })
    }

    /// The clusters in which the rule has found something, after this organization and cluster, in the
    /// order of both; in one organization, or in all.
    pub fn affected(
        &self,
        rule: &str,
        organization: Option<&str>,
        after: Option<(&str, &str)>,
        most: usize,
    ) -> Result<Option<Page<AffectedCluster>>, StoreError> {
        let only = if organization.is_some() { "AND f.organization = ?5" } else { "" };
        let sql = format!(
            "SELECT {HELD}, f.findings FROM findings f JOIN reports r ON r.id = f.report
             WHERE f.rule = ?1 AND (f.organization, f.cluster) > (?2, ?3) {only} AND r.shown = 1
             ORDER BY f.organization, f.cluster LIMIT ?4"
        );
        let (after_organization, after_cluster) = after.unwrap_or_default();
        let limit = most as i64 + 1;
        let mut values: Vec<&dyn ToSql> = vec![&rule, &after_organization, &after_cluster, &limit];
        if let Some(organization) = &organization {
            values.push(organization);
        }
        let read = |row: &Row<'_>| Ok(AffectedCluster { held: held(row)?, of_rule: row.get(6)? });
        self.when_complete(|connection| Ok(page(rows(connection, &sql, &values[..], read)?, most)))
    }

    /// How many reports are shown.
    pub fn count(&self) -> Result<i64, StoreError> {
        self.with(|connection| {
            let sql = "SELECT count(*) FROM reports WHERE shown = 1";
            connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
        })
    }

    /// Whether the topic was once read to where it ended when its reading began.
    pub fn is_complete(&self) -> Result<bool, StoreError> {
        self.when_complete(|_| Ok(())).map(|complete| complete.is_some())
    }

    /// The result of a query, if the store is complete at the same moment.
    fn when_complete<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            let sql = "SELECT complete FROM meta";
            let complete: Option<bool> =
                transaction.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
            if complete != Some(true) {
                return Ok(None);
            }
            query(&transaction).map(Some)
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let result = work(&mut connection)?;
        let mut idle = idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        Ok(result)
    }
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(values, read)?.collect()
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        organization: row.get(0)?,
        cluster: row.get(1)?,
        at: Position::new(row.get(2)?, row.get(3)?),
        timestamp_ms: row.get(4)?,
        findings: row.get(5)?,
    })
}

/// The first of the rows, of which one more was asked for.
fn page<T>(mut items: Vec<T>, most: usize) -> Page<T> {
    let has_more = items.len() > most;
    items.truncate(most);
    Page { items, has_more }
}
