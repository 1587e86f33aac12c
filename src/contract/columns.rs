//! The columns of a contract's table: the fields of all its payloads together.

use std::collections::BTreeMap;
use std::fmt;

use super::node::{Node, NodeField, NodeKind};
use super::problem::{Problem, lines};
use super::schema::Contract;
use super::tree::tree;
use crate::config::RowLayout;
use crate::row::{Column, ColumnRules, ColumnType, Mode, TableSchema};

/// A contract's columns do not make a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TableSchemaError {
    pub problems: Vec<Problem>,
    /// The columns as far as they could be derived. Settings that name a column can be checked
    /// against them, so that one report has their mistakes too.
    pub derived: TableSchema,
}

impl fmt::Display for TableSchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(&self.problems, f)
    }
}

impl Contract {
    /// The columns of a table for all event types, as a sink with these rules can store them.
    ///
    /// The position columns come first. The layout `columns` adds the fields of all payloads and
    /// `_extra`; the layout `envelope` adds `payload` alone.
    pub fn table_schema(
        &self,
        layout: RowLayout,
        rules: &ColumnRules,
    ) -> Result<TableSchema, TableSchemaError> {
        let mut problems = Vec::new();
        let mut columns = TableSchema::position_columns();
        match layout {
            RowLayout::Envelope => columns.push(Column::nullable("payload", ColumnType::Json)),
            RowLayout::Columns => {
                let positions = columns.len();
                columns.extend(self.payload_columns(rules, &mut problems));
                columns.push(Column::nullable("_extra", ColumnType::Json));
                collisions(&columns, positions, "", &mut problems);
            }
        }
        let count = count(&columns);
        if count > rules.most_columns {
            let most = rules.most_columns;
            let what = format!(
                "has {count} columns, and the table takes {most} at most: use ROW_LAYOUT=envelope"
            );
            problems.push(Problem::new(&self.id, what));
        }
        let schema = TableSchema { columns };
        if problems.is_empty() {
            Ok(schema)
        } else {
            Err(TableSchemaError { problems, derived: schema })
        }
    }

    fn payload_columns(&self, rules: &ColumnRules, problems: &mut Vec<Problem>) -> Vec<Column> {
        let mut union = Union { rules, path: Vec::new(), problems };
        let mut columns = Vec::new();
        for event in &self.events {
            union.path = vec![event.name.clone()];
            match tree(&event.json_schema) {
                Ok(Node { kind: NodeKind::Object(fields), .. }) => {
                    union.add(&mut columns, &fields, 0);
                }
                // `load` accepts only objects.
                Ok(_) => {}
                Err(error) => union.problems.push(Problem::new(&event.name, error.to_string())),
            }
        }
        columns
    }
}

/// Joins the fields of several payloads.
struct Union<'a> {
    rules: &'a ColumnRules,
    /// Event type and fields that lead to the current one, for problems.
    path: Vec<String>,
    problems: &'a mut Vec<Problem>,
}

impl Union<'_> {
    /// Adds the columns of these fields. `depth` counts the records around them.
    fn add(&mut self, columns: &mut Vec<Column>, fields: &[NodeField], depth: usize) {
        for field in fields {
            self.path.push(field.name.clone());
            let (kind, mode) = self.column(&field.node, depth);
            let found = columns.iter_mut().find(|column| column.source == field.name);
            match found {
                Some(column) => *column = merge(column, kind, mode),
                None => columns.push(Column {
                    name: (self.rules.name)(&field.name),
                    source: field.name.clone(),
                    kind,
                    mode,
                }),
            }
            self.path.pop();
        }
    }

    fn column(&mut self, node: &Node, depth: usize) -> (ColumnType, Mode) {
        if let Some(name) = &node.column_type {
            return (self.chosen(name), Mode::Nullable);
        }
        let format = node.format.as_deref();
        let kind = match &node.kind {
            NodeKind::Any => ColumnType::Json,
            NodeKind::Boolean => ColumnType::Bool,
            NodeKind::Integer => ColumnType::Int64,
            NodeKind::Number if format == Some("decimal") => ColumnType::Numeric,
            NodeKind::Number => ColumnType::Float64,
            NodeKind::String => match format {
                Some("date-time") => ColumnType::Timestamp,
                Some("date") => ColumnType::Date,
                Some("base64") => ColumnType::Bytes,
                Some("decimal") => ColumnType::Numeric,
                _ => ColumnType::String,
            },
            NodeKind::Object(fields) if fields.is_empty() || depth >= self.rules.deepest_record => {
                ColumnType::Json
            }
            NodeKind::Object(fields) => {
                let mut inner = Vec::new();
                self.add(&mut inner, fields, depth + 1);
                ColumnType::Record(inner)
            }
            // A repeated column contains neither NULLs nor other arrays.
            NodeKind::Array(items)
                if items.nullable || matches!(items.kind, NodeKind::Array(_)) =>
            {
                ColumnType::Json
            }
            NodeKind::Array(items) => return (self.column(items, depth).0, Mode::Repeated),
        };
        (kind, Mode::Nullable)
    }

    /// The type that `x-bigquery-type` names.
    fn chosen(&mut self, name: &str) -> ColumnType {
        match name.to_ascii_uppercase().as_str() {
            "STRING" => ColumnType::String,
            "BYTES" => ColumnType::Bytes,
            "INT64" | "INTEGER" => ColumnType::Int64,
            "FLOAT64" | "FLOAT" => ColumnType::Float64,
            "BOOL" | "BOOLEAN" => ColumnType::Bool,
            "TIMESTAMP" => ColumnType::Timestamp,
            "DATE" => ColumnType::Date,
            "DATETIME" => ColumnType::Datetime,
            "TIME" => ColumnType::Time,
            "NUMERIC" => ColumnType::Numeric,
            "BIGNUMERIC" => ColumnType::BigNumeric,
            "JSON" => ColumnType::Json,
            _ => {
                let what = format!("x-bigquery-type {name:?} is not a scalar type of BigQuery");
                self.problems.push(Problem::new(self.path.join("."), what));
                ColumnType::Json
            }
        }
    }
}

/// The column of a field that two places declare: their type if it is the same, the fields of both
/// if they are records, otherwise JSON.
fn merge(column: &Column, kind: ColumnType, mode: Mode) -> Column {
    let mut merged = column.clone();
    if column.mode == mode {
        match (&mut merged.kind, kind) {
            (ColumnType::Record(mine), ColumnType::Record(theirs)) => {
                for column in theirs {
                    match mine.iter_mut().find(|known| known.source == column.source) {
                        Some(known) => *known = merge(known, column.kind, column.mode),
                        None => mine.push(column),
                    }
                }
                return merged;
            }
            (mine, theirs) if *mine == theirs => return merged,
            _ => {}
        }
    }
    (merged.kind, merged.mode) = (ColumnType::Json, Mode::Nullable);
    merged
}

/// Reports fields whose columns would have the same name. The first `positions` columns are the
/// position columns.
fn collisions(columns: &[Column], positions: usize, path: &str, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        if let Some((first, other)) =
            seen.insert(column.name.to_ascii_lowercase(), (index, &column.source))
        {
            let with = if first < positions { "the position column" } else { "the field" };
            let what = format!(
                "the field {:?} would be the same column as {with} {other:?}",
                column.source
            );
            problems.push(Problem::new(format!("column {path}{}", column.name), what));
        }
        if let ColumnType::Record(fields) = &column.kind {
            collisions(fields, 0, &format!("{path}{}.", column.name), problems);
        }
    }
}

/// The number of columns, with the fields of records.
fn count(columns: &[Column]) -> usize {
    columns
        .iter()
        .map(|column| match &column.kind {
            ColumnType::Record(fields) => 1 + count(fields),
            _ => 1,
        })
        .sum()
}
