//! The table of offsets: who owns a partition, and where it is read next. The rules are in
//! docs/adr/0017-postgresql.md.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::columns::{literal, quoted_name};
use super::errors::PgError;
use super::pool::{Connection, Connections};
use crate::config::PostgresTable;
use crate::record::{Offset, Partition};
use crate::sink::StoredOffset;
use crate::stop::Stop;

/// The table's name, in the schema of the rows' table.
pub(super) const NAME: &str = "generic_consumer_offsets";

/// One partition's row.
const KEY: &str = "consumer_group = $1 AND topic = $2 AND partition = $3 AND target = $4";

const READ: &str = "read an offset";

/// What a row of `next` and `note` says.
fn stored(row: &Row) -> Result<Option<StoredOffset>, PgError> {
    let next: Option<i64> = row.try_get(0).map_err(PgError::of(READ))?;
    let note = row.try_get(1).map_err(PgError::of(READ))?;
    Ok(next.map(|next| StoredOffset { next: Offset(next), note }))
}

/// The statement that creates the table.
pub(super) fn definition(table: &PostgresTable) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\
         consumer_group text NOT NULL, topic text NOT NULL, partition integer NOT NULL, \
         target text NOT NULL, next bigint, note text NOT NULL DEFAULT '', owner text NOT NULL, \
         changed_at timestamp with time zone NOT NULL DEFAULT now(), \
         PRIMARY KEY (consumer_group, topic, partition, target)) WITH (fillfactor = 50)",
        quoted_name(table),
    )
}

/// The table is not there, and nobody creates it.
pub(super) fn missing(table: &PostgresTable) -> Stop {
    Stop {
        what: format!("write to the table {table}"),
        hint: format!(
            "there is no such table; create it, or set MANAGE_TABLE=true: {}",
            definition(table)
        ),
        source: None,
    }
}

/// What is stored of each partition of the group's topic: the next offset, and the note beside it.
pub async fn stored_offsets(
    connections: &Connections,
    rows: &PostgresTable,
    group: &str,
    topic: &str,
) -> Result<Vec<(Partition, StoredOffset)>, PgError> {
    let connection = connections.get().await?;
    let all = stored_on(&connection, rows, group, topic).await?;
    connection.give_back();
    Ok(all)
}

/// The same on a connection.
pub(super) async fn stored_on(
    connection: &Connection,
    rows: &PostgresTable,
    group: &str,
    topic: &str,
) -> Result<Vec<(Partition, StoredOffset)>, PgError> {
    let offsets = Offsets::new(rows, group, topic);
    let statement = format!(
        "SELECT next, note, partition FROM {} WHERE {} AND next IS NOT NULL",
        offsets.name(),
        offsets.key()
    );
    let rows = connection.query(&statement, &[]).await.map_err(PgError::of(READ))?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        let partition = Partition(row.try_get(2).map_err(PgError::of(READ))?);
        all.extend(stored(row)?.map(|stored| (partition, stored)));
    }
    Ok(all)
}

/// The offsets of one group, topic and table of rows.
#[derive(Debug, Clone)]
pub(super) struct Offsets {
    table: PostgresTable,
    group: String,
    topic: String,
    target: String,
}

/// What one writer knows of its partition's offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub partition: Partition,
    /// Random for each writer.
    pub token: String,
    /// What the table has, as this writer read it or wrote it last.
    pub stored: Option<StoredOffset>,
}

/// What the table says after a transaction of unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    NotStored,
    /// Another writer owns the partition, or a person has changed its row.
    Fenced,
}

impl Offsets {
    /// `rows`: the table of the rows.
    pub fn new(rows: &PostgresTable, group: &str, topic: &str) -> Self {
        Self {
            table: rows.beside(NAME),
            group: group.to_owned(),
            topic: topic.to_owned(),
            target: rows.to_string(),
        }
    }

    /// How a person sets an offset.
    pub fn setting(&self) -> String {
        format!(
            "UPDATE {} SET next = …, note = '' WHERE {} AND partition = …, while no instance runs",
            self.name(),
            self.key()
        )
    }

    /// Makes the writer the owner of its partition. Returns what is stored. As everywhere here, the
    /// connection goes back to the pool once it has answered.
    pub async fn claim(
        &self,
        connection: Connection,
        owned: &Owned,
    ) -> Result<Option<StoredOffset>, PgError> {
        let statement = format!(
            "INSERT INTO {} AS o (consumer_group, topic, partition, target, owner) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (consumer_group, topic, partition, target) \
             DO UPDATE SET owner = EXCLUDED.owner, changed_at = now() RETURNING o.next, o.note",
            self.name()
        );
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&self.group, &self.topic, &owned.partition.0, &self.target, &owned.token];
        let row = connection
            .query_one(&statement, &parameters)
            .await
            .map_err(PgError::of("claim a partition"))?;
        connection.give_back();
        stored(&row)
    }

    /// Whether the table still says what this writer read or wrote last.
    pub async fn is_as_left(&self, connection: Connection, owned: &Owned) -> Result<bool, PgError> {
        Ok(self.read(connection, owned.partition, "").await?
            == Some((owned.stored.clone(), owned.token.clone())))
    }

    /// The statements that end a transaction: they move the offset and commit, or fail and so abort
    /// it where the writer is not the owner or the offset is not where it left it.
    ///
    /// The note is compared too: in a topic that was created again, the next offset may be the same.
    pub fn commit(&self, owned: &Owned, new: &StoredOffset) -> String {
        let expected = match &owned.stored {
            Some(StoredOffset { next, note }) => {
                format!("next = {next} AND note = {}", literal(note))
            }
            None => "next IS NULL".to_owned(),
        };
        let StoredOffset { next, note } = new;
        format!(
            "WITH moved AS (UPDATE {} SET next = {next}, note = {}, changed_at = now() \
             WHERE {} AND owner = {} AND {expected} RETURNING 1) \
             SELECT 1 / count(*) AS an_update_of_no_row_aborts FROM moved; COMMIT",
            self.name(),
            literal(note),
            self.key_of(owned.partition),
            literal(&owned.token),
        )
    }

    /// Whether a transaction to `new` was stored. Waits for one that is still being committed.
    pub async fn outcome(
        &self,
        connection: Connection,
        owned: &Owned,
        new: &StoredOffset,
    ) -> Result<Outcome, PgError> {
        let Some((stored, owner)) = self.read(connection, owned.partition, "FOR UPDATE").await?
        else {
            return Ok(Outcome::Fenced);
        };
        Ok(match owner == owned.token {
            true if stored.as_ref() == Some(new) => Outcome::Stored,
            true if stored == owned.stored => Outcome::NotStored,
            true | false => Outcome::Fenced,
        })
    }

    /// What is stored of a partition, and its owner's token. `None`: nobody ever claimed it.
    async fn read(
        &self,
        connection: Connection,
        partition: Partition,
        lock: &str,
    ) -> Result<Option<(Option<StoredOffset>, String)>, PgError> {
        let statement = format!("SELECT next, note, owner FROM {} WHERE {KEY} {lock}", self.name());
        let key: [&(dyn ToSql + Sync); 4] = [&self.group, &self.topic, &partition.0, &self.target];
        let row = connection.query_opt(&statement, &key).await.map_err(PgError::of(READ))?;
        connection.give_back();
        let Some(row) = row else { return Ok(None) };
        let owner = row.try_get(2).map_err(PgError::of(READ))?;
        Ok(Some((stored(&row)?, owner)))
    }

    /// Forgets where the group stood: its topic begins anew each time.
    pub async fn forget(&self, connection: &Connection) -> Result<(), PgError> {
        let statement = format!("DELETE FROM {} WHERE {}", self.name(), self.key());
        connection.batch_execute(&statement).await.map_err(PgError::of("forget offsets"))
    }

    fn name(&self) -> String {
        quoted_name(&self.table)
    }

    fn key(&self) -> String {
        format!(
            "consumer_group = {} AND topic = {} AND target = {}",
            literal(&self.group),
            literal(&self.topic),
            literal(&self.target)
        )
    }

    fn key_of(&self, partition: Partition) -> String {
        format!("{} AND partition = {partition}", self.key())
    }
}
