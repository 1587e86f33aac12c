//! The columns of a contract's table: the fields of all its payloads together.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::chosen::{self, Chosen};
use super::json_types::JsonTypes;
use super::keywords::{COLUMN_NAME, COLUMN_TYPE};
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
                problems.extend(self.without_effect(ignored, &fields));
                let place = |path: &[&str]| self.place_of_field(ignored, path);
                let mut namer = Namer { place: &place, rules, problems: &mut problems };
                let payload = namer.columns(fields.list, &ours, &[]);
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
        for event in self.not_ignored(ignored) {
            let mut reader = FieldReader { rules, problems };
            let fields = reader.fields(&event.node.fields, 0);
            match &mut all {
                None => all = Some(fields),
                Some(all) => all.merge(fields, problems),
            }
        }
        all.unwrap_or_default()
    }

    /// The place of a field in the first event type that declares it.
    fn place_of_field(&self, ignored: &[String], path: &[&str]) -> String {
        let mut found =
            self.not_ignored(ignored).filter_map(|one| one.places.field(&one.json_schema, path));
        found.next().map_or_else(|| self.id.clone(), |at| at.to_string())
    }

    /// The problems of our keywords that no column follows.
    fn without_effect(&self, ignored: &[String], fields: &Fields) -> Vec<Problem> {
        let mut followed = HashSet::new();
        fields.followed(&mut followed);
        let mut reported = HashSet::new();
        let mut problems = Vec::new();
        for event in self.not_ignored(ignored) {
            chosen::each_in(&event.json_schema, &mut |at, keyword| {
                if !followed.contains(at.as_str()) && reported.insert(at.clone()) {
                    let what = format!(
                        "{keyword} has no effect here: it belongs to a field that has a column of its \
                         own, which neither the payload itself, the items of an array ({COLUMN_NAME}) \
                         nor what lies inside a JSON column has"
                    );
                    problems.push(Problem::new(at, what));
                }
            });
        }
        problems
    }
}

/// The fields of a payload or of a record in it, in order.
#[derive(Default)]
struct Fields {
    list: Vec<Field>,
    /// Index in `list` by name.
    index: HashMap<String, usize>,
}

/// A field and the column that it is written to, which has no name yet.
struct Field {
    name: String,
    /// The column's name, where the contract says it (`x-bigquery-name`).
    chosen: Option<Box<Chosen>>,
    /// The places of `x-bigquery-type` that the kind follows.
    typed_at: Vec<String>,
    /// Every event has a value for it.
    required: bool,
    kind: FieldKind,
    mode: Mode,
}

enum FieldKind {
    Scalar(ColumnType),
    Record(Fields),
}

/// Derives fields from the nodes of one event type.
struct FieldReader<'a> {
    rules: &'a ColumnRules,
    problems: &'a mut Vec<Problem>,
}

impl FieldReader<'_> {
    /// `depth` counts the records around the fields.
    fn fields(&mut self, nodes: &[NodeField], depth: usize) -> Fields {
        let mut fields = Fields::default();
        for NodeField { name, required, node } in nodes {
            let mut typed_at = Vec::new();
            let (kind, mode) = self.kind(node, depth, &mut typed_at);
            self.conflict(COLUMN_NAME, node.column_name.as_deref());
            fields.push(Field {
                name: name.clone(),
                chosen: node.column_name.clone(),
                typed_at,
                required: *required && !node.types.meets(JsonTypes::NULL),
                kind,
                mode,
            });
        }
        fields
    }

    fn conflict(&mut self, keyword: &str, chosen: Option<&Chosen>) {
        if let Some(Chosen { at, conflict: Some(conflict), .. }) = chosen {
            let place = at.first().map_or("", String::as_str);
            self.problems.push(Problem::new(place, format!("{keyword} {conflict}")));
        }
    }

    /// `typed_at` gets the places of `x-bigquery-type` that decide.
    fn kind(&mut self, node: &Node, depth: usize, typed_at: &mut Vec<String>) -> (FieldKind, Mode) {
        if let Some(chosen) = &node.column_type {
            self.conflict(COLUMN_TYPE, Some(chosen));
            typed_at.extend_from_slice(&chosen.at);
            return (FieldKind::Scalar(self.chosen(chosen)), Mode::Nullable);
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
                return (self.kind(items, depth, typed_at).0, Mode::Repeated);
            }
            NodeKind::Array(_) => ColumnType::Json,
        };
        (FieldKind::Scalar(kind), Mode::Nullable)
    }

    /// The type that `x-bigquery-type` names.
    fn chosen(&mut self, chosen: &Chosen) -> ColumnType {
        type_named(&chosen.value).unwrap_or_else(|| {
            let what = format!(
                "x-bigquery-type is {:?}; it may be STRING, BYTES, INT64, FLOAT64, BOOL, TIMESTAMP, \
                 DATE, DATETIME, TIME, NUMERIC, BIGNUMERIC or JSON",
                chosen.value
            );
            let place = chosen.at.first().map_or("", String::as_str);
            self.problems.push(Problem::new(place, what));
            ColumnType::Json
        })
    }
}

/// The names of column types, with BigQuery's aliases.
pub(super) const TYPES: [(&str, ColumnType); 22] = [
    ("STRING", ColumnType::String),
    ("BYTES", ColumnType::Bytes),
    ("INT64", ColumnType::Int64),
    ("INT", ColumnType::Int64),
    ("SMALLINT", ColumnType::Int64),
    ("INTEGER", ColumnType::Int64),
    ("BIGINT", ColumnType::Int64),
    ("TINYINT", ColumnType::Int64),
    ("BYTEINT", ColumnType::Int64),
    ("FLOAT64", ColumnType::Float64),
    ("FLOAT", ColumnType::Float64),
    ("BOOL", ColumnType::Bool),
    ("BOOLEAN", ColumnType::Bool),
    ("TIMESTAMP", ColumnType::Timestamp),
    ("DATE", ColumnType::Date),
    ("DATETIME", ColumnType::Datetime),
    ("TIME", ColumnType::Time),
    ("NUMERIC", ColumnType::Numeric),
    ("DECIMAL", ColumnType::Numeric),
    ("BIGNUMERIC", ColumnType::BigNumeric),
    ("BIGDECIMAL", ColumnType::BigNumeric),
    ("JSON", ColumnType::Json),
];

/// The column type of this name, in capitals or not.
pub(super) fn type_named(name: &str) -> Option<ColumnType> {
    let mut types = TYPES.into_iter();
    types.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
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
    fn merge(&mut self, other: Fields, problems: &mut Vec<Problem>) {
        for mine in &mut self.list {
            mine.required &= other.index.contains_key(&mine.name);
        }
        for theirs in other.list {
            match self.index.get(&theirs.name) {
                Some(index) => self.list[*index].merge(theirs, problems),
                None => self.push(Field { required: false, ..theirs }),
            }
        }
    }

    /// Collects the places of our keywords that the columns follow.
    fn followed<'f>(&'f self, into: &mut HashSet<&'f str>) {
        for field in &self.list {
            let named_at = field.chosen.iter().flat_map(|chosen| &chosen.at);
            into.extend(named_at.chain(&field.typed_at).map(String::as_str));
            if let FieldKind::Record(fields) = &field.kind {
                fields.followed(into);
            }
        }
    }
}

impl Field {
    /// Joins the declarations of a field that two event types have: the type, if it is the same; the
    /// fields of both, if they are records; otherwise JSON.
    fn merge(&mut self, other: Field, problems: &mut Vec<Problem>) {
        self.required &= other.required;
        if let (Some(mine), Some(theirs)) = (&self.chosen, &other.chosen)
            && mine.value != theirs.value
            && let [place, ..] = &theirs.at[..]
        {
            let what = format!(
                "{COLUMN_NAME} is {:?} here and {:?} in another event type",
                theirs.value, mine.value
            );
            problems.push(Problem::new(place, what));
        }
        self.chosen = Chosen::and(self.chosen.take(), other.chosen);
        let same_mode = self.mode == other.mode;
        match (&mut self.kind, other.kind) {
            (FieldKind::Record(mine), FieldKind::Record(theirs)) if same_mode => {
                mine.merge(theirs, problems);
            }
            (FieldKind::Scalar(mine), FieldKind::Scalar(theirs))
                if same_mode && *mine == theirs =>
            {
                self.typed_at.extend(other.typed_at);
            }
            _ => {
                self.kind = FieldKind::Scalar(ColumnType::Json);
                self.mode = Mode::Nullable;
                self.typed_at.clear();
            }
        }
    }
}

/// Gives fields their columns.
struct Namer<'a> {
    /// The place of a field in the documents.
    place: &'a dyn Fn(&[&str]) -> String,
    rules: &'a ColumnRules,
    problems: &'a mut Vec<Problem>,
}

impl Namer<'_> {
    /// The columns of these fields, with distinct names. `ours` are names that fields cannot have;
    /// `path` are the fields around them.
    fn columns(&mut self, fields: Vec<Field>, ours: &[&str], path: &[&str]) -> Vec<Column> {
        let wanted: Vec<(&str, Option<&str>)> = fields
            .iter()
            .map(|field| {
                let chosen = field.chosen.as_ref().map(|chosen| chosen.value.as_str());
                (field.name.as_str(), chosen)
            })
            .collect();
        let (found, wrong) = names::distinct(&wanted, ours, self.rules);
        for (index, what) in wrong {
            let place = (self.place)(&[path, &[wanted[index].0]].concat());
            self.problems.push(Problem::new(place, what));
        }
        let column = |(field, name): (Field, String)| Column {
            kind: match field.kind {
                FieldKind::Scalar(kind) => kind,
                FieldKind::Record(fields) => {
                    let path = [path, &[field.name.as_str()]].concat();
                    ColumnType::Record(self.columns(fields.list, &[], &path))
                }
            },
            source: field.name,
            mode: field.mode,
            required: field.required,
            name,
        };
        fields.into_iter().zip(found).map(column).collect()
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
