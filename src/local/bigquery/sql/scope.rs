//! The names that an expression can use.

use super::types::Typed;

/// A column of a table or a subquery in FROM.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: Option<String>,
    pub value: Typed,
    /// The table's id and the column's index in it, unless the column is computed.
    pub origin: Option<(String, usize)>,
    /// Whether USING merged it with another, so that `*` does not list it.
    pub merged: bool,
}

/// A table or a subquery in FROM.
#[derive(Debug, Clone)]
pub struct Relation {
    pub name: Option<String>,
    pub columns: Vec<Column>,
}

/// How columns may be used.
#[derive(Debug, Clone, Default)]
pub enum Grouping {
    /// Everywhere: there is no GROUP BY, or the place is inside of an aggregate function.
    #[default]
    None,
    /// Only those whose SQLite text is a key of GROUP BY.
    Keys(Vec<String>),
}

/// The names of one SELECT.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub relations: Vec<Relation>,
    /// The columns that USING merged.
    pub merged: Vec<Column>,
    /// The names of the SELECT list, where a clause sees them.
    pub aliases: Vec<(String, Typed)>,
    pub grouping: Grouping,
    /// Whether an aggregate function was seen.
    pub has_aggregate: bool,
    /// Whether aggregate and window functions are allowed; the clause that forbids them.
    pub no_aggregates: Option<&'static str>,
    pub no_windows: Option<&'static str>,
}

/// The result of a search for a name.
pub enum Found<'a> {
    Column(&'a Column),
    Alias(&'a Typed),
    Relation(&'a Relation),
    Ambiguous,
    Nothing,
}

impl Scope {
    pub fn find(&self, name: &str) -> Found<'_> {
        let is = |column: &&Column| {
            column.name.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(name))
        };
        if let Some(column) = self.merged.iter().find(is) {
            return Found::Column(column);
        }
        let columns = self.relations.iter().flat_map(|relation| &relation.columns);
        let mut found = columns.filter(|column| is(column));
        match (found.next(), found.next()) {
            (Some(column), None) => return Found::Column(column),
            (Some(_), Some(_)) => return Found::Ambiguous,
            (None, _) => {}
        }
        if let Some(relation) = self.relation(name) {
            return Found::Relation(relation);
        }
        match self.aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)) {
            Some((_, value)) => Found::Alias(value),
            None => Found::Nothing,
        }
    }

    pub fn relation(&self, name: &str) -> Option<&Relation> {
        let is = |relation: &&Relation| {
            relation.name.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(name))
        };
        self.relations.iter().find(is)
    }
}

impl Relation {
    /// The columns of this name.
    pub fn named(&self, name: &str) -> Vec<&Column> {
        let is = |column: &&Column| {
            column.name.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(name))
        };
        self.columns.iter().filter(is).collect()
    }
}
