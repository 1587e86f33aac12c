//! The columns of a contract's table: the fields of all its payloads together.

use std::collections::HashMap;
use std::fmt;

use super::json_types::JsonTypes;
use super::names;
use super::node::{Node, NodeField, NodeKind};
use super::problem::{Problem, lines};
use super::schema::Contract;
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
    /// The columns of a table for all event types but the `ignored` ones, as a sink with these rules
    /// can store them.
    ///
    /// The position columns come first. The layout `columns` adds the fields of all payloads and
    /// `_extra`; the layout `envelope` adds `payload` alone.
    pub fn table_schema(
        &self,
        layout: RowLayout,
        ignored: &[String],
        rules: &ColumnRules,
    ) -> Result<TableSchema, TableSchemaError> {
        let mut problems = Vec::new();
        let mut columns = TableSchema::position_columns();
        match layout {
            RowLayout::Envelope => {
                let payload = Column::nullable("payload", ColumnType::Json);
                columns.push(Column { required: true, ..payload });
            }
            RowLayout::Columns => {
                let fields = self.fields(ignored, rules, &mut problems);
                let extra = Column::nullable("_extra", ColumnType::Json);
                let ours: Vec<&str> =
                    columns.iter().chain([&extra]).map(|column| column.name.as_str()).collect();
                let payload = named(fields.list, &ours, "", rules, &mut problems);
                columns.extend(payload);
                columns.push(extra);
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

    /// The fields of all payloads together.
    fn fields(
        &self,
        ignored: &[String],
        rules: &ColumnRules,
        problems: &mut Vec<Problem>,
    ) -> Fields {
        let mut all: Option<Fields> = None;
        for event in self.events.iter().filter(|event| !ignored.contains(&event.name)) {
            let mut reader = FieldReader { rules, path: vec![&event.name], problems };
            let fields = reader.fields(&event.node.fields, 0);
            match &mut all {
                None => all = Some(fields),
                Some(all) => all.merge(fields, &event.name, problems),
            }
        }
        all.unwrap_or_default()
    }
}

/// The fields of a payload or of a record in it, in order.
#[derive(Default, PartialEq)]
struct Fields {
    list: Vec<Field>,
    /// Index in `list` by name.
    index: HashMap<String, usize>,
}

/// A field and the column that it is written to, which has no name yet.
#[derive(PartialEq)]
struct Field {
    name: String,
    /// The column's name, where the contract says it (`x-bigquery-name`).
    chosen: Option<String>,
    /// Every event has a value for it.
    required: bool,
    kind: FieldKind,
    mode: Mode,
}

#[derive(PartialEq)]
enum FieldKind {
    Scalar(ColumnType),
    Record(Fields),
}

/// Derives fields from the nodes of one event type.
struct FieldReader<'a> {
    rules: &'a ColumnRules,
    /// Event type and fields that lead to the current one, for problems.
    path: Vec<&'a str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> FieldReader<'a> {
    /// `depth` counts the records around the fields.
    fn fields(&mut self, nodes: &'a [NodeField], depth: usize) -> Fields {
        let mut fields = Fields::default();
        for NodeField { name, required, node } in nodes {
            self.path.push(name);
            let (kind, mode) = self.kind(node, depth);
            self.path.pop();
            fields.push(Field {
                name: name.clone(),
                chosen: node.column_name.clone(),
                required: *required && !node.types.meets(JsonTypes::NULL),
                kind,
                mode,
            });
        }
        fields
    }

    fn kind(&mut self, node: &'a Node, depth: usize) -> (FieldKind, Mode) {
        if let Some(name) = &node.column_type {
            return (FieldKind::Scalar(self.chosen(name)), Mode::Nullable);
        }
        let format = node.format.as_deref();
        let kind = match node.kind() {
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
                return (FieldKind::Record(self.fields(fields, depth + 1)), Mode::Nullable);
            }
            NodeKind::Array(Some(items)) if fits_repeated(items) => {
                return (self.kind(items, depth).0, Mode::Repeated);
            }
            NodeKind::Array(_) => ColumnType::Json,
        };
        (FieldKind::Scalar(kind), Mode::Nullable)
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

/// Whether an array of such items can be a repeated column, which contains neither NULLs nor other
/// arrays.
fn fits_repeated(items: &Node) -> bool {
    let is_nullable = items.described.meets(JsonTypes::NULL);
    let is_array = matches!(items.kind(), NodeKind::Array(_)) || items.is_tuple;
    !is_nullable && !is_array
}

impl Fields {
    fn push(&mut self, field: Field) {
        self.index.insert(field.name.clone(), self.list.len());
        self.list.push(field);
    }

    /// Adds the fields of another event type.
    fn merge(&mut self, other: Fields, event: &str, problems: &mut Vec<Problem>) {
        for mine in &mut self.list {
            mine.required &= other.index.contains_key(&mine.name);
        }
        for theirs in other.list {
            match self.index.get(&theirs.name) {
                Some(index) => self.list[*index].merge(theirs, event, problems),
                None => self.push(Field { required: false, ..theirs }),
            }
        }
    }
}

impl Field {
    /// Joins the declarations of a field that two event types have: the type, if it is the same; the
    /// fields of both, if they are records; otherwise JSON.
    fn merge(&mut self, other: Field, event: &str, problems: &mut Vec<Problem>) {
        self.required &= other.required;
        match (&self.chosen, other.chosen) {
            (Some(mine), Some(theirs)) if *mine != theirs => {
                let what = format!(
                    "x-bigquery-name is {theirs:?} here and {mine:?} in another event type"
                );
                problems.push(Problem::new(format!("{event}.{}", self.name), what));
            }
            (None, Some(theirs)) => self.chosen = Some(theirs),
            (Some(_) | None, _) => {}
        }
        let same_mode = self.mode == other.mode;
        match (&mut self.kind, other.kind) {
            (FieldKind::Record(mine), FieldKind::Record(theirs)) if same_mode => {
                mine.merge(theirs, event, problems);
            }
            (mine, theirs) if same_mode && *mine == theirs => {}
            _ => {
                self.kind = FieldKind::Scalar(ColumnType::Json);
                self.mode = Mode::Nullable;
            }
        }
    }
}

/// The columns of these fields, with distinct names. `ours` are names that fields cannot have.
fn named(
    fields: Vec<Field>,
    ours: &[&str],
    path: &str,
    rules: &ColumnRules,
    problems: &mut Vec<Problem>,
) -> Vec<Column> {
    let wanted: Vec<(&str, Option<&str>)> =
        fields.iter().map(|field| (field.name.as_str(), field.chosen.as_deref())).collect();
    let (found, wrong) = names::distinct(&wanted, ours, rules);
    problems.extend(
        wrong.into_iter().map(|(name, what)| Problem::new(format!("column {path}{name}"), what)),
    );
    let column = |(field, name): (Field, String)| Column {
        kind: match field.kind {
            FieldKind::Scalar(kind) => kind,
            FieldKind::Record(fields) => {
                let path = format!("{path}{name}.");
                ColumnType::Record(named(fields.list, &[], &path, rules, problems))
            }
        },
        source: field.name,
        mode: field.mode,
        required: field.required,
        name,
    };
    fields.into_iter().zip(found).map(column).collect()
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
