//! Datasets and tables: their REST resources, stored unchanged, and the SQLite table of each table.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::database::{Store, quoted};
use super::error::StoreError;
use super::rows::sql_name;
use super::views;
use crate::local::bigquery::field_schema::{self, FieldSchema};

type Columns = Arc<Vec<FieldSchema>>;

/// The datasets and tables during one transaction.
pub struct Resources<'a> {
    pub(super) connection: &'a Connection,
    /// The columns of the tables that were changed; `None` for those deleted.
    changed: RefCell<Vec<(String, Option<Columns>)>>,
    streaming_window: Duration,
    /// The expiration times of the tables that were stored.
    expirations: RefCell<Vec<i64>>,
}

impl Store {
    /// Runs `work` in one transaction, which is kept if it succeeds: nobody else changes what it has
    /// read.
    pub fn change<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Resources<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.writer()?;
        self.change_on(&mut connection, work)
    }

    /// The same for whoever holds the writing connection.
    pub(super) fn change_on<T, E: From<StoreError>>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&Resources<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = connection.transaction().map_err(StoreError::from)?;
        let resources = self.resources(&transaction);
        let done = work(&resources)?;
        let changed = resources.changed.into_inner();
        for expiration in resources.expirations.into_inner() {
            self.next_expiration.fetch_min(expiration, Ordering::Relaxed);
        }
        transaction.commit().map_err(StoreError::from)?;
        // Before the connection is released: an append compares its columns with these.
        let mut cached = self.cached_columns();
        for (id, columns) in changed {
            match columns {
                Some(columns) => drop(cached.insert(id, columns)),
                None => drop(cached.remove(&id)),
            }
        }
        Ok(done)
    }

    /// Runs `work` in one transaction that only reads, next to the one that changes.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Resources<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.reader()?;
        let transaction = connection.transaction().map_err(StoreError::from)?;
        work(&self.resources(&transaction))
    }

    fn resources<'a>(&self, connection: &'a Connection) -> Resources<'a> {
        let streaming_window = *self.streaming_window();
        let (changed, expirations) = (RefCell::default(), RefCell::default());
        Resources { connection, changed, expirations, streaming_window }
    }

    pub fn dataset(&self, id: &str) -> Result<Option<Value>, StoreError> {
        self.change(|resources| resources.dataset(id))
    }

    /// The datasets of a project, ordered by id.
    pub fn datasets(&self, project: &str) -> Result<Vec<Value>, StoreError> {
        resources_in(&*self.writer()?, "__datasets", project)
    }

    /// The tables of the dataset `id`, ordered by id.
    pub fn tables(&self, id: &str) -> Result<Vec<Value>, StoreError> {
        self.change(|resources| resources.tables(id))
    }

    pub fn table(&self, id: &str) -> Result<Option<Value>, StoreError> {
        self.change(|resources| resources.table(id))
    }

    /// Deletes a table with its rows and its streams.
    pub fn delete_table(&self, id: &str) -> Result<bool, StoreError> {
        self.change(|resources| resources.delete_table(id))
    }

    /// The table's columns; `None` if the table does not exist.
    pub fn columns(&self, id: &str) -> Result<Option<Columns>, StoreError> {
        self.delete_expired_tables()?;
        if let Some(columns) = self.cached_columns().get(id) {
            return Ok(Some(columns.clone()));
        }
        self.columns_in(&*self.writer()?, id)
    }

    /// The same for whoever holds the writing connection.
    pub(super) fn columns_in(
        &self,
        connection: &Connection,
        id: &str,
    ) -> Result<Option<Columns>, StoreError> {
        let mut cached = self.cached_columns();
        if let Some(columns) = cached.get(id) {
            return Ok(Some(columns.clone()));
        }
        let Some(table) = table(connection, id)? else { return Ok(None) };
        let columns = Arc::new(field_schema::of_table(&table).unwrap_or_default());
        cached.insert(id.to_owned(), columns.clone());
        Ok(Some(columns))
    }

    /// The shortest name by which [`Self::rows`] finds the table: without its project and dataset
    /// unless another table has the same name.
    pub fn short_name<'a>(&self, id: &'a str) -> Result<&'a str, StoreError> {
        let ids = self.table_ids()?;
        let dots = id.rmatch_indices('.').map(|(at, _)| &id[at + 1..]);
        let is_only = |name: &&str| {
            let suffix = format!(".{name}");
            ids.iter().filter(|other| other.ends_with(&suffix)).count() <= 1
        };
        Ok(dots.into_iter().find(is_only).unwrap_or(id))
    }

    /// The ids of all tables.
    pub(super) fn table_ids(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.reader()?;
        let mut statement = connection.prepare("SELECT id FROM __tables ORDER BY id")?;
        let ids = statement.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}

impl Resources<'_> {
    /// The connection of the transaction.
    pub fn connection(&self) -> &Connection {
        self.connection
    }

    pub(super) fn streaming_window(&self) -> Duration {
        self.streaming_window
    }

    /// Runs `work`, and takes back what it changed if it fails. What the transaction did before stays.
    pub fn attempt<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        self.connection.execute_batch("SAVEPOINT attempt")?;
        let changed = self.changed.borrow().len();
        let result = work();
        if result.is_err() {
            self.connection.execute_batch("ROLLBACK TO attempt")?;
            self.changed.borrow_mut().truncate(changed);
        }
        self.connection.execute_batch("RELEASE attempt")?;
        Ok(result)
    }

    pub fn dataset(&self, id: &str) -> Result<Option<Value>, StoreError> {
        resource(self.connection, "SELECT resource FROM __datasets WHERE id = ?1", id)
    }

    pub fn put_dataset(&self, id: &str, resource: &Value) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO __datasets (id, resource) VALUES (?1, ?2)";
        self.connection.execute(sql, params![id, resource.to_string()])?;
        Ok(())
    }

    pub fn delete_dataset(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM __datasets WHERE id = ?1", [id])? > 0)
    }

    /// The tables of the dataset `id`, ordered by id.
    pub fn tables(&self, id: &str) -> Result<Vec<Value>, StoreError> {
        resources_in(self.connection, "__tables", id)
    }

    pub fn table(&self, id: &str) -> Result<Option<Value>, StoreError> {
        table(self.connection, id)
    }

    /// The id of a table that differs from `id` only in case, which SQLite's names ignore.
    pub fn same_but_for_case(&self, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT id FROM __tables WHERE id = ?1 COLLATE NOCASE AND id <> ?1";
        Ok(self.connection.query_row(sql, [id], |row| row.get(0)).optional()?)
    }

    /// Creates or replaces a table's resource, and adds missing `columns` to its SQLite table.
    pub fn put_table(
        &self,
        id: &str,
        resource: &Value,
        columns: &[FieldSchema],
    ) -> Result<(), StoreError> {
        add_columns(self.connection, id, columns)?;
        let sql = "INSERT OR REPLACE INTO __tables (id, resource) VALUES (?1, ?2)";
        self.connection.execute(sql, params![id, resource.to_string()])?;
        views::renew(self.connection, id)?;
        self.expirations.borrow_mut().extend(expiration_of(resource));
        self.changed.borrow_mut().push((id.to_owned(), Some(Arc::new(columns.to_vec()))));
        Ok(())
    }

    /// Deletes a table with its rows and its streams.
    pub fn delete_table(&self, id: &str) -> Result<bool, StoreError> {
        let existed = self.connection.execute("DELETE FROM __tables WHERE id = ?1", [id])? > 0;
        if existed {
            self.connection.execute("DELETE FROM __streams WHERE table_id = ?1", [id])?;
            self.connection.execute("DELETE FROM __streamed WHERE table_id = ?1", [id])?;
            views::renew(self.connection, id)?;
            self.connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", quoted(id)))?;
            self.changed.borrow_mut().push((id.to_owned(), None));
        }
        Ok(existed)
    }
}

/// The `expirationTime` of a table's resource, in milliseconds since the epoch.
fn expiration_of(table: &Value) -> Option<i64> {
    table["expirationTime"].as_str()?.parse().ok()
}

/// The resource of a table.
fn table(connection: &Connection, id: &str) -> Result<Option<Value>, StoreError> {
    resource(connection, "SELECT resource FROM __tables WHERE id = ?1", id)
}

fn resource(connection: &Connection, sql: &str, id: &str) -> Result<Option<Value>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let text: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    text.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
}

/// The resources in a dataset or project, given its id.
fn resources_in(
    connection: &Connection,
    table: &str,
    parent: &str,
) -> Result<Vec<Value>, StoreError> {
    let sql =
        format!("SELECT resource FROM {table} WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    let texts = statement.query_map([format!("{parent}.")], |row| row.get::<_, String>(0))?;
    texts.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
}

/// Creates the SQLite table if it does not exist, and adds missing columns to it.
fn add_columns(
    connection: &Connection,
    id: &str,
    columns: &[FieldSchema],
) -> Result<(), StoreError> {
    let table = quoted(id);
    // The index contains only invisible rows: a flush finds its rows there, and visible rows do
    // not slow it down.
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table}
             (__stream TEXT, __row INTEGER, __visible INTEGER, __ingested TEXT);
         CREATE INDEX IF NOT EXISTS {index} ON {table} (__stream, __row) WHERE __visible = 0;",
        index = quoted(&format!("{id} unflushed")),
    ))?;
    let existing: Vec<String> = {
        let mut statement = connection.prepare(&format!("PRAGMA table_info({table})"))?;
        let names = statement.query_map([], |row| row.get(1))?;
        names.collect::<Result<_, _>>()?
    };
    for column in columns {
        let name = sql_name(column);
        if !existing.iter().any(|existing| existing.eq_ignore_ascii_case(&name)) {
            let name = quoted(&name);
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name}"))?;
        }
    }
    Ok(())
}
