//! Write streams: appends by offset, and when their rows become visible (by the stream's type,
//! flush, batch commit).

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use rusqlite::{Connection, OptionalExtension, params};
use tonic::Code;

use super::database::{Store, quoted};
use super::rows::{RowPlace, insert, inserted_rows};
use super::streaming_buffer::streamed;
use crate::clock::Clock;
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::{self, FieldSchema};
use crate::local::bigquery::refusal::Refusal;

/// A created write stream's record in the store.
#[derive(Debug, Clone)]
pub struct StoredStream {
    /// The table's id.
    pub table: String,
    pub kind: Type,
    /// Microseconds since the epoch.
    pub created: i64,
    /// When it last had traffic, in microseconds since the epoch.
    used: i64,
    pub finalized: bool,
    pub committed: bool,
    /// Number of rows in the stream.
    pub rows: u64,
    /// Number of visible rows of a BUFFERED stream.
    pub flushed: u64,
}

impl Store {
    pub fn create_stream(
        &self,
        table: &str,
        name: &str,
        kind: Type,
        created: i64,
    ) -> Result<(), Refusal> {
        let sql = "INSERT INTO __streams (name, table_id, type, created, used)
                   VALUES (?1, ?2, ?3, ?4, ?4)";
        self.writer()?.execute(sql, params![name, table, kind as i32, created])?;
        Ok(())
    }

    pub fn stream(&self, name: &str) -> Result<StoredStream, Refusal> {
        self.load(&*self.writer()?, name)
    }

    /// Appends rows to a created stream and returns the offset of the first. A given `offset` has to
    /// be the stream's end.
    pub fn append(
        &self,
        name: &str,
        columns: &[FieldSchema],
        offset: Option<i64>,
        rows: &[Cells],
    ) -> Result<u64, Refusal> {
        let mut connection = self.writer()?;
        let transaction = connection.transaction()?;
        let stream = self.load(&transaction, name)?;
        if stream.finalized {
            return Err(finalized(name));
        }
        let end = stream.rows;
        if let Some(received) = offset.filter(|offset| *offset != end as i64) {
            let (place, code, detail) = if received < end as i64 {
                ("within", Code::AlreadyExists, StorageErrorCode::OffsetAlreadyExists)
            } else {
                ("beyond", Code::OutOfRange, StorageErrorCode::OffsetOutOfRange)
            };
            let message =
                format!("The offset is {place} stream, expected offset {end}, received {received}");
            return Err(Refusal::new(code, message).about(name).storage(detail));
        }
        let visible = stream.kind == Type::Committed;
        let to = RowPlace { stream: id_of(name), first: end, visible, ingested: None };
        let before = inserted_rows(&transaction, &stream.table)?;
        insert(&transaction, &stream.table, columns, to, rows)?;
        if stream.kind != Type::Pending {
            self.note_streamed(&transaction, &stream.table, before, rows.len())?;
        }
        let sql = "UPDATE __streams SET rows = ?2, used = ?3 WHERE name = ?1";
        let rows = (end + rows.len() as u64) as i64;
        transaction.prepare_cached(sql)?.execute(params![name, rows, now()])?;
        transaction.commit()?;
        Ok(end)
    }

    /// Appends rows that are visible at once and have no offsets: those of the default stream and of
    /// `insertAll`. `path` is the table's name in an error.
    pub fn append_default(
        &self,
        table: &str,
        path: &str,
        columns: &[FieldSchema],
        rows: &[Cells],
    ) -> Result<(), Refusal> {
        let mut connection = self.writer()?;
        let transaction = connection.transaction()?;
        match self.columns_in(&transaction, table)? {
            Some(live) if has_columns(&live, columns) => {}
            // Deleted, or deleted and created again.
            Some(_) | None => return Err(no_table(path)),
        }
        let first = inserted_rows(&transaction, table)?;
        let to = RowPlace { stream: "_default", first, visible: true, ingested: None };
        insert(&transaction, table, columns, to, rows)?;
        self.note_streamed(&transaction, table, first, rows.len())?;
        transaction.commit()?;
        Ok(())
    }

    /// Notes that `count` rows are in the streaming buffer; `before` rows were there before them.
    fn note_streamed(
        &self,
        connection: &Connection,
        table: &str,
        before: u64,
        count: usize,
    ) -> Result<(), Refusal> {
        let rows = (before as i64 + 1, before as i64 + count as i64);
        streamed(connection, *self.streaming_window(), table, rows)?;
        Ok(())
    }

    /// Makes the rows up to and including `offset` visible. Returns whether that changed anything; a
    /// repeated flush does not. A finalized stream refuses every flush, also of rows that are visible.
    pub fn flush(&self, name: &str, offset: i64) -> Result<bool, Refusal> {
        let mut connection = self.writer()?;
        let transaction = connection.transaction()?;
        let stream = self.load(&transaction, name)?;
        if stream.kind != Type::Buffered {
            return Err(Refusal::invalid("FlushRows is supported on BUFFERED streams only.")
                .about(name)
                .storage(StorageErrorCode::InvalidStreamType));
        }
        if stream.finalized {
            return Err(finalized(name));
        }
        if !(0..stream.rows as i64).contains(&offset) {
            let message = format!("Offset {offset} is beyond the end of the stream");
            return Err(Refusal::new(Code::OutOfRange, message)
                .about(name)
                .storage(StorageErrorCode::OffsetOutOfRange));
        }
        let to = offset as u64 + 1;
        if to <= stream.flushed {
            transaction
                .execute("UPDATE __streams SET used = ?2 WHERE name = ?1", params![name, now()])?;
            transaction.commit()?;
            return Ok(false);
        }
        let sql = format!(
            "UPDATE {} SET __visible = 1
             WHERE __visible = 0 AND __stream = ?1 AND __row < ?2",
            quoted(&stream.table)
        );
        transaction.prepare_cached(&sql)?.execute(params![id_of(name), to as i64])?;
        let sql = "UPDATE __streams SET flushed = ?2, used = ?3 WHERE name = ?1";
        transaction.execute(sql, params![name, to as i64, now()])?;
        transaction.commit()?;
        Ok(true)
    }

    /// Closes the stream to further rows and returns their number.
    pub fn finalize(&self, name: &str) -> Result<u64, Refusal> {
        let connection = self.writer()?;
        let stream = self.load(&connection, name)?;
        connection.execute("UPDATE __streams SET finalized = 1 WHERE name = ?1", [name])?;
        Ok(stream.rows)
    }

    /// Makes the rows of finalized PENDING streams of `table` visible. If any stream is refused,
    /// nothing changes and the refusals are returned.
    pub fn batch_commit(&self, table: &str, names: &[String]) -> Result<Vec<Refusal>, Refusal> {
        let mut connection = self.writer()?;
        let transaction = connection.transaction()?;
        let mut refused = Vec::new();
        for name in names {
            let checked = self.load(&transaction, name).and_then(|stream| {
                committable(&stream, table, name)?;
                Ok(stream)
            });
            let stream = match checked {
                Ok(stream) => stream,
                Err(refusal) => {
                    refused.push(refusal);
                    continue;
                }
            };
            let sql = format!(
                "UPDATE {} SET __visible = 1 WHERE __visible = 0 AND __stream = ?1",
                quoted(&stream.table)
            );
            transaction.execute(&sql, [id_of(name)])?;
            transaction.execute("UPDATE __streams SET committed = 1 WHERE name = ?1", [name])?;
        }
        if refused.is_empty() {
            transaction.commit()?;
        }
        Ok(refused)
    }

    /// The stream, unless it never existed or has expired.
    fn load(&self, connection: &Connection, name: &str) -> Result<StoredStream, Refusal> {
        let sql = "SELECT table_id, type, created, used, finalized, committed, rows, flushed
                   FROM __streams WHERE name = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let stream = statement.query_row([name], |row| {
            Ok(StoredStream {
                table: row.get(0)?,
                kind: Type::try_from(row.get::<_, i32>(1)?).unwrap_or(Type::Unspecified),
                created: row.get(2)?,
                used: row.get(3)?,
                finalized: row.get(4)?,
                committed: row.get(5)?,
                rows: row.get::<_, i64>(6)? as u64,
                flushed: row.get::<_, i64>(7)? as u64,
            })
        });
        let lives = |stream: &StoredStream| {
            let idle = now().saturating_sub(stream.used).max(0) as u128;
            idle < self.expiry.of(stream.kind).as_micros()
        };
        stream.optional()?.filter(lives).ok_or_else(|| {
            Refusal::new(Code::NotFound, "Requested entity was not found. Stream is not found.")
                .about(name)
                .storage(StorageErrorCode::StreamNotFound)
        })
    }
}

/// Whether rows of the columns `before` can still be inserted into a table with the columns `live`.
pub fn has_columns(live: &[FieldSchema], before: &[FieldSchema]) -> bool {
    live == before || field_schema::change_refusal(before, live, "").is_none()
}

fn committable(stream: &StoredStream, table: &str, name: &str) -> Result<(), Refusal> {
    use StorageErrorCode as S;
    let (message, code) = if stream.table != table {
        ("The stream belongs to another table.", S::InvalidStreamState)
    } else if stream.kind != Type::Pending {
        ("Only PENDING streams can be committed.", S::InvalidStreamType)
    } else if stream.committed {
        ("Stream is already committed.", S::StreamAlreadyCommitted)
    } else if !stream.finalized {
        ("Stream has not been finalized.", S::InvalidStreamState)
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).about(name).storage(code))
}

pub fn no_table(path: &str) -> Refusal {
    Refusal::new(Code::NotFound, "Requested entity was not found. Table is not found.")
        .about(path)
        .storage(StorageErrorCode::TableNotFound)
}

/// The last part of a stream's name. It is unique, and the column `__stream` holds it.
fn id_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The refusal of an append or a flush; the live service uses these words for both.
fn finalized(name: &str) -> Refusal {
    Refusal::invalid("Stream has been finalized and cannot be appended.")
        .about(name)
        .storage(StorageErrorCode::StreamFinalized)
}

/// Microseconds since the epoch.
fn now() -> i64 {
    Clock::System.now_micros()
}
