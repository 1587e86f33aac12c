//! The store: datasets, tables, write streams and rows in one SQLite file.
//!
//! Each BigQuery table is a SQLite table `project.dataset.table` with a column for each top-level
//! column and three of ours (`__stream`, `__row`, `__visible`); a view named like the table alone
//! shows the visible rows. RECORD, REPEATED and JSON columns hold JSON text. An append is one
//! transaction, so a row is there once it is acknowledged, even if the process is killed then.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params, params_from_iter};
use serde_json::{Map, Value};

use super::Row;
use super::columns::{self, Column, Kind, Mode};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("open the store {path}")]
    Open { path: String, source: rusqlite::Error },
    #[error("there is no table {table}; the store has {known}")]
    NoTable { table: String, known: String },
    #[error("the store")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the store holds what is no JSON")]
    Json(#[from] serde_json::Error),
}

pub struct Store {
    connection: Mutex<Connection>,
    columns: Mutex<HashMap<String, Arc<Vec<Column>>>>,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS __datasets (id TEXT PRIMARY KEY, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS __tables (id TEXT PRIMARY KEY, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS __streams (
        name TEXT PRIMARY KEY, table_id TEXT NOT NULL, type INTEGER NOT NULL,
        finalized INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0,
        flushed INTEGER NOT NULL DEFAULT 0, committed INTEGER NOT NULL DEFAULT 0);
";

impl Store {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.display().to_string(), source };
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        // Write-ahead log without a sync a transaction: killed processes lose nothing, only a
        // machine that loses power could.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(TABLES)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection: Mutex::new(connection), columns: Mutex::default() })
    }

    /// Opens a store that is there, to read it.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.display().to_string(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(Self { connection: Mutex::new(connection), columns: Mutex::default() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ------------------------------------------------------------------ resources

    pub fn dataset(&self, id: &str) -> Result<Option<Value>, StoreError> {
        self.resource("SELECT resource FROM __datasets WHERE id = ?1", id)
    }

    pub fn put_dataset(&self, id: &str, resource: &Value) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO __datasets (id, resource) VALUES (?1, ?2)";
        self.lock().execute(sql, params![id, resource.to_string()])?;
        Ok(())
    }

    pub fn delete_dataset(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.lock().execute("DELETE FROM __datasets WHERE id = ?1", [id])? > 0)
    }

    /// Resources whose id begins with `prefix`.
    pub fn list(&self, what: List, prefix: &str) -> Result<Vec<Value>, StoreError> {
        let connection = self.lock();
        let sql = match what {
            List::Datasets => {
                "SELECT resource FROM __datasets WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id"
            }
            List::Tables => {
                "SELECT resource FROM __tables WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id"
            }
        };
        let mut statement = connection.prepare_cached(sql)?;
        let texts = statement.query_map([prefix], |row| row.get::<_, String>(0))?;
        texts.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
    }

    pub fn table(&self, id: &str) -> Result<Option<Value>, StoreError> {
        self.resource("SELECT resource FROM __tables WHERE id = ?1", id)
    }

    /// Creates or replaces a table's resource and brings its SQLite table to `columns`.
    pub fn put_table(
        &self,
        id: &str,
        resource: &Value,
        columns: &[Column],
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let table = quoted(id);
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (__stream TEXT, __row INTEGER, __visible INTEGER);
             CREATE INDEX IF NOT EXISTS {index} ON {table} (__stream, __row);",
            index = quoted(&format!("{id} by stream")),
        ))?;
        let have: Vec<String> = {
            let mut statement = transaction.prepare(&format!("PRAGMA table_info({table})"))?;
            let names = statement.query_map([], |row| row.get::<_, String>(1))?;
            names.collect::<Result<_, _>>()?
        };
        for column in columns {
            if !have.iter().any(|name| name.eq_ignore_ascii_case(&column.name)) {
                let name = quoted(&column.name);
                transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name}"))?;
            }
        }
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        if let Some(short) = id.rsplit('.').next().filter(|_| !names.is_empty()) {
            transaction.execute_batch(&format!(
                "DROP VIEW IF EXISTS {short}; CREATE VIEW {short} AS SELECT {} FROM {table} WHERE __visible = 1;",
                names.join(", "),
                short = quoted(short),
            ))?;
        }
        transaction.execute(
            "INSERT OR REPLACE INTO __tables (id, resource) VALUES (?1, ?2)",
            params![id, resource.to_string()],
        )?;
        transaction.commit()?;
        self.cached().insert(id.to_owned(), Arc::new(columns.to_vec()));
        Ok(())
    }

    pub fn delete_table(&self, id: &str) -> Result<bool, StoreError> {
        let connection = self.lock();
        self.cached().remove(id);
        let gone = connection.execute("DELETE FROM __tables WHERE id = ?1", [id])? > 0;
        if gone {
            connection.execute("DELETE FROM __streams WHERE table_id = ?1", [id])?;
            let short = id.rsplit('.').next().unwrap_or(id);
            connection.execute_batch(&format!(
                "DROP VIEW IF EXISTS {}; DROP TABLE IF EXISTS {};",
                quoted(short),
                quoted(id)
            ))?;
        }
        Ok(gone)
    }

    /// The table's columns, `None` where there is no such table.
    pub fn columns(&self, id: &str) -> Result<Option<Arc<Vec<Column>>>, StoreError> {
        if let Some(columns) = self.cached().get(id) {
            return Ok(Some(columns.clone()));
        }
        let Some(resource) = self.table(id)? else { return Ok(None) };
        let fields = resource["schema"]["fields"].as_array().cloned().unwrap_or_default();
        let columns = Arc::new(columns::parse(&fields).unwrap_or_default());
        self.cached().insert(id.to_owned(), columns.clone());
        Ok(Some(columns))
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<String, Arc<Vec<Column>>>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resource(&self, sql: &str, id: &str) -> Result<Option<Value>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let text: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
        text.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
    }

    // ------------------------------------------------------------------ rows

    /// Visible rows from `start` on, with their columns.
    pub fn list_rows(
        &self,
        id: &str,
        columns: &[Column],
        start: u64,
        limit: u64,
    ) -> Result<Vec<Row>, StoreError> {
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE __visible = 1 ORDER BY rowid LIMIT ?1 OFFSET ?2",
            if names.is_empty() { "NULL".to_owned() } else { names.join(", ") },
            quoted(id),
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![limit as i64, start as i64])?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            let mut object = Map::with_capacity(columns.len());
            for (index, column) in columns.iter().enumerate() {
                object.insert(column.name.clone(), read(row.get_ref(index)?, column)?);
            }
            list.push(object);
        }
        Ok(list)
    }

    pub fn count_rows(&self, id: &str) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {} WHERE __visible = 1", quoted(id));
        Ok(self.lock().query_row(&sql, [], |row| row.get::<_, i64>(0))? as u64)
    }

    /// For `local rows`: finds the table by whatever part of its name was given.
    pub fn rows(&self, table: &str, limit: Option<usize>) -> Result<Vec<Row>, StoreError> {
        let ids: Vec<String> = {
            let connection = self.lock();
            let mut statement = connection.prepare("SELECT id FROM __tables ORDER BY id")?;
            let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
            ids.collect::<Result<_, _>>()?
        };
        let suffix = format!(".{table}");
        let found = ids.iter().find(|id| *id == table || id.ends_with(&suffix));
        let Some(id) = found else {
            let known = if ids.is_empty() { "no tables".to_owned() } else { ids.join(", ") };
            return Err(StoreError::NoTable { table: table.to_owned(), known });
        };
        let columns = self.columns(id)?.unwrap_or_default();
        self.list_rows(id, &columns, 0, limit.map_or(i64::MAX as u64, |limit| limit as u64))
    }
}

#[derive(Debug, Clone, Copy)]
pub enum List {
    Datasets,
    Tables,
}

/// Inserts rows of one stream, beginning at row `first`.
pub(super) fn insert(
    connection: &Connection,
    table: &str,
    columns: &[Column],
    stream: &str,
    first: u64,
    visible: bool,
    rows: &[Row],
) -> Result<(), StoreError> {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let marks = vec!["?"; columns.len() + 3].join(", ");
    let sql = format!(
        "INSERT INTO {} (__stream, __row, __visible{}{}) VALUES ({marks})",
        quoted(table),
        if names.is_empty() { "" } else { ", " },
        names.join(", "),
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for (index, row) in rows.iter().enumerate() {
        let own = [
            ToSqlOutput::from(stream),
            ToSqlOutput::from((first + index as u64) as i64),
            ToSqlOutput::from(visible),
        ];
        let cells = columns.iter().map(|column| cell(row.get(&column.name), column));
        statement.execute(params_from_iter(own.into_iter().chain(cells)))?;
    }
    Ok(())
}

fn cell<'a>(value: Option<&'a Value>, column: &Column) -> ToSqlOutput<'a> {
    let Some(value) = value else { return ToSqlOutput::from(rusqlite::types::Null) };
    if is_json(column) {
        return ToSqlOutput::from(value.to_string());
    }
    match value {
        Value::Null => ToSqlOutput::from(rusqlite::types::Null),
        Value::Bool(value) => ToSqlOutput::from(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) if column.kind != Kind::Float => ToSqlOutput::from(number),
            _ => ToSqlOutput::from(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => ToSqlOutput::from(text.as_str()),
        Value::Array(_) | Value::Object(_) => ToSqlOutput::from(value.to_string()),
    }
}

fn read(value: ValueRef<'_>, column: &Column) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null if column.mode == Mode::Repeated => Value::Array(Vec::new()),
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) if column.kind == Kind::Boolean => Value::Bool(number != 0),
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) => Value::from(number),
        ValueRef::Text(text) if is_json(column) => serde_json::from_slice(text)?,
        ValueRef::Text(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(_) => Value::Null,
    })
}

fn is_json(column: &Column) -> bool {
    column.mode == Mode::Repeated || matches!(column.kind, Kind::Json | Kind::Record)
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
