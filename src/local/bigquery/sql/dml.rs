//! UPDATE, DELETE and TRUNCATE TABLE.

use rusqlite::types::Value;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Spanned, TableFactor, Truncate, Update,
    UpdateTableFromKind,
};

use super::changes::{Changes, fetched};
use super::error::{Place, SqlError};
use super::from::{alias_name, is_plain, target_columns, visible_rows};
use super::scope::{Relation, Scope};
use super::table_name::{Target, parts};
use super::translator::Translator;
use super::types::{Type, Typed};
use crate::local::bigquery::field_schema::position;

/// The table that a statement changes, in the innermost scope.
pub struct ChangedTable {
    pub target: Target,
    /// Its visible rows, for FROM.
    pub sql: String,
    /// Its name in SQLite.
    pub name: String,
    pub relation: Relation,
}

impl Translator<'_> {
    /// The table that a statement changes.
    pub fn changed_table(&mut self, factor: &TableFactor) -> Result<ChangedTable, SqlError> {
        let place = Place::from(factor.span());
        let (TableFactor::Table { name, alias, .. }, true) = (factor, is_plain(factor)) else {
            return Err(SqlError::unimplemented(format!("changing {factor}"), place));
        };
        let target = Target::find(self.resources, self.query, name)?;
        let sqlite = self.new_name("r");
        let short = target.id.rsplit('.').next().map(str::to_owned);
        let relation = Relation {
            name: alias_name(alias.as_ref(), place)?.or(short),
            columns: target_columns(&target, &sqlite),
        };
        let sql = format!("({}) AS {sqlite}", visible_rows(&target));
        Ok(ChangedTable { target, sql, name: sqlite, relation })
    }

    /// A value, or NULL for DEFAULT.
    pub fn value_or_default(&mut self, expr: &Expr) -> Result<Typed, SqlError> {
        match expr {
            // No column has a default value here, so it is NULL.
            Expr::Identifier(name)
                if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("DEFAULT") =>
            {
                Ok(Typed::null())
            }
            expr => self.expr(expr),
        }
    }

    /// The columns and the values of SET.
    pub fn assignments(
        &mut self,
        table: &ChangedTable,
        assignments: &[Assignment],
    ) -> Result<Vec<(usize, String)>, SqlError> {
        let mut list: Vec<(usize, String)> = Vec::new();
        for assignment in assignments {
            let place = Place::from(assignment.span());
            let AssignmentTarget::ColumnName(name) = &assignment.target else {
                return Err(SqlError::unimplemented("SET of several columns at once", place));
            };
            let words = parts(name)?;
            let is_table = |word: &String| {
                table.relation.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(word))
            };
            let column = match &words[..] {
                [column] => column,
                [name, column] if is_table(name) => column,
                _ => return Err(SqlError::unimplemented("SET of a field of a STRUCT", place)),
            };
            let Some(index) = position(&table.target.columns, column) else {
                return Err(SqlError::invalid(format!("Unrecognized name: {column}"), place));
            };
            if list.iter().any(|(other, _)| *other == index) {
                let message = format!("Update item {column} assigned more than once");
                return Err(SqlError::invalid(message, place));
            }
            let column = &table.target.columns[index];
            let value = self.value_or_default(&assignment.value)?;
            let ty = Type::of_column(column);
            let place = Place::from(assignment.value.span());
            let converted = value.coerced(&ty, place)?.ok_or_else(|| {
                let message = format!(
                    "Value of type {} cannot be assigned to {}, which has type {}",
                    value.ty.name(),
                    column.name,
                    ty.name()
                );
                SqlError::invalid(message, place)
            })?;
            list.push((index, converted.sql));
        }
        Ok(list)
    }

    pub fn update(&mut self, update: &Update) -> Result<(Target, Changes), SqlError> {
        let place = Place::from(update.update_token.0.span);
        let unsupported = update.returning.is_some()
            || update.output.is_some()
            || update.or.is_some()
            || update.limit.is_some()
            || !update.order_by.is_empty()
            || !update.table.joins.is_empty();
        if unsupported {
            return Err(SqlError::unimplemented("this form of UPDATE", place));
        }
        let Some(condition) = &update.selection else {
            return Err(SqlError::invalid("UPDATE must have a WHERE clause", place));
        };
        let table = self.changed_table(&update.table.relation)?;
        let relations = vec![table.relation.clone()];
        self.scopes.push(Scope { relations, ..Scope::default() });
        let from = match &update.from {
            None => table.sql.clone(),
            Some(UpdateTableFromKind::AfterSet(tables)) => {
                format!("{} JOIN {}", table.sql, self.from(tables)?)
            }
            Some(UpdateTableFromKind::BeforeSet(_)) => {
                return Err(SqlError::unimplemented("FROM before SET", place));
            }
        };
        let condition = self.condition(condition, "WHERE clause")?;
        self.needs_filter(&table.target);
        self.check_filters(0, place)?;
        let assigned = self.assignments(&table, &update.assignments)?;
        let sql = changed_rows(&table.name, &assigned, &from, &condition);
        let mut changes = Changes::default();
        changes.add_updated(self.fetched(&sql)?, &assigned);
        changes.refuse_doubled()?;
        Ok((table.target, changes))
    }

    pub fn delete(&mut self, delete: &Delete) -> Result<(Target, Changes), SqlError> {
        let place = Place::from(delete.delete_token.0.span);
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let unsupported = delete.using.is_some()
            || delete.returning.is_some()
            || delete.output.is_some()
            || delete.limit.is_some()
            || !delete.order_by.is_empty()
            || !delete.tables.is_empty();
        let ([table], false) = (&tables[..], unsupported) else {
            return Err(SqlError::unimplemented("this form of DELETE", place));
        };
        if !table.joins.is_empty() {
            return Err(SqlError::unimplemented("DELETE with JOIN", place));
        }
        let Some(condition) = &delete.selection else {
            return Err(SqlError::invalid("DELETE must have a WHERE clause", place));
        };
        let table = self.changed_table(&table.relation)?;
        let relations = vec![table.relation.clone()];
        self.scopes.push(Scope { relations, ..Scope::default() });
        let condition = self.condition(condition, "WHERE clause")?;
        self.needs_filter(&table.target);
        self.check_filters(0, place)?;
        let sql = changed_rows(&table.name, &[], &table.sql, &condition);
        let mut changes = Changes::default();
        changes.add_deleted(self.fetched(&sql)?);
        Ok((table.target, changes))
    }

    pub fn truncate(&mut self, truncate: &Truncate) -> Result<(Target, Changes), SqlError> {
        let unsupported = truncate.partitions.is_some()
            || truncate.if_exists
            || truncate.identity.is_some()
            || truncate.cascade.is_some()
            || truncate.on_cluster.is_some();
        let ([table], true, false) = (&truncate.table_names[..], truncate.table, unsupported)
        else {
            return Err(SqlError::unimplemented("this form of TRUNCATE", Place::default()));
        };
        let target = Target::find(self.resources, self.query, &table.name)?;
        let sql = format!("SELECT row_id FROM ({})", visible_rows(&target));
        let mut changes = Changes::default();
        changes.add_deleted(self.fetched(&sql)?);
        Ok((target, changes))
    }

    /// The rows of a query; none in a dry run, which only prepares it.
    pub fn fetched(&self, sql: &str) -> Result<Vec<Vec<Value>>, SqlError> {
        let connection = self.resources.connection();
        if self.query.dry_run {
            connection.prepare(sql)?;
            return Ok(Vec::new());
        }
        fetched(connection, sql)
    }
}

/// The query for the numbers of changed rows and their new values.
pub fn changed_rows(
    table: &str,
    assigned: &[(usize, String)],
    from: &str,
    condition: &str,
) -> String {
    let values: String = assigned.iter().map(|(_, value)| format!(", {value}")).collect();
    format!("SELECT {table}.row_id{values} FROM {from} WHERE {condition}")
}
