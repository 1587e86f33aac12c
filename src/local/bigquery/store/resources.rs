//! Datasets and tables: their REST resources, stored unchanged, and the SQLite table of each table.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::database::{Store, quoted};
use super::error::StoreError;
use super::rows::sql_name;
use crate::local::bigquery::field_schema::{self, FieldSchema};

impl Store {
    pub fn dataset(&self, id: &str) -> Result<Option<Value>, StoreError> {
        resource(&self.writer(), "SELECT resource FROM __datasets WHERE id = ?1", id)
    }

    pub fn put_dataset(&self, id: &str, resource: &Value) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO __datasets (id, resource) VALUES (?1, ?2)";
        self.writer().execute(sql, params![id, resource.to_string()])?;
        Ok(())
    }

    pub fn delete_dataset(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.writer().execute("DELETE FROM __datasets WHERE id = ?1", [id])? > 0)
    }

    /// The datasets of a project, ordered by id.
    pub fn datasets(&self, project: &str) -> Result<Vec<Value>, StoreError> {
        resources_in(&self.writer(), "__datasets", project)
    }

    /// The tables of the dataset `id`, ordered by id.
    pub fn tables(&self, id: &str) -> Result<Vec<Value>, StoreError> {
        resources_in(&self.writer(), "__tables", id)
    }

    pub fn table(&self, id: &str) -> Result<Option<Value>, StoreError> {
        resource(&self.writer(), "SELECT resource FROM __tables WHERE id = ?1", id)
    }

    /// The id of a table that differs from `id` only in case, which SQLite's names ignore.
    pub fn same_but_for_case(&self, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT id FROM __tables WHERE id = ?1 COLLATE NOCASE AND id <> ?1";
        Ok(self.writer().query_row(sql, [id], |row| row.get(0)).optional()?)
    }

    /// Creates or replaces a table's resource, and adds missing `columns` to its SQLite table.
    pub fn put_table(
        &self,
        id: &str,
        resource: &Value,
        columns: &[FieldSchema],
    ) -> Result<(), StoreError> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        add_columns(&transaction, id, columns)?;
        let sql = "INSERT OR REPLACE INTO __tables (id, resource) VALUES (?1, ?2)";
        transaction.execute(sql, params![id, resource.to_string()])?;
        create_view(&transaction, id, columns)?;
        transaction.commit()?;
        self.cached_columns().insert(id.to_owned(), Arc::new(columns.to_vec()));
        Ok(())
    }

    /// Deletes a table with its rows and its streams.
    pub fn delete_table(&self, id: &str) -> Result<bool, StoreError> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        let existed = transaction.execute("DELETE FROM __tables WHERE id = ?1", [id])? > 0;
        if existed {
            transaction.execute("DELETE FROM __streams WHERE table_id = ?1", [id])?;
            if let Some(view) = view_of(&transaction, id)? {
                transaction.execute_batch(&format!("DROP VIEW IF EXISTS {view}"))?;
            }
            transaction.execute_batch(&format!("DROP TABLE IF EXISTS {}", quoted(id)))?;
        }
        transaction.commit()?;
        self.cached_columns().remove(id);
        Ok(existed)
    }

    /// The table's columns; `None` if the table does not exist.
    pub fn columns(&self, id: &str) -> Result<Option<Arc<Vec<FieldSchema>>>, StoreError> {
        if let Some(columns) = self.cached_columns().get(id) {
            return Ok(Some(columns.clone()));
        }
        let Some(resource) = self.table(id)? else { return Ok(None) };
        let columns = Arc::new(field_schema::of_table(&resource).unwrap_or_default());
        self.cached_columns().insert(id.to_owned(), columns.clone());
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
        let connection = self.reader();
        let mut statement = connection.prepare("SELECT id FROM __tables ORDER BY id")?;
        let ids = statement.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
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
        "CREATE TABLE IF NOT EXISTS {table} (__stream TEXT, __row INTEGER, __visible INTEGER);
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

/// Creates the view of the visible rows, if its name is free.
fn create_view(
    connection: &Connection,
    id: &str,
    columns: &[FieldSchema],
) -> Result<(), StoreError> {
    let Some(view) = view_of(connection, id)?.filter(|_| !columns.is_empty()) else {
        return Ok(());
    };
    let named =
        |column: &FieldSchema| format!("{} AS {}", quoted(&sql_name(column)), quoted(&column.name));
    let names: Vec<String> = columns.iter().map(named).collect();
    connection.execute_batch(&format!(
        "DROP VIEW IF EXISTS {view};
         CREATE VIEW {view} AS SELECT {} FROM {} WHERE __visible = 1;",
        names.join(", "),
        quoted(id),
    ))?;
    Ok(())
}

/// The quoted name of a table's view, which is the table's short name. `None` if another table has
/// the same short name, or if SQLite or the store reserves it.
fn view_of(connection: &Connection, id: &str) -> Result<Option<String>, StoreError> {
    let short = id.rsplit('.').next().unwrap_or(id);
    let reserved = ["__", "sqlite_"].iter().any(|prefix| short.to_lowercase().starts_with(prefix));
    let sql = "SELECT count(*) FROM __tables
               WHERE id <> ?1 AND substr(id, -length(?2)) = ?2 COLLATE NOCASE";
    let others: i64 =
        connection.query_row(sql, params![id, format!(".{short}")], |row| row.get(0))?;
    Ok((!reserved && others == 0).then(|| quoted(short)))
}
