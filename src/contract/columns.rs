//! The union of a contract's payload fields, as the columns of one table.

use std::collections::BTreeMap;

use super::name::column_name;
use super::node::{Kind, Node};
use super::{Contract, ContractError, Mistake};
use crate::config::RowLayout;
use crate::row::{Column, ColumnType, Mode, TableSchema};

/// BigQuery nests RECORDs this deep; what is deeper stays JSON.
const DEEPEST: usize = 15;

/// BigQuery's limit a table, nested fields included.
const MOST_COLUMNS: usize = 10_000;

impl Contract {
    /// The table's columns: position columns first; in the `columns` layout then the union of all
    /// payload fields and `_extra`, in the `envelope` layout `payload` alone.
    pub fn table_schema(
        &self,
        layout: RowLayout,
        partition_by: &str,
    ) -> Result<TableSchema, ContractError> {
        let mut mistakes = Vec::new();
        let mut columns = TableSchema::position_columns();
        match layout {
            RowLayout::Envelope => columns.push(Column::nullable("payload", ColumnType::Json)),
            RowLayout::Columns => {
                let own = columns.len();
                let mut union = Union { path: Vec::new(), mistakes: &mut mistakes };
                let mut payload: Vec<Column> = Vec::new();
                for event in &self.events {
                    union.path = vec![event.name.clone()];
                    match Node::of(&event.json_schema) {
                        Ok(Node { kind: Kind::Object(fields), .. }) => {
                            union.add(&mut payload, &fields, 0);
                        }
                        Ok(_) => {}
                        Err(what) => union.mistakes.push(Mistake::new(&event.name, what)),
                    }
                }
                payload.push(Column::nullable("_extra", ColumnType::Json));
                columns.extend(payload);
                collisions(&columns, own, "", &mut mistakes);
            }
        }
        if count(&columns) > MOST_COLUMNS {
            let what = format!(
                "has {} columns, BigQuery takes {MOST_COLUMNS}: use ROW_LAYOUT=envelope",
                count(&columns)
            );
            mistakes.push(Mistake::new(&self.id, what));
        }
        let schema = TableSchema { columns };
        match schema.column(partition_by) {
            Some(Column {
                kind: ColumnType::Timestamp | ColumnType::Date,
                mode: Mode::Nullable,
                ..
            }) => {}
            Some(column) => mistakes.push(Mistake::new(
                "PARTITION_BY",
                format!(
                    "{partition_by} is a {} column; a day partition needs TIMESTAMP or DATE",
                    column.kind.name()
                ),
            )),
            None => mistakes.push(Mistake::new(
                "PARTITION_BY",
                format!("the table has no column {partition_by}; _ingested_at is the default"),
            )),
        }
        if mistakes.is_empty() { Ok(schema) } else { Err(ContractError { mistakes }) }
    }
}

struct Union<'a> {
    path: Vec<String>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Union<'_> {
    fn add(&mut self, columns: &mut Vec<Column>, fields: &[(String, bool, Node)], depth: usize) {
        for (field, _, node) in fields {
            self.path.push(field.clone());
            let (kind, mode) = self.column(node, depth);
            let found = columns.iter_mut().find(|column| column.source == *field);
            match found {
                Some(column) => *column = merge(column, kind, mode),
                None => columns.push(Column {
                    name: column_name(field),
                    source: field.clone(),
                    kind,
                    mode,
                }),
            }
            self.path.pop();
        }
    }

    fn column(&mut self, node: &Node, depth: usize) -> (ColumnType, Mode) {
        if let Some(name) = &node.column_type {
            return (self.overridden(name), Mode::Nullable);
        }
        let format = node.format.as_deref();
        let kind = match &node.kind {
            Kind::Any => ColumnType::Json,
            Kind::Boolean => ColumnType::Bool,
            Kind::Integer => ColumnType::Int64,
            Kind::Number if format == Some("decimal") => ColumnType::Numeric,
            Kind::Number => ColumnType::Float64,
            Kind::String => match format {
                Some("date-time") => ColumnType::Timestamp,
                Some("date") => ColumnType::Date,
                Some("base64") => ColumnType::Bytes,
                Some("decimal") => ColumnType::Numeric,
                _ => ColumnType::String,
            },
            Kind::Object(fields) if fields.is_empty() || depth >= DEEPEST => ColumnType::Json,
            Kind::Object(fields) => {
                let mut inner = Vec::new();
                self.add(&mut inner, fields, depth + 1);
                ColumnType::Record(inner)
            }
            // NULL is no item of an ARRAY, and an ARRAY is none either.
            Kind::Array(items) if items.nullable || matches!(items.kind, Kind::Array(_)) => {
                ColumnType::Json
            }
            Kind::Array(items) => return (self.column(items, depth).0, Mode::Repeated),
        };
        (kind, Mode::Nullable)
    }

    fn overridden(&mut self, name: &str) -> ColumnType {
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
                let what = format!("x-bigquery-type {name:?} is no scalar type of BigQuery");
                self.mistakes.push(Mistake::new(self.path.join("."), what));
                ColumnType::Json
            }
        }
    }
}

/// A field that two places declare: the same type, or records joined, or else JSON.
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

/// Two fields of one column; the first `own` columns are ours.
fn collisions(columns: &[Column], own: usize, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut seen: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        if let Some((first, other)) =
            seen.insert(column.name.to_ascii_lowercase(), (index, &column.source))
        {
            let with = if first < own { "the position column" } else { "the field" };
            let what = format!(
                "the field {:?} would be the same column as {with} {other:?}",
                column.source
            );
            mistakes.push(Mistake::new(format!("column {path}{}", column.name), what));
        }
        if let ColumnType::Record(fields) = &column.kind {
            collisions(fields, 0, &format!("{path}{}.", column.name), mistakes);
        }
    }
}

fn count(columns: &[Column]) -> usize {
    columns
        .iter()
        .map(|column| match &column.kind {
            ColumnType::Record(fields) => 1 + count(fields),
            _ => 1,
        })
        .sum()
}
