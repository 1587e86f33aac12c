//! MERGE. All rows are chosen before the first one is changed, as BigQuery does.

use sqlparser::ast::{
    Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr, MergeInsertKind,
    MergeUpdateKind, Spanned,
};

use super::changes::Changes;
use super::dml::{ChangedTable, changed_rows};
use super::error::{Place, SqlError};
use super::insert::{check_count, column_value, complete, insert_columns, inserted_value};
use super::scope::{Relation, Scope};
use super::table_name::Target;
use super::translator::Translator;

/// The parts of a MERGE that its clauses share.
struct Sides {
    table: ChangedTable,
    /// The source, for FROM.
    source: String,
    source_relation: Relation,
    /// The condition of ON.
    on: String,
}

/// Which rows a clause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Matched,
    /// Rows of the source alone.
    Source,
    /// Rows of the table alone.
    Target,
}

impl Translator<'_> {
    pub fn merge(&mut self, merge: &Merge) -> Result<(Target, Changes), SqlError> {
        let place = Place::from(merge.merge_token.0.span);
        if merge.output.is_some() {
            return Err(SqlError::unimplemented("OUTPUT", place));
        }
        if merge.clauses.is_empty() {
            return Err(SqlError::invalid("Syntax error: Expected keyword WHEN", place));
        }
        let table = self.changed_table(&merge.table)?;
        self.scopes.push(Scope::default());
        let source = self.factor(&merge.source)?;
        let Some(source_relation) = self.scope().and_then(|scope| scope.relations.pop()) else {
            return Err(SqlError::unimplemented("this source of MERGE", merge.source.span()));
        };
        if let (Some(one), Some(other)) = (&table.relation.name, &source_relation.name)
            && one.eq_ignore_ascii_case(other)
        {
            let message = format!("Duplicate table alias {one} in the same MERGE statement");
            return Err(SqlError::invalid(message, place));
        }
        self.show(&[&table.relation, &source_relation]);
        let on = self.condition(&merge.on, "ON clause")?;
        self.needs_filter(&table.target);
        self.check_filters(0, place)?;
        let sides = Sides { table, source, source_relation, on };
        let mut changes = Changes::default();
        let mut before: [Vec<String>; 3] = Default::default();
        for clause in &merge.clauses {
            let side = match clause.clause_kind {
                MergeClauseKind::Matched => Side::Matched,
                MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => Side::Source,
                MergeClauseKind::NotMatchedBySource => Side::Target,
            };
            self.clause(clause, side, &sides, &mut before[side as usize], &mut changes)?;
        }
        self.scopes.pop();
        changes.refuse_doubled()?;
        Ok((sides.table.target, changes))
    }

    /// Adds the changes of one clause. `before` are the conditions of the earlier clauses of its side,
    /// of which the first that holds wins.
    fn clause(
        &mut self,
        clause: &MergeClause,
        side: Side,
        sides: &Sides,
        before: &mut Vec<String>,
        changes: &mut Changes,
    ) -> Result<(), SqlError> {
        let (table, source) = (&sides.table.relation, &sides.source_relation);
        match side {
            Side::Matched => self.show(&[table, source]),
            Side::Source => self.show(&[source]),
            Side::Target => self.show(&[table]),
        }
        let condition = match &clause.predicate {
            Some(condition) => self.condition(condition, "WHEN clause")?,
            None => "1".to_owned(),
        };
        let earlier = before.iter().map(|earlier| format!("({earlier}) IS NOT 1"));
        let applies: Vec<String> = earlier.chain([format!("({condition})")]).collect();
        let applies = applies.join(" AND ");
        before.push(condition);
        let (target, name) = (&sides.table.sql, &sides.table.name);
        let (from, filter) = match side {
            Side::Matched => (format!("{target} JOIN {} ON {}", sides.source, sides.on), applies),
            Side::Source => {
                let from = format!("{} LEFT JOIN {target} ON {}", sides.source, sides.on);
                (from, format!("{name}.row_id IS NULL AND {applies}"))
            }
            Side::Target => {
                let matched = format!(
                    "SELECT {name}.row_id FROM {target} JOIN {} ON {}",
                    sides.source, sides.on
                );
                (target.clone(), format!("{name}.row_id NOT IN ({matched}) AND {applies}"))
            }
        };
        let place = Place::from(clause.when_token.0.span);
        match &clause.action {
            MergeAction::Update(update) => {
                let MergeUpdateKind::Set(assignments) = &update.kind else {
                    return Err(SqlError::unimplemented("UPDATE SET *", place));
                };
                if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                    return Err(SqlError::unimplemented("WHERE in a clause of MERGE", place));
                }
                let assigned = self.assignments(&sides.table, assignments)?;
                let sql = changed_rows(name, &assigned, &from, &filter);
                changes.add_updated(self.fetched(&sql)?, &assigned);
            }
            MergeAction::Delete { .. } => {
                let sql = changed_rows(name, &[], &from, &filter);
                changes.add_deleted(self.fetched(&sql)?);
            }
            MergeAction::Insert(insert) => {
                let (columns, values) = self.merge_insert(insert, sides)?;
                let sql = format!("SELECT {} FROM {from} WHERE {filter}", values.join(", "));
                let rows = self.fetched(&sql)?.into_iter();
                let target = &sides.table.target;
                changes.inserted.extend(rows.map(|row| complete(target, &columns, row)));
            }
            MergeAction::DoNothing { .. } => {
                return Err(SqlError::unimplemented("DO NOTHING", place));
            }
        }
        Ok(())
    }

    /// The columns of INSERT in MERGE, and their values.
    fn merge_insert(
        &mut self,
        insert: &MergeInsertExpr,
        sides: &Sides,
    ) -> Result<(Vec<usize>, Vec<String>), SqlError> {
        let place = Place::from(insert.insert_token.0.span);
        if insert.insert_predicate.is_some() {
            return Err(SqlError::unimplemented("WHERE in a clause of MERGE", place));
        }
        let target = &sides.table.target;
        let columns = insert_columns(target, &insert.columns)?;
        let values = match &insert.kind {
            MergeInsertKind::Values(values) => {
                let [row] = &values.rows[..] else {
                    return Err(SqlError::invalid("Syntax error: Unexpected \",\"", place));
                };
                self.values(target, &columns, &row.content)?
            }
            MergeInsertKind::Row => {
                let sources = &sides.source_relation.columns;
                check_count(sources.len(), columns.len(), place)?;
                let mut values = Vec::new();
                for (index, source) in columns.iter().zip(sources) {
                    let depth = self.scopes.len().saturating_sub(1);
                    let value = column_value(&self.used(depth, source, place)?);
                    values.push(inserted_value(&value, &target.columns[*index], place)?);
                }
                values
            }
            MergeInsertKind::Wildcard => {
                return Err(SqlError::unimplemented("INSERT *", place));
            }
        };
        Ok((columns, values))
    }

    fn show(&mut self, relations: &[&Relation]) {
        if let Some(scope) = self.scope() {
            scope.relations = relations.iter().map(|relation| (*relation).clone()).collect();
        }
    }
}
