//! The SQLite file: opening it and its connections.

use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::stream_expiry::StreamExpiry;
use crate::clock::Clock;
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::partition::ingestion_hour;
use crate::local::bigquery::sql::native;

/// An open store, with one connection for changes and one for reading rows meanwhile.
pub struct Store {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    /// The parsed columns of tables, by table id.
    columns: Mutex<HashMap<String, Arc<Vec<FieldSchema>>>>,
    streaming_window: Mutex<Duration>,
    pub(super) expiry: StreamExpiry,
    /// When the next table expires, in milliseconds since the epoch; `i64::MIN` until it is known.
    pub(super) next_expiration: AtomicI64,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS __datasets (id TEXT PRIMARY KEY, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS __tables (id TEXT PRIMARY KEY, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS __streams (
        name TEXT PRIMARY KEY, table_id TEXT NOT NULL, type INTEGER NOT NULL,
        created INTEGER NOT NULL, used INTEGER NOT NULL, finalized INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0, flushed INTEGER NOT NULL DEFAULT 0,
        committed INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS __streamed (
        table_id TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, at INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS __streamed_at ON __streamed (at);
    CREATE INDEX IF NOT EXISTS __streamed_table ON __streamed (table_id);
    CREATE TABLE IF NOT EXISTS __jobs (
        id TEXT PRIMARY KEY, project TEXT NOT NULL, created INTEGER NOT NULL,
        resource TEXT NOT NULL, input BLOB);
    CREATE TABLE IF NOT EXISTS __answers (job TEXT PRIMARY KEY, answer TEXT NOT NULL);
";

/// How long BigQuery keeps rows in the streaming buffer.
const STREAMING_WINDOW: Duration = Duration::from_secs(30 * 60);

/// How long a statement waits for a lock, which another process such as a person's `sqlite3` may
/// hold. Longer than any transaction of the store itself.
const LOCK_WAIT: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the store, or creates it. Its file is readable by its owner alone, because rows may be
    /// personal data; SQLite gives its other files the same permissions.
    pub fn open(path: &Path, expiry: StreamExpiry) -> Result<Self, StoreError> {
        private(path)
            .map_err(|source| StoreError::Permissions { path: path.to_owned(), source })?;
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_CREATE;
        let writer = connect(path, flags)?;
        // With a write-ahead log that is not synced at each transaction, a killed process loses
        // nothing; only a power failure could lose transactions.
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        writer.execute_batch(TABLES)?;
        add_used(&writer)?;
        add_ingested(&writer)?;
        Ok(Self::new(writer, connect(path, OpenFlags::default())?, expiry))
    }

    /// Opens an existing store to read its rows.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self::new(connect(path, flags)?, connect(path, flags)?, StreamExpiry::default()))
    }

    fn new(writer: Connection, reader: Connection, expiry: StreamExpiry) -> Self {
        let (writer, reader) = (Mutex::new(writer), Mutex::new(reader));
        let streaming_window = Mutex::new(STREAMING_WINDOW);
        let next_expiration = AtomicI64::new(i64::MIN);
        let columns = Mutex::default();
        Self { writer, reader, columns, streaming_window, expiry, next_expiration }
    }

    /// The connection for changes, after the tables that have expired are deleted.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.delete_expired_tables()?;
        Ok(self.lock_writer())
    }

    /// The connection for changes. Only what deletes expired tables needs it as it is.
    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection for reading, after the tables that have expired are deleted.
    pub(super) fn reader(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.delete_expired_tables()?;
        Ok(self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes how long rows are in the streaming buffer.
    pub fn set_streaming_buffer(&self, window: Duration) {
        *self.streaming_window() = window;
    }

    /// How long rows are in the streaming buffer.
    pub(super) fn streaming_window(&self) -> MutexGuard<'_, Duration> {
        self.streaming_window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cached_columns(&self) -> MutexGuard<'_, HashMap<String, Arc<Vec<FieldSchema>>>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a file that is not there, and takes the permissions of others away.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Adds the column `used` to the streams of a store that an earlier version created. Its streams
/// count as used just now.
fn add_used(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM pragma_table_info('__streams') WHERE name = 'used'";
    if !connection.prepare(sql)?.exists([])? {
        connection
            .execute_batch("ALTER TABLE __streams ADD COLUMN used INTEGER NOT NULL DEFAULT 0")?;
        connection.execute("UPDATE __streams SET used = ?1", [Clock::System.now_micros()])?;
    }
    Ok(())
}

/// Adds the column `__ingested` to the tables of a store that an earlier version created. Their rows
/// count as ingested just now.
fn add_ingested(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT id FROM __tables WHERE NOT EXISTS
                   (SELECT 1 FROM pragma_table_info(__tables.id) WHERE name = '__ingested')";
    let ids: Vec<String> = {
        let mut statement = connection.prepare(sql)?;
        let ids = statement.query_map([], |row| row.get(0))?;
        ids.collect::<Result<_, _>>()?
    };
    for id in ids {
        let table = quoted(&id);
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN __ingested TEXT"))?;
        let hour = ingestion_hour(Clock::System.now_micros());
        connection.execute(&format!("UPDATE {table} SET __ingested = ?1"), [hour])?;
    }
    Ok(())
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open { path: path.display().to_string(), source };
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(LOCK_WAIT)?;
    native::register(&connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// An SQL identifier in quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_can_read_a_store() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.sqlite");
        // One that an earlier version created for all to read.
        std::fs::write(&path, "").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("changed");
        let _store = Store::open(&path, StreamExpiry::default()).expect("opens");
        let entries = std::fs::read_dir(folder.path()).expect("a folder");
        for entry in entries {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
        }
    }

    #[test]
    fn rows_of_an_earlier_version_count_as_ingested_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.sqlite");
        drop(Store::open(&path, StreamExpiry::default()).expect("opens"));
        let earlier = "INSERT INTO __tables VALUES ('p.d.t', '{}');
                       CREATE TABLE 'p.d.t' (__stream TEXT, __row INTEGER, __visible INTEGER);
                       INSERT INTO 'p.d.t' VALUES ('_default', 0, 1);";
        Connection::open(&path).expect("opens").execute_batch(earlier).expect("written");
        drop(Store::open(&path, StreamExpiry::default()).expect("opens"));
        let store = Store::open(&path, StreamExpiry::default()).expect("opens again");
        let sql = "SELECT length(__ingested) FROM 'p.d.t'";
        let digits: i64 =
            store.lock_writer().query_row(sql, [], |row| row.get(0)).expect("a number");
        assert_eq!(digits, 10);
    }
}
