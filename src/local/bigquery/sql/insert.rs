//! INSERT, and what INSERT in MERGE shares with it.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Insert, ObjectName, Query, SetExpr, Spanned, TableObject};

use super::changes::Changes;
use super::error::{Place, SqlError};
use super::table_name::{Target, parts};
use super::translator::Translator;
use super::types::{Literal, Type, Typed};
use crate::local::bigquery::field_schema::{FieldSchema, position};

impl Translator<'_> {
    pub fn insert(&mut self, insert: &Insert) -> Result<(Target, Changes), SqlError> {
        let place = Place::from(insert.insert_token.0.span);
        let unsupported = insert.or.is_some()
            || insert.ignore
            || insert.overwrite
            || insert.by_name
            || insert.replace_into
            || insert.on.is_some()
            || insert.returning.is_some()
            || insert.partitioned.is_some()
            || insert.output.is_some()
            || !insert.assignments.is_empty();
        if unsupported {
            return Err(SqlError::unimplemented("this form of INSERT", place));
        }
        let TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unimplemented("INSERT into this", place));
        };
        let target = Target::find(self.resources, self.query, name)?;
        let columns = insert_columns(&target, &insert.columns)?;
        let Some(source) = &insert.source else {
            return Err(SqlError::unimplemented("INSERT without rows", place));
        };
        let mut changes = Changes::default();
        for sql in self.insert_queries(&target, &columns, source)? {
            let rows = self.fetched(&sql)?;
            changes.inserted.extend(rows.into_iter().map(|row| complete(&target, &columns, row)));
        }
        Ok((target, changes))
    }

    /// The queries that give the inserted rows: one for each row of VALUES, or one SELECT.
    fn insert_queries(
        &mut self,
        target: &Target,
        columns: &[usize],
        source: &Query,
    ) -> Result<Vec<String>, SqlError> {
        if let SetExpr::Values(values) = &*source.body {
            let rows = values.rows.iter().map(|row| {
                let values = self.values(target, columns, &row.content)?;
                Ok(format!("SELECT {}", values.join(", ")))
            });
            return rows.collect();
        }
        let place = Place::from(source.span());
        let rows = self.subquery(source)?;
        check_count(rows.columns.len(), columns.len(), place)?;
        let mut values = Vec::new();
        for (number, (index, (_, value))) in columns.iter().zip(&rows.columns).enumerate() {
            let column = &target.columns[*index];
            let value = Typed { sql: format!("c{number}"), ..value.clone() };
            let converted = value.coerced(&Type::of_column(column), place)?.ok_or_else(|| {
                let message = format!(
                    "Query column {} has type {} which cannot be inserted into column {}, which \
                     has type {}",
                    number + 1,
                    value.ty.name(),
                    column.name,
                    Type::of_column(column).name()
                );
                SqlError::invalid(message, place)
            })?;
            values.push(converted.sql);
        }
        Ok(vec![format!("SELECT {} FROM ({})", values.join(", "), rows.sql)])
    }

    /// The values of VALUES, converted to the types of their columns.
    pub fn values(
        &mut self,
        target: &Target,
        columns: &[usize],
        values: &[Expr],
    ) -> Result<Vec<String>, SqlError> {
        let place = values.first().map(|value| value.span().into()).unwrap_or_default();
        check_count(values.len(), columns.len(), place)?;
        let mut list = Vec::new();
        for (index, expr) in columns.iter().zip(values) {
            let column = &target.columns[*index];
            let value = self.value_or_default(expr)?;
            list.push(inserted_value(&value, column, expr.span().into())?);
        }
        Ok(list)
    }
}

/// The indices of the columns that INSERT names: all if it names none.
pub fn insert_columns(target: &Target, names: &[ObjectName]) -> Result<Vec<usize>, SqlError> {
    if target.has_defaults {
        let what = "INSERT into a table whose columns have default values";
        return Err(SqlError::unimplemented(what, Place::default()));
    }
    if names.is_empty() {
        return Ok((0..target.columns.len()).collect());
    }
    let mut columns = Vec::new();
    for name in names {
        let place = Place::from(name.span());
        let column = parts(name)?.join(".");
        let Some(index) = position(&target.columns, &column) else {
            let message = format!("Column {column} is not present in table {}", target.id);
            return Err(SqlError::invalid(message, place));
        };
        if columns.contains(&index) {
            let message = format!("INSERT has columns with duplicate name: {column}");
            return Err(SqlError::invalid(message, place));
        }
        columns.push(index);
    }
    Ok(columns)
}

pub fn check_count(given: usize, expected: usize, place: Place) -> Result<(), SqlError> {
    if given == expected {
        return Ok(());
    }
    let message = format!("Inserted row has wrong column count; Has {given}, expected {expected}");
    Err(SqlError::invalid(message, place))
}

/// A value converted to the type of the column into which it is inserted.
pub fn inserted_value(
    value: &Typed,
    column: &FieldSchema,
    place: Place,
) -> Result<String, SqlError> {
    let ty = Type::of_column(column);
    match value.coerced(&ty, place)? {
        Some(value) => Ok(value.sql),
        None => {
            let message = format!(
                "Value has type {} which cannot be inserted into column {}, which has type {}",
                value.ty.name(),
                column.name,
                ty.name()
            );
            Err(SqlError::invalid(message, place))
        }
    }
}

/// A row with NULL in the columns that INSERT does not name.
pub fn complete(target: &Target, columns: &[usize], values: Vec<Value>) -> Vec<Value> {
    let mut row = vec![Value::Null; target.columns.len()];
    for (index, value) in columns.iter().zip(values) {
        row[*index] = value;
    }
    row
}

/// A column as a value, for INSERT ROW.
pub fn column_value(value: &Typed) -> Typed {
    Typed { literal: Literal::No, ..value.clone() }
}
