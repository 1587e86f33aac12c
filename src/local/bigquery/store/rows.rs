//! Rows: inserting them, and listing the visible ones.

use std::borrow::Cow;

use rusqlite::types::{Null, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params, params_from_iter};
use serde_json::Value;

use super::database::{Store, quoted};
use super::error::StoreError;
use crate::clock::Clock;
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::partition::{Partition, ingestion_hour};
use crate::row::{Cell, NamedRows};

impl Store {
    /// At most `limit` visible rows of a table or of one of its partitions, in the order in which they
    /// were written. The first `start` rows are skipped.
    pub fn list_rows(
        &self,
        id: &str,
        partition: Option<&Partition>,
        columns: &[FieldSchema],
        start: u64,
        limit: u64,
    ) -> Result<Vec<Cells>, StoreError> {
        let names: Vec<String> = columns.iter().map(|column| quoted(&sql_name(column))).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY rowid LIMIT ?1 OFFSET ?2",
            if names.is_empty() { "NULL".to_owned() } else { names.join(", ") },
            quoted(id),
            visible(partition),
        );
        let bounds = [limit, start].map(|bound| i64::try_from(bound).unwrap_or(i64::MAX));
        let connection = self.reader()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(bounds)?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = columns.iter().enumerate();
            let cells = cells.map(|(index, column)| read(row.get_ref(index)?, column));
            list.push(cells.collect::<Result<_, StoreError>>()?);
        }
        Ok(list)
    }

    /// How many visible rows a table or one of its partitions has.
    pub fn count_rows(&self, id: &str, partition: Option<&Partition>) -> Result<u64, StoreError> {
        count_rows(&*self.reader()?, id, partition)
    }

    /// The visible rows of a table, which may be named by its table, dataset and table, or full id.
    pub fn rows(&self, table: &str, limit: Option<usize>) -> Result<NamedRows, StoreError> {
        let ids = self.table_ids()?;
        let suffix = format!(".{table}");
        let found: Vec<&String> =
            ids.iter().filter(|id| *id == table || id.ends_with(&suffix)).collect();
        let table = || table.to_owned();
        let id = match found[..] {
            [id] => id,
            [] if ids.is_empty() => {
                return Err(StoreError::NoTable { table: table(), known: "no tables".to_owned() });
            }
            [] => return Err(StoreError::NoTable { table: table(), known: ids.join(", ") }),
            [..] => {
                let known: Vec<&str> = found.into_iter().map(String::as_str).collect();
                return Err(StoreError::Ambiguous { table: table(), known: known.join(", ") });
            }
        };
        let columns = self.columns(id)?.unwrap_or_default();
        let rows =
            self.list_rows(id, None, &columns, 0, limit.map_or(u64::MAX, |limit| limit as u64))?;
        let absent = |column: &FieldSchema| match column.mode {
            FieldMode::Repeated => Cell::Array(Vec::new()),
            FieldMode::Nullable | FieldMode::Required => Cell::NULL,
        };
        let complete = |cells: Cells| {
            let cells = columns.iter().zip(cells);
            cells.map(|(column, cell)| cell.unwrap_or_else(|| absent(column))).collect()
        };
        Ok(NamedRows {
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            rows: rows.into_iter().map(complete).collect(),
        })
    }
}

/// Inserts rows of one stream.
pub(super) fn insert(
    connection: &Connection,
    table: &str,
    columns: &[FieldSchema],
    to: RowPlace<'_>,
    rows: &[Cells],
) -> Result<(), StoreError> {
    let names: String =
        columns.iter().map(|column| format!(", {}", quoted(&sql_name(column)))).collect();
    let placeholders = vec!["?"; columns.len() + 4].join(", ");
    let sql = format!(
        "INSERT INTO {} (__stream, __row, __visible, __ingested{names}) VALUES ({placeholders})",
        quoted(table)
    );
    let now = ingestion_hour(Clock::System.now_micros());
    let ingested = to.ingested.unwrap_or(&now);
    let mut statement = connection.prepare_cached(&sql)?;
    for (row, cells) in (to.first..).zip(rows) {
        let own = [
            ToSqlOutput::from(to.stream),
            ToSqlOutput::from(row as i64),
            ToSqlOutput::from(to.visible),
            ToSqlOutput::from(ingested),
        ];
        let cells = cells.iter().zip(columns).map(|(cell, column)| stored(cell.as_ref(), column));
        let cells = own.into_iter().map(Ok).chain(cells).collect::<Result<Vec<_>, StoreError>>()?;
        statement.execute(params_from_iter(cells))?;
    }
    Ok(())
}

/// The stream and offset at which rows are inserted.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace<'a> {
    /// Id of the write stream.
    pub stream: &'a str,
    /// Offset of the first row in the stream.
    pub first: u64,
    pub visible: bool,
    /// The hour at which the rows count as ingested, if it is not the current one.
    pub ingested: Option<&'a str>,
}

/// How many visible rows a table or one of its partitions has.
pub(super) fn count_rows(
    connection: &Connection,
    id: &str,
    partition: Option<&Partition>,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM {} WHERE {}", quoted(id), visible(partition));
    let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(count as u64)
}

/// The SQL condition of the visible rows of a table or of one of its partitions.
pub(super) fn visible(partition: Option<&Partition>) -> String {
    match partition {
        Some(partition) => format!("__visible = 1 AND ({})", inside(partition)),
        None => "__visible = 1".to_owned(),
    }
}

/// The SQL condition of the rows of a partition. It is never NULL.
pub(super) fn inside(partition: &Partition) -> String {
    let column = match &partition.column {
        Some(column) => quoted(&sql_name(column)),
        None => "__ingested".to_owned(),
    };
    match &partition.prefix {
        // A prefix has digits, `-` and `T`.
        Some(prefix) => format!("ifnull(substr({column}, 1, {}) = '{prefix}', 0)", prefix.len()),
        None => format!("{column} IS NULL"),
    }
}

/// How many rows were ever inserted into the table, through all of its streams.
pub fn inserted_rows(connection: &Connection, table: &str) -> Result<u64, StoreError> {
    let sql = format!("SELECT ifnull(max(rowid), 0) FROM {}", quoted(table));
    Ok(connection.prepare_cached(&sql)?.query_row(params![], |row| row.get::<_, i64>(0))? as u64)
}

/// The column's name in SQLite. A BigQuery column that is named like one of the store's own columns
/// gets a quote at its end, which no BigQuery column can have.
pub fn sql_name(column: &FieldSchema) -> Cow<'_, str> {
    let reserved = ["__stream", "__row", "__visible", "__ingested"];
    if reserved.iter().any(|name| column.name.eq_ignore_ascii_case(name)) {
        Cow::Owned(format!("{}'", column.name))
    } else {
        Cow::Borrowed(&column.name)
    }
}

fn stored<'a>(
    value: Option<&'a Cell>,
    column: &FieldSchema,
) -> Result<ToSqlOutput<'a>, StoreError> {
    Ok(match value {
        None => ToSqlOutput::from(Null),
        Some(Cell::Json(text)) => ToSqlOutput::from(text.get()),
        Some(value) if is_json(column) => ToSqlOutput::from(serde_json::to_string(value)?),
        Some(Cell::Scalar(Value::Bool(value))) => ToSqlOutput::from(*value),
        Some(Cell::Scalar(Value::Number(number))) => match number.as_i64() {
            Some(number) if column.kind != FieldType::Float => ToSqlOutput::from(number),
            _ => ToSqlOutput::from(number.as_f64().unwrap_or_default()),
        },
        Some(Cell::Scalar(Value::String(text))) => ToSqlOutput::from(text.as_str()),
        // No other column has arrays and records.
        Some(Cell::Scalar(_) | Cell::Array(_) | Cell::Record(_)) => ToSqlOutput::from(Null),
    })
}

/// A value of a column as SQLite gives it.
pub fn read(value: ValueRef<'_>, column: &FieldSchema) -> Result<Option<Cell>, StoreError> {
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) if column.kind == FieldType::Boolean => {
            Some(Cell::from(number != 0))
        }
        ValueRef::Integer(number) => Some(Cell::from(number)),
        ValueRef::Real(number) => Some(Cell::from(number)),
        ValueRef::Text(text) if is_json(column) => Some(Cell::json(String::from_utf8_lossy(text))?),
        ValueRef::Text(text) => Some(Cell::from(String::from_utf8_lossy(text))),
        // The store writes no blobs.
        ValueRef::Blob(_) => None,
    })
}

fn is_json(column: &FieldSchema) -> bool {
    column.mode == FieldMode::Repeated || matches!(column.kind, FieldType::Json | FieldType::Record)
}
