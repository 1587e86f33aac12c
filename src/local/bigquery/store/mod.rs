//! The store: datasets, tables, write streams and rows in one SQLite file.
//!
//! Each BigQuery table is a SQLite table `project.dataset.table` with a column for each top-level
//! column and three of ours: `__stream` (the write stream's id), `__row` (the row's offset there)
//! and `__visible`. A view named like the table alone shows the visible rows to a person. RECORD,
//! REPEATED and JSON columns hold JSON text. An append is one transaction, so a row is there once
//! it is acknowledged, even if the process is killed then.

mod resources;
mod rows;
mod streams;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::columns::Column;
pub use resources::List;
pub use streams::no_table;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("open the store {path}")]
    Open { path: String, source: rusqlite::Error },
    #[error("there is no table {table}; the store has {known}")]
    NoTable { table: String, known: String },
    #[error("{table} is the name of several tables; say which: {known}")]
    Ambiguous { table: String, known: String },
    #[error("use the store")]
    Sqlite(#[from] rusqlite::Error),
    #[error("read JSON from the store")]
    Json(#[from] serde_json::Error),
}

/// One file, one connection that writes and one that reads beside it.
pub struct Store {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    columns: Mutex<HashMap<String, Arc<Vec<Column>>>>,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS __datasets (id TEXT PRIMARY KEY, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS __tables (id TEXT PRIMARY KEY, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS __streams (
        name TEXT PRIMARY KEY, table_id TEXT NOT NULL, type INTEGER NOT NULL,
        created INTEGER NOT NULL, finalized INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0, flushed INTEGER NOT NULL DEFAULT 0,
        committed INTEGER NOT NULL DEFAULT 0);
";

/// Longer than any transaction of ours takes, for a person's `sqlite3` beside us.
const BUSY: Duration = Duration::from_secs(10);

impl Store {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_CREATE;
        let writer = connect(path, flags)?;
        // Write-ahead log without a sync a transaction: killed processes lose nothing, only a
        // machine that loses power could.
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        writer.execute_batch(TABLES)?;
        let reader = connect(path, OpenFlags::default())?;
        Ok(Self {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            columns: Mutex::default(),
        })
    }

    /// Opens a store that is there, to read it.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self {
            writer: Mutex::new(connect(path, flags)?),
            reader: Mutex::new(connect(path, flags)?),
            columns: Mutex::default(),
        })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<String, Arc<Vec<Column>>>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open { path: path.display().to_string(), source };
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
