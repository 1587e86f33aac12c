//! FROM: tables, subqueries and joins.

use sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, ObjectName, Spanned, TableAlias, TableFactor,
    TableWithJoins,
};

use super::error::{Place, SqlError};
use super::operations::{common, no_signature};
use super::scope::{Column, Relation};
use super::table_name::{Target, parts};
use super::translator::Translator;
use super::types::{Literal, Type, Typed, quoted_text};
use crate::local::bigquery::field_schema::FieldType;
use crate::local::bigquery::store::{quoted, sql_name};

impl Translator<'_> {
    /// Translates FROM and adds its tables to the innermost scope.
    pub fn from(&mut self, tables: &[TableWithJoins]) -> Result<String, SqlError> {
        let mut sql = String::new();
        for table in tables {
            if !sql.is_empty() {
                sql.push_str(" JOIN ");
            }
            sql.push_str(&self.factor(&table.relation)?);
            for join in &table.joins {
                sql.push_str(&self.join(join)?);
            }
        }
        Ok(sql)
    }

    fn join(&mut self, join: &Join) -> Result<String, SqlError> {
        let place = Place::from(join.relation.span());
        use JoinOperator as J;
        let (word, constraint) = match &join.join_operator {
            J::Join(constraint) | J::Inner(constraint) => ("JOIN", constraint),
            J::Left(constraint) | J::LeftOuter(constraint) => ("LEFT JOIN", constraint),
            J::Right(constraint) | J::RightOuter(constraint) => ("RIGHT JOIN", constraint),
            J::FullOuter(constraint) => ("FULL JOIN", constraint),
            J::CrossJoin(constraint) => ("JOIN", constraint),
            _ => return Err(SqlError::unimplemented("this kind of JOIN", place)),
        };
        let is_cross = matches!(join.join_operator, J::CrossJoin(_));
        let left = self.scope().map_or(0, |scope| scope.relations.len());
        let right = self.factor(&join.relation)?;
        match constraint {
            JoinConstraint::On(condition) => {
                let condition = self.condition(condition, "JOIN ON clause")?;
                Ok(format!(" {word} {right} ON {condition}"))
            }
            JoinConstraint::Using(names) => {
                let mut equal = Vec::new();
                for name in names {
                    equal.push(self.using(name, left, word)?);
                }
                Ok(format!(" {word} {right} ON {}", equal.join(" AND ")))
            }
            JoinConstraint::None if is_cross => Ok(format!(" {word} {right}")),
            JoinConstraint::None => {
                let message = format!(
                    "{} must have an immediately following ON or USING clause",
                    if word == "JOIN" { "INNER JOIN" } else { word }
                );
                Err(SqlError::invalid(message, place))
            }
            JoinConstraint::Natural | JoinConstraint::UsingAlias(..) => {
                Err(SqlError::unimplemented("NATURAL JOIN", place))
            }
        }
    }

    /// The condition of a column of USING. `left` is the number of tables on the join's left side.
    fn using(&mut self, name: &ObjectName, left: usize, word: &str) -> Result<String, SqlError> {
        let place = Place::from(name.span());
        let name = parts(name)?.pop().unwrap_or_default();
        let Some(depth) = self.scopes.len().checked_sub(1) else {
            return Err(SqlError::unimplemented("USING", place));
        };
        let scope = &self.scopes[depth];
        let is = |column: &&Column| {
            column.name.as_deref().is_some_and(|one| one.eq_ignore_ascii_case(&name))
        };
        let merged = scope.merged.iter().find(is);
        let mut lefts = scope.relations[..left].iter().flat_map(|one| &one.columns).filter(is);
        let one_left = match (merged, lefts.next(), lefts.next()) {
            (Some(column), _, _) | (None, Some(column), None) => Some(column.clone()),
            (None, Some(_), Some(_)) => {
                let message = format!("Column name {name} is ambiguous");
                return Err(SqlError::invalid(message, place));
            }
            (None, None, _) => None,
        };
        let mut rights = scope.relations[left..].iter().flat_map(|one| &one.columns).filter(is);
        let (Some(one_left), Some(one_right)) = (one_left.clone(), rights.next().cloned()) else {
            let side = if one_left.is_none() { "left" } else { "right" };
            let message = format!("Column {name} in USING clause not found on {side} side of join");
            return Err(SqlError::invalid(message, place));
        };
        self.used(depth, &one_left, place)?;
        self.used(depth, &one_right, place)?;
        let both =
            common(vec![one_left.value.clone(), one_right.value.clone()], "operator =", place)?;
        if !both[0].ty.is_comparable() {
            let both = [&one_left.value, &one_right.value];
            return Err(no_signature("operator =", &both, place));
        }
        let value = match word {
            "RIGHT JOIN" => both[1].clone(),
            "FULL JOIN" => {
                let sql = format!("coalesce({}, {})", both[0].sql, both[1].sql);
                Typed { sql, literal: Literal::No, ..both[0].clone() }
            }
            _ => both[0].clone(),
        };
        let column = Column { name: Some(name.clone()), value, origin: None, merged: true };
        if let Some(scope) = self.scope() {
            for relation in &mut scope.relations {
                for column in &mut relation.columns {
                    let is_it =
                        column.name.as_deref().is_some_and(|one| one.eq_ignore_ascii_case(&name));
                    column.merged |= is_it;
                }
            }
            scope.merged.retain(|one| {
                one.name.as_deref().is_none_or(|one| !one.eq_ignore_ascii_case(&name))
            });
            scope.merged.push(column);
        }
        Ok(format!("({} = {})", both[0].sql, both[1].sql))
    }

    /// Translates one table of FROM and adds it to the innermost scope.
    pub fn factor(&mut self, factor: &TableFactor) -> Result<String, SqlError> {
        let place = Place::from(factor.span());
        let (sql, relation) = match factor {
            TableFactor::Table { name, alias, .. } if is_plain(factor) => {
                self.table(name, alias.as_ref(), place)?
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                // Subqueries in FROM do not see the tables next to them.
                let outer = self.scopes.pop();
                let rows = self.subquery(subquery);
                self.scopes.extend(outer);
                let rows = rows?;
                let sqlite = self.new_name("r");
                let columns =
                    rows.columns.iter().map(|(name, value)| (name.clone(), value.ty.clone()));
                let columns = derived(&sqlite, columns);
                let name = alias_name(alias.as_ref(), place)?;
                (format!("({}) AS {sqlite}", rows.sql), Relation { name, columns })
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let inner = self.from(std::slice::from_ref(table_with_joins))?;
                return Ok(format!("({inner})"));
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, .. } => {
                let [array] = &array_exprs[..] else {
                    return Err(SqlError::unimplemented("UNNEST of several arrays", place));
                };
                let alias = alias_name(alias.as_ref(), place)?;
                let mut relation_sql = self.unnested(array, alias, place)?;
                if *with_offset {
                    let name = with_offset_alias.as_ref().map_or("offset", |name| &name.value);
                    let value = Typed::new(format!("{}.key", relation_sql.2), FieldType::Integer);
                    let name = Some(name.to_owned());
                    let column = Column { name, value, origin: None, merged: false };
                    relation_sql.1.columns.push(column);
                }
                (relation_sql.0, relation_sql.1)
            }
            other => return Err(SqlError::unimplemented(format!("FROM {other}"), place)),
        };
        self.add(relation, place)?;
        Ok(sql)
    }

    fn add(&mut self, relation: Relation, place: Place) -> Result<(), SqlError> {
        let Some(scope) = self.scope() else { return Ok(()) };
        if let Some(name) = &relation.name
            && scope.relation(name).is_some()
        {
            let message = format!("Duplicate table alias {name} in the same FROM clause");
            return Err(SqlError::invalid(message, place));
        }
        scope.relations.push(relation);
        Ok(())
    }

    fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        place: Place,
    ) -> Result<(String, Relation), SqlError> {
        let words = parts(name)?;
        let alias = alias_name(alias, place)?;
        if let [word] = &words[..] {
            let queries = self.named_queries.iter().rev();
            let mut queries = queries.filter(|query| query.name.eq_ignore_ascii_case(word));
            if let Some(query) = queries.next().cloned() {
                let sqlite = self.new_name("r");
                let name = alias.or(Some(query.name));
                let columns = derived(&sqlite, query.columns.into_iter());
                return Ok((format!("{} AS {sqlite}", query.sqlite), Relation { name, columns }));
            }
        }
        let target = Target::find(self.resources, self.query, name)?;
        self.needs_filter(&target);
        let sqlite = self.new_name("r");
        let name = alias.or_else(|| target.id.rsplit('.').next().map(str::to_owned));
        let columns = target_columns(&target, &sqlite);
        Ok((format!("({}) AS {sqlite}", visible_rows(&target)), Relation { name, columns }))
    }
}

/// Whether it is a table without arguments, version, sample, hints and the like.
pub fn is_plain(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table {
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_directives,
            ..
        } => with_hints.is_empty() && partitions.is_empty() && index_directives.is_empty(),
        _ => false,
    }
}

/// The visible rows of a table, with the columns `c0`, `c1`, … and the row's number in SQLite.
pub fn visible_rows(target: &Target) -> String {
    let columns = target.columns.iter().enumerate();
    let columns: String = columns
        .map(|(index, column)| format!(", {} AS c{index}", quoted(&sql_name(column))))
        .collect();
    let table = quoted(&target.id);
    format!("SELECT rowid AS row_id{columns} FROM {table} WHERE __visible = 1")
}

/// The columns of a table that is called `sqlite` in SQLite.
pub fn target_columns(target: &Target, sqlite: &str) -> Vec<Column> {
    let columns = target.columns.iter().enumerate().map(|(index, column)| {
        let ty = Type::of_column(column);
        let sql = format!("{sqlite}.c{index}");
        // JSON is compared as text by nothing, so it is passed on as it is.
        Column {
            name: Some(column.name.clone()),
            value: Typed { sql, ty, literal: Literal::No },
            origin: Some((target.id.clone(), index)),
            merged: false,
        }
    });
    columns.collect()
}

fn derived(sqlite: &str, columns: impl Iterator<Item = (Option<String>, Type)>) -> Vec<Column> {
    let columns = columns.enumerate().map(|(index, (name, ty))| {
        let value = Typed { sql: format!("{sqlite}.c{index}"), ty, literal: Literal::No };
        Column { name, value, origin: None, merged: false }
    });
    columns.collect()
}

/// The name of an alias, which cannot rename columns in BigQuery.
pub fn alias_name(alias: Option<&TableAlias>, place: Place) -> Result<Option<String>, SqlError> {
    match alias {
        None => Ok(None),
        Some(TableAlias { name, columns, at: None, .. }) if columns.is_empty() => {
            Ok(Some(name.value.clone()))
        }
        Some(_) => Err(SqlError::invalid("A table alias cannot have column names", place)),
    }
}

/// A whole row as the arguments of `bq_row_json`: name, type and value of each column.
pub fn row_arguments(relation: &Relation) -> Result<String, String> {
    let mut arguments = Vec::new();
    for (index, column) in relation.columns.iter().enumerate() {
        let ty = &column.value.ty;
        let nested = ty.repeated || ty.kind == FieldType::Record;
        if nested && has_times(ty) {
            return Err(ty.name());
        }
        let name = column.name.clone().unwrap_or_else(|| format!("_field_{}", index + 1));
        let kind = if nested { "JSON" } else { super::types::kind_name(ty.kind) };
        arguments.push(format!("{}, '{kind}', {}", quoted_text(&name), column.value.sql));
    }
    Ok(arguments.join(", "))
}

/// Whether the JSON text that the store keeps of a value differs from what TO_JSON_STRING gives.
fn has_times(ty: &Type) -> bool {
    let differs = [FieldType::Integer, FieldType::Numeric, FieldType::BigNumeric];
    differs.contains(&ty.kind) || ty.fields.iter().any(|field| has_times(&Type::of_column(field)))
}
