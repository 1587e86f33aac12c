//! The changes of a DML statement, which are collected first and then made.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::error::{Place, SqlError};
use super::request::Affected;
use super::table_name::Target;
use crate::clock::Clock;
use crate::local::bigquery::field_schema::FieldMode;
use crate::local::bigquery::partition::ingestion_hour;
use crate::local::bigquery::store::{Resources, inserted_rows, quoted, sql_name};

/// What `__stream` holds in rows that a statement inserted.
const DML_STREAM: &str = "_dml";

/// Rows by their number in SQLite, and their new values in the form in which the store keeps them.
#[derive(Debug, Default)]
pub struct Changes {
    /// A value for each of the table's columns.
    pub inserted: Vec<Vec<Value>>,
    pub updated: Vec<(i64, Vec<(usize, Value)>)>,
    pub deleted: Vec<i64>,
}

impl Changes {
    /// Adds rows of a query for their numbers and their new values.
    pub fn add_updated(&mut self, rows: Vec<Vec<Value>>, assigned: &[(usize, String)]) {
        for row in rows {
            let mut values = row.into_iter();
            let Some(Value::Integer(number)) = values.next() else { continue };
            let columns = assigned.iter().map(|(index, _)| *index);
            self.updated.push((number, columns.zip(values).collect()));
        }
    }

    /// Adds rows of a query for their numbers.
    pub fn add_deleted(&mut self, rows: Vec<Vec<Value>>) {
        let numbers = rows.into_iter().filter_map(|row| match row.first() {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        });
        self.deleted.extend(numbers);
    }

    /// BigQuery's error if a row would be updated or deleted by more than one row of the source.
    pub fn refuse_doubled(&self) -> Result<(), SqlError> {
        let mut seen = HashSet::new();
        let mut touched =
            self.updated.iter().map(|(row, _)| *row).chain(self.deleted.iter().copied());
        if touched.all(|row| seen.insert(row)) {
            return Ok(());
        }
        let message = "UPDATE/MERGE must match at most one source row for each target row";
        Err(SqlError::invalid(message, Place::default()))
    }

    /// Makes the changes, unless one of them touches a row in the streaming buffer or puts NULL into
    /// a REQUIRED column.
    pub fn make(&self, resources: &Resources<'_>, target: &Target) -> Result<Affected, SqlError> {
        let connection = resources.connection();
        let touched = self.updated.iter().map(|(row, _)| *row).chain(self.deleted.iter().copied());
        if resources.are_streamed(&target.id, touched)? {
            let message = format!(
                "UPDATE or DELETE statement over table {} would affect rows in the streaming \
                 buffer, which is not supported",
                target.id
            );
            return Err(SqlError::invalid(message, Place::default()));
        }
        self.update(connection, target)?;
        self.delete(connection, target)?;
        self.insert(connection, target)?;
        Ok(Affected {
            inserted: self.inserted.len() as u64,
            updated: self.updated.len() as u64,
            deleted: self.deleted.len() as u64,
        })
    }

    fn insert(&self, connection: &Connection, target: &Target) -> Result<(), SqlError> {
        let columns = target.columns.iter();
        let names: String =
            columns.map(|column| format!(", {}", quoted(&sql_name(column)))).collect();
        let values = ", ?".repeat(target.columns.len());
        let sql = format!(
            "INSERT INTO {} (__visible, __stream, __row, __ingested{names})
             VALUES (1, ?, ?, ?{values})",
            quoted(&target.id)
        );
        let mut statement = connection.prepare(&sql)?;
        let ingested = ingestion_hour(Clock::System.now_micros());
        let first = inserted_rows(connection, &target.id)?;
        for (number, row) in (first..).zip(&self.inserted) {
            for (index, value) in row.iter().enumerate() {
                check_required(target, index, value)?;
            }
            let stream = Value::Text(DML_STREAM.to_owned());
            let own = [stream, Value::Integer(number as i64), Value::Text(ingested.clone())];
            statement.execute(params_from_iter(own.iter().chain(row)))?;
        }
        Ok(())
    }

    fn update(&self, connection: &Connection, target: &Target) -> Result<(), SqlError> {
        for (row, values) in &self.updated {
            let mut names = Vec::new();
            for (index, value) in values {
                check_required(target, *index, value)?;
                names.push(format!("{} = ?", quoted(&sql_name(&target.columns[*index]))));
            }
            let (table, names) = (quoted(&target.id), names.join(", "));
            let sql = format!("UPDATE {table} SET {names} WHERE rowid = ?");
            let row = Value::Integer(*row);
            let values = values.iter().map(|(_, value)| value).chain([&row]);
            connection.prepare_cached(&sql)?.execute(params_from_iter(values))?;
        }
        Ok(())
    }

    fn delete(&self, connection: &Connection, target: &Target) -> Result<(), SqlError> {
        let sql = format!("DELETE FROM {} WHERE rowid = ?1", quoted(&target.id));
        let mut statement = connection.prepare(&sql)?;
        for row in &self.deleted {
            statement.execute([row])?;
        }
        Ok(())
    }
}

fn check_required(target: &Target, index: usize, value: &Value) -> Result<(), SqlError> {
    let column = &target.columns[index];
    if column.mode == FieldMode::Required && *value == Value::Null {
        let message = format!("Required field {} cannot be null", column.name);
        return Err(SqlError::invalid(message, Place::default()));
    }
    Ok(())
}

/// All rows of a query, as SQLite gives their values.
pub fn fetched(connection: &Connection, sql: &str) -> Result<Vec<Vec<Value>>, SqlError> {
    let mut statement = connection.prepare(sql)?;
    let count = statement.column_count();
    let mut rows = statement.query([])?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..count).map(|index| row.get::<_, Value>(index));
        list.push(values.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(list)
}
