//! Whole queries: WITH, set operations, ORDER BY and LIMIT.

use sqlparser::ast::{
    Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, Select, SetExpr,
    SetOperator, SetQuantifier, Spanned,
};

use super::error::{Place, SqlError};
use super::literals;
use super::scope::Scope;
use super::translator::{NamedQuery, Translator};
use super::types::{Literal, Type, Typed, supertype};
use crate::local::bigquery::field_schema::FieldType;

/// A translated query: its columns are named `c0`, `c1`, … in SQLite.
#[derive(Debug, Clone)]
pub struct Rows {
    pub sql: String,
    /// Name and type of each column; a column without a name has none in BigQuery either.
    pub columns: Vec<(Option<String>, Typed)>,
}

/// What comes after a SELECT's own clauses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tail<'q> {
    pub order_by: &'q [OrderByExpr],
}

impl Translator<'_> {
    /// A query inside of an expression or of FROM.
    pub fn subquery(&mut self, query: &Query) -> Result<Rows, SqlError> {
        let place = Place::from(query.span());
        let unsupported = [
            (query.fetch.is_some(), "FETCH"),
            (!query.locks.is_empty(), "FOR UPDATE"),
            (query.for_clause.is_some(), "FOR"),
            (query.settings.is_some(), "SETTINGS"),
            (query.format_clause.is_some(), "FORMAT"),
            (!query.pipe_operators.is_empty(), "pipe syntax"),
        ];
        if let Some((_, what)) = unsupported.iter().find(|(is_there, _)| *is_there) {
            return Err(SqlError::unimplemented(*what, place));
        }
        let known = self.named_queries.len();
        let mut with = Vec::new();
        if let Some(clause) = &query.with {
            if clause.recursive {
                return Err(SqlError::unimplemented("WITH RECURSIVE", place));
            }
            for named in &clause.cte_tables {
                if !named.alias.columns.is_empty() {
                    return Err(SqlError::invalid("WITH does not take column names", place));
                }
                let rows = self.subquery(&named.query)?;
                let sqlite = self.new_name("w");
                with.push(format!("{sqlite} AS ({})", rows.sql));
                let columns = rows.columns.into_iter().map(|(name, value)| (name, value.ty));
                let (name, columns) = (named.alias.name.value.clone(), columns.collect());
                self.named_queries.push(NamedQuery { name, sqlite, columns });
            }
        }
        let order_by = match &query.order_by {
            None => &[][..],
            Some(OrderBy { kind: OrderByKind::Expressions(keys), interpolate: None }) => keys,
            Some(_) => return Err(SqlError::unimplemented("ORDER BY ALL", place)),
        };
        let done = self.body(&query.body, Tail { order_by });
        self.named_queries.truncate(known);
        let mut rows = done?;
        if let Some(limit) = &query.limit_clause {
            rows.sql = format!("{}{}", rows.sql, self.limit(limit, place)?);
        }
        if !with.is_empty() {
            rows.sql = format!("WITH {} {}", with.join(", "), rows.sql);
        }
        Ok(rows)
    }

    fn body(&mut self, body: &SetExpr, tail: Tail<'_>) -> Result<Rows, SqlError> {
        let place = Place::from(body.span());
        match body {
            SetExpr::Select(select) => self.in_new_scope(select, tail),
            SetExpr::Query(query) => {
                let rows = self.subquery(query)?;
                self.ordered(rows, tail)
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let sign = match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
                    (SetOperator::Union, SetQuantifier::Distinct) => "UNION",
                    (SetOperator::Except, SetQuantifier::Distinct) => "EXCEPT",
                    (SetOperator::Intersect, SetQuantifier::Distinct) => "INTERSECT",
                    (op, SetQuantifier::None) => {
                        let message = format!(
                            "Syntax error: Expected keyword ALL or keyword DISTINCT after {op}"
                        );
                        return Err(SqlError::invalid(message, place));
                    }
                    (op, quantifier) => {
                        return Err(SqlError::unimplemented(format!("{op} {quantifier}"), place));
                    }
                };
                let left = self.body(left, Tail::default())?;
                let right = self.body(right, Tail::default())?;
                let rows = combined(left, sign, right, place)?;
                self.ordered(rows, tail)
            }
            other => Err(SqlError::unimplemented(format!("the query {other}"), place)),
        }
    }

    fn in_new_scope(&mut self, select: &Select, tail: Tail<'_>) -> Result<Rows, SqlError> {
        let depth = self.scopes.len();
        self.scopes.push(Scope::default());
        let done = self.select(select, tail);
        self.scopes.truncate(depth);
        done
    }

    /// Sorts the rows of a query by its columns.
    fn ordered(&mut self, rows: Rows, tail: Tail<'_>) -> Result<Rows, SqlError> {
        let names: Vec<String> = (0..rows.columns.len()).map(|index| format!("c{index}")).collect();
        let sql = format!("SELECT {} FROM ({})", names.join(", "), rows.sql);
        if tail.order_by.is_empty() {
            return Ok(Rows { sql, ..rows });
        }
        let mut keys = Vec::new();
        for key in tail.order_by {
            let place = Place::from(key.expr.span());
            let Some(index) = output_index(&key.expr, &rows.columns) else {
                let message = format!("Unrecognized name: {}", key.expr);
                return Err(SqlError::invalid(message, place));
            };
            let value = Typed { sql: format!("c{index}"), ..rows.columns[index].1.clone() };
            keys.push(sort_key(&value, key, place)?);
        }
        Ok(Rows { sql: format!("{sql} ORDER BY {}", keys.join(", ")), ..rows })
    }

    fn limit(&mut self, limit: &LimitClause, place: Place) -> Result<String, SqlError> {
        let LimitClause::LimitOffset { limit, offset, limit_by } = limit else {
            return Err(SqlError::unimplemented("LIMIT offset, count", place));
        };
        if !limit_by.is_empty() {
            return Err(SqlError::unimplemented("LIMIT BY", place));
        }
        let mut number = |expr: &Expr, clause: &str| -> Result<String, SqlError> {
            let place = Place::from(expr.span());
            let value = match expr {
                Expr::Value(value) => match literals::value(value)? {
                    literals::Value::Typed(value) => value,
                    literals::Value::Parameter(name) => self.parameter(&name, place)?,
                },
                Expr::Identifier(name) if name.value.starts_with('@') => self.identifier(name)?,
                _ => {
                    let message = format!("Syntax error: Unexpected expression in {clause}");
                    return Err(SqlError::invalid(message, place));
                }
            };
            match value.ty.is(FieldType::Integer) && !value.sql.starts_with('-') {
                true => Ok(value.sql),
                false => {
                    let message = format!("{clause} expects an integer literal or parameter");
                    Err(SqlError::invalid(message, place))
                }
            }
        };
        let count = match limit {
            Some(limit) => number(limit, "LIMIT")?,
            None => return Err(SqlError::unimplemented("OFFSET without LIMIT", place)),
        };
        Ok(match offset {
            Some(offset) => format!(" LIMIT {count} OFFSET {}", number(&offset.value, "OFFSET")?),
            None => format!(" LIMIT {count}"),
        })
    }
}

/// The column that a key of ORDER BY or GROUP BY names by its number or its name.
pub fn output_index(key: &Expr, columns: &[(Option<String>, Typed)]) -> Option<usize> {
    match key {
        Expr::Value(value) => {
            let number = value.value.to_string().parse::<usize>().ok()?;
            number.checked_sub(1).filter(|index| *index < columns.len())
        }
        Expr::Identifier(name) => columns.iter().position(|(other, _)| {
            other.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(&name.value))
        }),
        _ => None,
    }
}

/// A key of ORDER BY. Both sort NULL as the least value unless told otherwise.
pub fn sort_key(value: &Typed, key: &OrderByExpr, place: Place) -> Result<String, SqlError> {
    if !value.ty.is_comparable() {
        let message = format!("ORDER BY does not support expressions of type {}", value.ty.name());
        return Err(SqlError::invalid(message, place));
    }
    if !value.ty.is_ordered() {
        return Err(SqlError::unimplemented(format!("ORDER BY {}", value.ty.name()), place));
    }
    let value = value.clone().finite();
    let direction = match key.options.sort {
        None | Some(OrderBySort::Asc) => "ASC",
        Some(OrderBySort::Desc) => "DESC",
        Some(OrderBySort::Using(_)) => {
            return Err(SqlError::unimplemented("ORDER BY USING", place));
        }
    };
    let nulls = match key.options.nulls_first {
        None => "",
        Some(true) => " NULLS FIRST",
        Some(false) => " NULLS LAST",
    };
    // Without parentheses, a number would name a column.
    Ok(format!("({}){} {direction}{nulls}", value.sql, value.collation()))
}

/// A set operation, whose columns get the types that both sides convert to.
fn combined(left: Rows, sign: &str, right: Rows, place: Place) -> Result<Rows, SqlError> {
    let operation = if sign == "UNION" { "UNION DISTINCT" } else { sign };
    let counts = [left.columns.len(), right.columns.len()];
    if counts[0] != counts[1] {
        let message = format!(
            "Queries in {operation} have mismatched column count; query 1 has {} columns, query 2 \
             has {} columns",
            counts[0], counts[1]
        );
        return Err(SqlError::invalid(message, place));
    }
    let mut types = Vec::new();
    for (index, ((_, one), (_, other))) in left.columns.iter().zip(&right.columns).enumerate() {
        let Some(ty) = supertype(&[one, other]) else {
            let message = format!(
                "Column {} in {operation} has incompatible types: {}, {}",
                index + 1,
                one.ty.name(),
                other.ty.name()
            );
            return Err(SqlError::invalid(message, place));
        };
        if sign != "UNION ALL" && !ty.is_comparable() {
            let message =
                format!("Column {} of type {} cannot be used in {operation}", index + 1, ty.name());
            return Err(SqlError::invalid(message, place));
        }
        types.push(ty);
    }
    let names: Vec<Option<String>> = left.columns.iter().map(|(name, _)| name.clone()).collect();
    let sql = format!(
        "{} {sign} {}",
        cast_rows(&left, &types, place)?,
        cast_rows(&right, &types, place)?
    );
    let columns = types.into_iter().enumerate().map(|(index, ty)| Typed {
        sql: format!("c{index}"),
        ty,
        literal: Literal::No,
    });
    Ok(Rows { sql, columns: names.into_iter().zip(columns).collect() })
}

/// The query with its columns converted.
fn cast_rows(rows: &Rows, types: &[Type], place: Place) -> Result<String, SqlError> {
    let mut columns = Vec::new();
    for (index, ((_, column), ty)) in rows.columns.iter().zip(types).enumerate() {
        // A literal's text is in the query already, so only its value is converted.
        let value = Typed { sql: format!("c{index}"), ..column.clone() };
        let converted = value.coerced(ty, place)?.unwrap_or(value);
        columns.push(format!("{} AS c{index}", converted.sql));
    }
    Ok(format!("SELECT {} FROM ({})", columns.join(", "), rows.sql))
}
