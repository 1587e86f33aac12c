//! Datasets and tables as REST has them, whole; and the SQLite tables behind the latter.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::super::columns::{self, Column};
use super::rows::sql_name;
use super::{Store, StoreError, quoted};

#[derive(Debug, Clone, Copy)]
pub enum List {
    Datasets,
    Tables,
}

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

    /// Resources whose id begins with `prefix`, by id.
    pub fn list(&self, what: List, prefix: &str) -> Result<Vec<Value>, StoreError> {
        let table = match what {
            List::Datasets => "__datasets",
            List::Tables => "__tables",
        };
        let connection = self.writer();
        let sql = format!(
            "SELECT resource FROM {table} WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let texts = statement.query_map([prefix], |row| row.get::<_, String>(0))?;
        texts.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
    }

    pub fn table(&self, id: &str) -> Result<Option<Value>, StoreError> {
        resource(&self.writer(), "SELECT resource FROM __tables WHERE id = ?1", id)
    }

    /// A table that SQLite could not tell from `id`: its names know no case.
    pub fn namesake(&self, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT id FROM __tables WHERE id = ?1 COLLATE NOCASE AND id <> ?1";
        Ok(self.writer().query_row(sql, [id], |row| row.get(0)).optional()?)
    }

    /// Creates or replaces a table's resource and brings its SQLite table to `columns`.
    pub fn put_table(
        &self,
        id: &str,
        resource: &Value,
        columns: &[Column],
    ) -> Result<(), StoreError> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        bring_to(&transaction, id, columns)?;
        let sql = "INSERT OR REPLACE INTO __tables (id, resource) VALUES (?1, ?2)";
        transaction.execute(sql, params![id, resource.to_string()])?;
        show(&transaction, id, columns)?;
        transaction.commit()?;
        self.cached().insert(id.to_owned(), Arc::new(columns.to_vec()));
        Ok(())
    }

    /// Deletes a table with its rows and its streams.
    pub fn delete_table(&self, id: &str) -> Result<bool, StoreError> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        let gone = transaction.execute("DELETE FROM __tables WHERE id = ?1", [id])? > 0;
        if gone {
            transaction.execute("DELETE FROM __streams WHERE table_id = ?1", [id])?;
            if let Some(view) = view_of(&transaction, id)? {
                transaction.execute_batch(&format!("DROP VIEW IF EXISTS {view}"))?;
            }
            transaction.execute_batch(&format!("DROP TABLE IF EXISTS {}", quoted(id)))?;
        }
        transaction.commit()?;
        self.cached().remove(id);
        Ok(gone)
    }

    /// The table's columns, `None` where there is no such table.
    pub fn columns(&self, id: &str) -> Result<Option<Arc<Vec<Column>>>, StoreError> {
        if let Some(columns) = self.cached().get(id) {
            return Ok(Some(columns.clone()));
        }
        let Some(resource) = self.table(id)? else { return Ok(None) };
        let fields = resource["schema"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let columns = Arc::new(columns::parse(fields).unwrap_or_default());
        self.cached().insert(id.to_owned(), columns.clone());
        Ok(Some(columns))
    }

    /// Ids of all tables.
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

/// Makes the SQLite table where it is missing, and adds the columns it lacks.
fn bring_to(connection: &Connection, id: &str, columns: &[Column]) -> Result<(), StoreError> {
    let table = quoted(id);
    // The index holds what waits to become visible: flushes find it, and other rows cost nothing.
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table} (__stream TEXT, __row INTEGER, __visible INTEGER);
         CREATE INDEX IF NOT EXISTS {index} ON {table} (__stream, __row) WHERE __visible = 0;",
        index = quoted(&format!("{id} unflushed")),
    ))?;
    let have: Vec<String> = {
        let mut statement = connection.prepare(&format!("PRAGMA table_info({table})"))?;
        let names = statement.query_map([], |row| row.get(1))?;
        names.collect::<Result<_, _>>()?
    };
    for column in columns {
        let name = sql_name(column);
        if !have.iter().any(|have| have.eq_ignore_ascii_case(&name)) {
            let name = quoted(&name);
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name}"))?;
        }
    }
    Ok(())
}

/// Makes the view of the visible rows, where its name is free.
fn show(connection: &Connection, id: &str, columns: &[Column]) -> Result<(), StoreError> {
    let Some(view) = view_of(connection, id)?.filter(|_| !columns.is_empty()) else {
        return Ok(());
    };
    let named =
        |column: &Column| format!("{} AS {}", quoted(&sql_name(column)), quoted(&column.name));
    let names: Vec<String> = columns.iter().map(named).collect();
    connection.execute_batch(&format!(
        "DROP VIEW IF EXISTS {view};
         CREATE VIEW {view} AS SELECT {} FROM {} WHERE __visible = 1;",
        names.join(", "),
        quoted(id),
    ))?;
    Ok(())
}

/// Name of a table's view, quoted: the table's own, unless another table has it too or SQLite or we
/// keep it.
fn view_of(connection: &Connection, id: &str) -> Result<Option<String>, StoreError> {
    let short = id.rsplit('.').next().unwrap_or(id);
    let kept = ["__", "sqlite_"].iter().any(|prefix| short.to_lowercase().starts_with(prefix));
    let sql = "SELECT count(*) FROM __tables
               WHERE id <> ?1 AND substr(id, -length(?2)) = ?2 COLLATE NOCASE";
    let others: i64 =
        connection.query_row(sql, params![id, format!(".{short}")], |row| row.get(0))?;
    Ok((!kept && others == 0).then(|| quoted(short)))
}
