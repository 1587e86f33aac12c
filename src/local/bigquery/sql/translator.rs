//! The state of a statement's translation to SQLite, and the names of columns.

use std::collections::BTreeSet;

use sqlparser::ast::Ident;

use super::error::{Place, SqlError};
use super::request::Query;
use super::scope::{Column, Found, Grouping, Relation, Scope};
use super::table_name::Target;
use super::types::{Literal, Type, Typed, cast_call, quoted_text, stored_literal};
use crate::clock::Clock;
use crate::local::bigquery::field_schema::{FieldSchema, FieldType, find};
use crate::local::bigquery::store::Resources;

/// Columns that BigQuery adds to tables.
const PSEUDO_COLUMNS: &[&str] = &[
    "_PARTITIONTIME",
    "_PARTITIONDATE",
    "_TABLE_SUFFIX",
    "_FILE_NAME",
    "_CHANGE_TYPE",
    "_CHANGE_TIMESTAMP",
];

/// Translates expressions and queries to SQLite, with their types.
///
/// Its methods are in several files: `expression`, `functions`, `select`, `from` and others.
pub struct Translator<'a> {
    pub resources: &'a Resources<'a>,
    pub query: &'a Query<'a>,
    /// The time of CURRENT_TIMESTAMP, in microseconds since the epoch.
    pub now: i64,
    /// From the outermost query to the innermost.
    pub scopes: Vec<Scope>,
    /// The queries of WITH by name, the latest last.
    pub named_queries: Vec<NamedQuery>,
    /// The columns that the statement reads, by table id and index.
    pub read: BTreeSet<(String, usize)>,
    /// The tables of FROM that need a filter and were not checked yet.
    pub unfiltered: Vec<Target>,
    last_name: usize,
}

/// A query of WITH: its name in the statement and in SQLite, and its columns.
#[derive(Debug, Clone)]
pub struct NamedQuery {
    pub name: String,
    pub sqlite: String,
    pub columns: Vec<(Option<String>, Type)>,
}

impl<'a> Translator<'a> {
    pub fn new(resources: &'a Resources<'a>, query: &'a Query<'a>) -> Self {
        Self {
            resources,
            query,
            now: Clock::System.now_micros(),
            scopes: Vec::new(),
            named_queries: Vec::new(),
            read: BTreeSet::new(),
            unfiltered: Vec::new(),
            last_name: 0,
        }
    }

    /// A name for SQLite that nothing else in the statement has.
    pub fn new_name(&mut self, prefix: &str) -> String {
        self.last_name += 1;
        format!("{prefix}{}", self.last_name)
    }

    pub fn scope(&mut self) -> Option<&mut Scope> {
        self.scopes.last_mut()
    }

    /// Notes that a table needs a filter, if it does.
    pub fn needs_filter(&mut self, target: &Target) {
        if target.required_filter.is_some() {
            self.unfiltered.push(target.clone());
        }
    }

    /// Refuses tables, from number `first` of those noted, of whose partition column no filter was
    /// seen. Any use of the column before this counts as one, where BigQuery wants one that leaves
    /// partitions out.
    pub fn check_filters(&mut self, first: usize, place: Place) -> Result<(), SqlError> {
        for target in self.unfiltered.split_off(first.min(self.unfiltered.len())) {
            let Some((names, index)) = &target.required_filter else { continue };
            let is_filtered =
                index.is_some_and(|index| self.read.contains(&(target.id.clone(), index)));
            if !is_filtered {
                let message = format!(
                    "Cannot query over table '{}' without a filter over column(s) {names} that can \
                     be used for partition elimination",
                    target.id
                );
                return Err(SqlError::invalid(message, place));
            }
        }
        Ok(())
    }

    /// A name alone: a column, an alias where they are visible, or a parameter.
    pub fn identifier(&mut self, ident: &Ident) -> Result<Typed, SqlError> {
        if let Some(name) = ident.value.strip_prefix('@') {
            return self.parameter(name, ident.span.into());
        }
        self.path(std::slice::from_ref(ident))
    }

    /// A column, and after it names of fields: `[table.]column[.field…]`.
    pub fn path(&mut self, path: &[Ident]) -> Result<Typed, SqlError> {
        let Some(first) = path.first() else {
            return Err(SqlError::unimplemented("an empty name", Place::default()));
        };
        let place = Place::from(first.span);
        for depth in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[depth];
            // `table.column` comes before the field of a column with the table's name.
            if let (Some(relation), Some(second)) = (scope.relation(&first.value), path.get(1)) {
                let column = match relation.named(&second.value)[..] {
                    [column] => column.clone(),
                    [] => {
                        let message =
                            format!("Name {} not found inside {}", second.value, first.value);
                        return Err(SqlError::invalid(message, second.span));
                    }
                    [..] => return Err(ambiguous(second)),
                };
                let value = self.used(depth, &column, place)?;
                return fields(value, &path[2..]);
            }
            match scope.find(&first.value) {
                Found::Column(column) => {
                    let column = column.clone();
                    let value = self.used(depth, &column, place)?;
                    return fields(value, &path[1..]);
                }
                Found::Alias(value) => return fields(value.clone(), &path[1..]),
                Found::Relation(_) => {
                    let what = format!("the table {} as a value", first.value);
                    return Err(SqlError::unimplemented(what, place));
                }
                Found::Ambiguous => return Err(ambiguous(first)),
                Found::Nothing => {}
            }
        }
        let upper = first.value.to_ascii_uppercase();
        if PSEUDO_COLUMNS.contains(&upper.as_str()) {
            return Err(SqlError::unimplemented(format!("the pseudocolumn {upper}"), place));
        }
        Err(SqlError::invalid(format!("Unrecognized name: {}", first.value), place))
    }

    /// The table or subquery of this name, for functions that take whole rows.
    pub fn relation(&self, name: &str) -> Option<(usize, Relation)> {
        let scopes = self.scopes.iter().enumerate().rev();
        let mut found = scopes.filter_map(|(depth, scope)| match scope.find(name) {
            Found::Relation(relation) => Some(Some((depth, relation.clone()))),
            Found::Nothing => None,
            Found::Column(_) | Found::Alias(_) | Found::Ambiguous => Some(None),
        });
        found.next().flatten()
    }

    /// Notes that a column of the scope at `depth` is read, unless GROUP BY hides it.
    pub fn used(&mut self, depth: usize, column: &Column, place: Place) -> Result<Typed, SqlError> {
        if let Grouping::Keys(keys) = &self.scopes[depth].grouping
            && !keys.contains(&column.value.sql)
        {
            let name = column.name.as_deref().unwrap_or_default();
            let message = format!(
                "SELECT list expression references column {name} which is neither grouped nor \
                 aggregated"
            );
            return Err(SqlError::invalid(message, place));
        }
        if let Some(origin) = &column.origin {
            self.read.insert(origin.clone());
        }
        Ok(column.value.clone())
    }

    /// The value of `@name`.
    pub fn parameter(&self, name: &str, place: Place) -> Result<Typed, SqlError> {
        let parameters = self.query.parameters.iter();
        let mut named = parameters.filter(|one| one.column.name.eq_ignore_ascii_case(name));
        let Some(parameter) = named.next() else {
            return Err(SqlError::invalid(format!("Query parameter '{name}' not found"), place));
        };
        let ty = Type::of_column(&parameter.column);
        let Some(value) = &parameter.value else {
            return Ok(Typed { sql: "NULL".to_owned(), ty, literal: Literal::No });
        };
        let sql = stored_literal(value).unwrap_or_else(|| quoted_text(&value.on_one_line()));
        let literal = match value.as_str() {
            Some(text) if ty.is(FieldType::String) => Literal::Text(text.to_owned()),
            _ => Literal::No,
        };
        Ok(Typed { sql, ty, literal })
    }

    /// Refuses an expression that is not a BOOL.
    pub fn boolean(value: Typed, clause: &str, place: Place) -> Result<String, SqlError> {
        if value.ty.is(FieldType::Boolean) || value.literal == Literal::Null {
            return Ok(value.sql);
        }
        let name = value.ty.name();
        let message = format!("{clause} should return type BOOL, but returns type {name}");
        Err(SqlError::invalid(message, place))
    }
}

fn ambiguous(ident: &Ident) -> SqlError {
    SqlError::invalid(format!("Column name {} is ambiguous", ident.value), ident.span)
}

/// The field of a STRUCT, and of a STRUCT in it.
fn fields(value: Typed, path: &[Ident]) -> Result<Typed, SqlError> {
    let mut value = value;
    for name in path {
        let place = Place::from(name.span);
        let wrong = |value: &Typed| {
            let message = format!(
                "Cannot access field {} on a value with type {}",
                name.value,
                value.ty.name()
            );
            SqlError::invalid(message, place)
        };
        if !value.ty.is(FieldType::Record) {
            return Err(wrong(&value));
        }
        let Some(field) = find(&value.ty.fields, &name.value).cloned() else {
            let message =
                format!("Field name {} does not exist in {}", name.value, value.ty.name());
            return Err(SqlError::invalid(message, place));
        };
        value = field_of(&value, &field);
    }
    Ok(value)
}

fn field_of(value: &Typed, field: &FieldSchema) -> Typed {
    let ty = Type::of_column(field);
    let sql = format!("bq_field({}, {})", value.sql, quoted_text(&field.name));
    Typed { sql, ty, literal: Literal::No }
}

/// Converts `value` explicitly, as DATE(timestamp) does.
pub fn converted(value: &Typed, to: FieldType) -> Typed {
    if value.ty.kind == to {
        return value.clone();
    }
    Typed::new(cast_call(&value.sql, value.ty.kind, to), to)
}
