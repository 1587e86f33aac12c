//! The views in which a person sees the visible rows of a table.
//!
//! A view has its table's short name, or `dataset.table` where several datasets have a table of that
//! name: a short name must not show one of them as if it were the only one.

use rusqlite::Connection;
use serde_json::Value;

use super::database::quoted;
use super::error::StoreError;
use super::rows::sql_name;
use crate::local::bigquery::field_schema::{self, FieldSchema};

/// Creates the views of all tables that have the short name of the table `id`, which may be new,
/// changed or deleted.
pub fn renew(connection: &Connection, id: &str) -> Result<(), StoreError> {
    let name = short(id);
    let namesakes: Vec<(String, String)> = {
        let sql = "SELECT id, resource FROM __tables
                   WHERE substr(id, -length(?1)) = ?1 COLLATE NOCASE";
        let mut statement = connection.prepare(sql)?;
        let rows =
            statement.query_map([format!(".{name}")], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for stale in [name, with_dataset(id)] {
        drop_view(connection, stale)?;
    }
    for (other, _) in &namesakes {
        drop_view(connection, with_dataset(other))?;
    }
    for (other, resource) in &namesakes {
        let is_of = |view: &str| {
            let same = |one: &&(String, String)| with_dataset(&one.0).eq_ignore_ascii_case(view);
            namesakes.iter().filter(same).count()
        };
        let view = match namesakes.len() {
            1 => short(other),
            _ if is_of(with_dataset(other)) == 1 => with_dataset(other),
            _ => continue,
        };
        let resource: Value = serde_json::from_str(resource)?;
        let columns = field_schema::of_table(&resource).unwrap_or_default();
        if !columns.is_empty() && !is_reserved(view) {
            create(connection, view, other, &columns)?;
        }
    }
    Ok(())
}

fn create(
    connection: &Connection,
    view: &str,
    id: &str,
    columns: &[FieldSchema],
) -> Result<(), StoreError> {
    let named =
        |column: &FieldSchema| format!("{} AS {}", quoted(&sql_name(column)), quoted(&column.name));
    let names: Vec<String> = columns.iter().map(named).collect();
    connection.execute_batch(&format!(
        "CREATE VIEW {} AS SELECT {} FROM {} WHERE __visible = 1;",
        quoted(view),
        names.join(", "),
        quoted(id),
    ))?;
    Ok(())
}

fn drop_view(connection: &Connection, view: &str) -> Result<(), StoreError> {
    if !is_reserved(view) {
        connection.execute_batch(&format!("DROP VIEW IF EXISTS {}", quoted(view)))?;
    }
    Ok(())
}

/// `table` of `project.dataset.table`.
fn short(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}

/// `dataset.table` of `project.dataset.table`.
fn with_dataset(id: &str) -> &str {
    id.split_once('.').map_or(id, |(_, rest)| rest)
}

/// Whether SQLite or the store has names like this.
fn is_reserved(view: &str) -> bool {
    ["__", "sqlite_"].iter().any(|prefix| view.to_lowercase().starts_with(prefix))
}
