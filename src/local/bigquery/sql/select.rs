//! SELECT: its list, WHERE, GROUP BY, HAVING and QUALIFY.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, Spanned, WildcardAdditionalOptions,
};

use super::error::{Place, SqlError};
use super::queries::{Rows, Tail, output_index, sort_key};
use super::scope::{Column, Grouping};
use super::translator::Translator;
use super::types::Typed;

/// One column of the SELECT list.
struct Item {
    name: Option<String>,
    /// Whether AS names it: GROUP BY and ORDER BY find such names first.
    is_alias: bool,
    value: Typed,
}

impl Translator<'_> {
    /// Translates a SELECT in the innermost scope, which is new.
    pub fn select(&mut self, select: &Select, tail: Tail<'_>) -> Result<Rows, SqlError> {
        refuse_unsupported(select)?;
        let unfiltered = self.unfiltered.len();
        let mut from = String::new();
        if !select.from.is_empty() {
            from = format!(" FROM {}", self.from(&select.from)?);
        }
        if let Some(condition) = &select.selection {
            self.forbid(Some("WHERE clause"));
            from = format!("{from} WHERE {}", self.condition(condition, "WHERE clause")?);
            self.forbid(None);
        }
        self.check_filters(unfiltered, select.select_token.0.span.into())?;
        // The list is translated before GROUP BY, which may name its columns, and again after it.
        let before = self.items(select)?;
        let keys = self.group_keys(select, &before)?;
        let is_grouped = keys.is_some()
            || self.scope().is_some_and(|scope| scope.has_aggregate)
            || select.having.is_some();
        let mut items = before;
        if is_grouped {
            let keys = Grouping::Keys(keys.clone().unwrap_or_default());
            if let Some(scope) = self.scope() {
                scope.grouping = keys;
            }
            items = self.items(select)?;
        }
        self.show_aliases(&items);
        let mut rest = String::new();
        if let Some(keys) = keys.filter(|keys| !keys.is_empty()) {
            rest = format!(
                " GROUP BY {}",
                keys.iter().map(|key| format!("({key})")).collect::<Vec<_>>().join(", ")
            );
        }
        if let Some(condition) = &select.having {
            rest = format!("{rest} HAVING {}", self.condition(condition, "HAVING clause")?);
        }
        self.finish(select, items, tail, &from, &rest)
    }

    /// The SELECT with QUALIFY, DISTINCT and ORDER BY.
    fn finish(
        &mut self,
        select: &Select,
        items: Vec<Item>,
        tail: Tail<'_>,
        from: &str,
        rest: &str,
    ) -> Result<Rows, SqlError> {
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        let mut inner: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(index, item)| format!("{} AS c{index}", item.value.sql))
            .collect();
        let mut filter = String::new();
        if let Some(condition) = &select.qualify {
            inner.push(format!("{} AS q", self.condition(condition, "QUALIFY clause")?));
            filter = " WHERE q".to_owned();
        }
        let columns: Vec<(Option<String>, Typed)> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                (item.name.clone(), Typed { sql: format!("c{index}"), ..item.value.clone() })
            })
            .collect();
        if distinct
            && let Some((_, column)) = columns.iter().find(|(_, column)| !column.ty.is_comparable())
        {
            let message =
                format!("Column of type {} cannot be used in SELECT DISTINCT", column.ty.name());
            return Err(SqlError::invalid(message, select.select_token.0.span));
        }
        let mut sort = Vec::new();
        for key in tail.order_by {
            let place = Place::from(key.expr.span());
            let value = match order_index(&key.expr, &items, &columns) {
                Some(index) => columns[index].1.clone(),
                None => {
                    let value = self.expr(&key.expr)?;
                    match items.iter().position(|item| item.value.sql == value.sql) {
                        Some(index) => columns[index].1.clone(),
                        None if distinct => {
                            let message = format!(
                                "ORDER BY clause expression references {} which is not visible \
                                 after SELECT DISTINCT",
                                key.expr
                            );
                            return Err(SqlError::invalid(message, place));
                        }
                        None => {
                            let name = format!("o{}", sort.len());
                            inner.push(format!("{} AS {name}", value.sql));
                            Typed { sql: name, ..value }
                        }
                    }
                }
            };
            sort.push(sort_key(&value, key, place)?);
        }
        let mut sql = format!("SELECT {}{from}{rest}", inner.join(", "));
        if !filter.is_empty() || !sort.is_empty() || distinct {
            let names: Vec<&str> = columns.iter().map(|(_, column)| column.sql.as_str()).collect();
            let distinct = if distinct { "DISTINCT " } else { "" };
            sql = format!("SELECT {distinct}{} FROM ({sql}){filter}", names.join(", "));
        }
        if !sort.is_empty() {
            sql = format!("{sql} ORDER BY {}", sort.join(", "));
        }
        Ok(Rows { sql, columns })
    }

    fn forbid(&mut self, clause: Option<&'static str>) {
        if let Some(scope) = self.scope() {
            (scope.no_aggregates, scope.no_windows) = (clause, clause);
        }
    }

    fn show_aliases(&mut self, items: &[Item]) {
        let named = items.iter().filter(|item| item.is_alias);
        let named = named.filter_map(|item| Some((item.name.clone()?, item.value.clone())));
        let aliases = named.collect();
        if let Some(scope) = self.scope() {
            scope.aliases = aliases;
        }
    }

    /// The SQLite text of each key of GROUP BY; `None` without one.
    fn group_keys(
        &mut self,
        select: &Select,
        items: &[Item],
    ) -> Result<Option<Vec<String>>, SqlError> {
        let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else {
            return Err(SqlError::unimplemented("GROUP BY ALL", select.select_token.0.span));
        };
        if !modifiers.is_empty() {
            return Err(SqlError::unimplemented("ROLLUP", select.select_token.0.span));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let had_aggregate = self.scope().is_some_and(|scope| scope.has_aggregate);
        let columns: Vec<(Option<String>, Typed)> = items
            .iter()
            .map(|item| (item.name.clone().filter(|_| item.is_alias), item.value.clone()))
            .collect();
        let mut texts = Vec::new();
        for key in keys {
            let place = Place::from(key.span());
            let value = match output_index(key, &columns) {
                Some(index) => columns[index].1.clone(),
                None => {
                    self.forbid(Some("GROUP BY clause"));
                    let value = self.expr(key)?;
                    self.forbid(None);
                    value
                }
            };
            if !value.ty.is_comparable() {
                let message =
                    format!("Grouping by expressions of type {} is not allowed", value.ty.name());
                return Err(SqlError::invalid(message, place));
            }
            texts.push(value.sql);
        }
        if let Some(scope) = self.scope() {
            scope.has_aggregate = had_aggregate;
        }
        Ok(Some(texts))
    }

    fn items(&mut self, select: &Select) -> Result<Vec<Item>, SqlError> {
        let mut items = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let (name, value) = (last_name(expr), self.expr(expr)?);
                    items.push(Item { name, is_alias: false, value });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let (name, value) = (Some(alias.value.clone()), self.expr(expr)?);
                    items.push(Item { name, is_alias: true, value });
                }
                SelectItem::Wildcard(options) => {
                    if select.from.is_empty() {
                        let message = "SELECT * must have a FROM clause";
                        return Err(SqlError::invalid(message, item.span()));
                    }
                    self.star(None, options, &mut items)?;
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => self.star(Some(&name.to_string()), options, &mut items)?,
                other => {
                    return Err(SqlError::unimplemented(format!("SELECT {other}"), item.span()));
                }
            }
        }
        Ok(items)
    }

    /// `*`, `table.*`, and EXCEPT and REPLACE after them.
    fn star(
        &mut self,
        table: Option<&str>,
        options: &WildcardAdditionalOptions,
        items: &mut Vec<Item>,
    ) -> Result<(), SqlError> {
        let place = Place::from(options.wildcard_token.0.span);
        let other = options.opt_ilike.is_some()
            || options.opt_exclude.is_some()
            || options.opt_rename.is_some()
            || options.opt_alias.is_some();
        if other {
            return Err(SqlError::unimplemented("SELECT * with ILIKE, EXCLUDE or RENAME", place));
        }
        let Some(depth) = self.scopes.len().checked_sub(1) else { return Ok(()) };
        let scope = &self.scopes[depth];
        let columns: Vec<Column> = match table {
            Some(name) => match scope.relation(name.trim_matches('`')) {
                Some(relation) => relation.columns.clone(),
                None => {
                    let message = format!("Unrecognized name: {name}");
                    return Err(SqlError::invalid(message, place));
                }
            },
            None => {
                let all = scope.relations.iter().flat_map(|relation| &relation.columns);
                scope.merged.iter().chain(all.filter(|column| !column.merged)).cloned().collect()
            }
        };
        let except = options.opt_except.iter().flat_map(|except| {
            std::iter::once(&except.first_element).chain(&except.additional_elements)
        });
        let except: Vec<&Ident> = except.collect();
        let replace = options.opt_replace.iter().flat_map(|replace| &replace.items);
        let replace: Vec<_> = replace.collect();
        let is = |column: &Column, name: &Ident| {
            column.name.as_deref().is_some_and(|one| one.eq_ignore_ascii_case(&name.value))
        };
        let named = except.iter().copied().map(|name| (name, "EXCEPT"));
        let named = named.chain(replace.iter().map(|item| (&item.column_name, "REPLACE")));
        for (name, clause) in named {
            if !columns.iter().any(|column| is(column, name)) {
                let message =
                    format!("Column {} in SELECT * {clause} list does not exist", name.value);
                return Err(SqlError::invalid(message, name.span));
            }
        }
        for column in &columns {
            if except.iter().any(|name| is(column, name)) {
                continue;
            }
            let replaced = replace.iter().find(|item| is(column, &item.column_name));
            let value = match replaced {
                Some(item) => self.expr(&item.expr)?,
                None => self.used(depth, column, place)?,
            };
            items.push(Item { name: column.name.clone(), is_alias: false, value });
        }
        Ok(())
    }
}

/// The column that a key of ORDER BY names: an alias, a number, or the name of a column that is not
/// one of FROM.
fn order_index(key: &Expr, items: &[Item], columns: &[(Option<String>, Typed)]) -> Option<usize> {
    let index = output_index(key, columns)?;
    let is_number = matches!(key, Expr::Value(_));
    (is_number || items[index].is_alias).then_some(index)
}

/// The name that BigQuery gives to a column without AS.
fn last_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) if !name.value.starts_with('@') => Some(name.value.clone()),
        Expr::CompoundIdentifier(path) => path.last().map(|name| name.value.clone()),
        _ => None,
    }
}

fn refuse_unsupported(select: &Select) -> Result<(), SqlError> {
    let unsupported = [
        (matches!(select.distinct, Some(Distinct::On(_))), "DISTINCT ON"),
        (select.top.is_some(), "TOP"),
        (select.flavor != SelectFlavor::Standard, "a query that begins with FROM"),
        (select.into.is_some(), "SELECT INTO"),
        (select.exclude.is_some(), "EXCLUDE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (!select.named_window.is_empty(), "the WINDOW clause"),
        (select.value_table_mode.is_some(), "SELECT AS STRUCT and SELECT AS VALUE"),
        (select.select_modifiers.is_some(), "modifiers of SELECT"),
    ];
    match unsupported.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(SqlError::unimplemented(*what, select.select_token.0.span)),
        None => Ok(()),
    }
}
