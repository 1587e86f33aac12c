//! Expressions: operators, literals, CASE, CAST and subqueries.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, Expr, InTarget, Query, Spanned, UnaryOperator,
};

use super::error::{Place, SqlError};
use super::literals;
use super::operations::{arithmetic, cast, common, is_null, no_signature};
use super::scope::Grouping;
use super::translator::Translator;
use super::types::{Literal, Type, Typed, kind_name, named};
use crate::local::bigquery::field_schema::FieldType;

impl Translator<'_> {
    /// Translates an expression. Under GROUP BY, one that is a key is taken as a whole.
    pub fn expr(&mut self, expr: &Expr) -> Result<Typed, SqlError> {
        let keys = match self.scopes.last().map(|scope| &scope.grouping) {
            Some(Grouping::Keys(keys)) if !keys.is_empty() => keys.clone(),
            _ => return self.ungrouped_expr(expr),
        };
        let is_composed = !matches!(expr, Expr::Identifier(_) | Expr::Value(_));
        if is_composed {
            let whole = self.with_grouping(Grouping::None, |this| this.ungrouped_expr(expr));
            if let Ok(whole) = whole
                && keys.contains(&whole.sql)
            {
                return Ok(whole);
            }
        }
        self.ungrouped_expr(expr)
    }

    /// Runs `work` with another grouping of the innermost scope.
    pub fn with_grouping<T>(&mut self, grouping: Grouping, work: impl FnOnce(&mut Self) -> T) -> T {
        let Some(scope) = self.scope() else { return work(self) };
        let before = std::mem::replace(&mut scope.grouping, grouping);
        let done = work(self);
        if let Some(scope) = self.scope() {
            scope.grouping = before;
        }
        done
    }

    fn ungrouped_expr(&mut self, expr: &Expr) -> Result<Typed, SqlError> {
        let place = Place::from(expr.span());
        let is = |sql: String| Ok(Typed::new(sql, FieldType::Boolean));
        match expr {
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(path) => self.path(path),
            Expr::Nested(inner) => self.expr(inner),
            Expr::Value(value) => match literals::value(value)? {
                literals::Value::Typed(typed) => Ok(typed),
                literals::Value::Parameter(name) => self.parameter(&name, place),
            },
            Expr::TypedString(literal) => literals::typed(literal),
            Expr::UnaryOp { op, expr } => self.unary(op, expr, place),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, place),
            Expr::IsNull(inner) => is(format!("({} IS NULL)", self.expr(inner)?.sql)),
            Expr::IsNotNull(inner) => is(format!("({} IS NOT NULL)", self.expr(inner)?.sql)),
            Expr::IsTrue(inner) => is(format!("({} IS 1)", self.condition(inner, "IS TRUE")?)),
            Expr::IsNotTrue(inner) => {
                is(format!("({} IS NOT 1)", self.condition(inner, "IS TRUE")?))
            }
            Expr::IsFalse(inner) => is(format!("({} IS 0)", self.condition(inner, "IS FALSE")?)),
            Expr::IsNotFalse(inner) => {
                is(format!("({} IS NOT 0)", self.condition(inner, "IS FALSE")?))
            }
            Expr::IsDistinctFrom(left, right) => {
                let [left, right] = self.same_types(left, right, "IS DISTINCT FROM", place)?;
                is(format!("({} IS NOT {})", left.sql, right.sql))
            }
            Expr::IsNotDistinctFrom(left, right) => {
                let [left, right] = self.same_types(left, right, "IS NOT DISTINCT FROM", place)?;
                is(format!("({} IS {})", left.sql, right.sql))
            }
            Expr::Between { expr, negated, low, high } => {
                let items = [self.expr(expr)?, self.expr(low)?, self.expr(high)?];
                let items = common(items.to_vec(), "operator BETWEEN", place)?;
                let items: Vec<Typed> = items.into_iter().map(Typed::finite).collect();
                self.must_be_ordered(&items[0], "BETWEEN", place)?;
                let not = if *negated { "NOT " } else { "" };
                let (value, low, high) = (items[0].ordered(), &items[1].sql, &items[2].sql);
                is(format!("({value} {not}BETWEEN {low} AND {high})"))
            }
            Expr::In { expr, target, negated, .. } => self.is_in(expr, target, *negated, place),
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                let (value, pattern) = (self.expr(expr)?, self.expr(pattern)?);
                let texts = [&value, &pattern];
                if !texts.iter().all(|one| one.ty.is(FieldType::String) || is_null(one)) {
                    return Err(no_signature("operator LIKE", &texts, place));
                }
                let not = if *negated { "NOT " } else { "" };
                is(format!("({not}bq_like({}, {}))", value.sql, pattern.sql))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place)
            }
            Expr::Cast { kind, expr, data_type, format: None } => {
                let safe = match kind {
                    CastKind::Cast => false,
                    CastKind::SafeCast => true,
                    CastKind::TryCast | CastKind::DoubleColon => {
                        return Err(SqlError::unimplemented("this form of CAST", place));
                    }
                };
                let value = self.expr(expr)?;
                cast(&value, &named(data_type, place)?, safe, place)
            }
            Expr::Exists { subquery, negated } => {
                let query = self.subquery(subquery)?;
                let not = if *negated { "NOT " } else { "" };
                is(format!("({not}EXISTS ({}))", query.sql))
            }
            Expr::Subquery(subquery) => {
                let (sql, ty) = self.one_column(subquery, "Scalar", place)?;
                let sql = format!("(SELECT bq_single(c0, count(*)) FROM ({sql}))");
                Ok(Typed { sql, ty, literal: Literal::No })
            }
            Expr::Function(function) => self.function(function, place),
            Expr::Extract { field, expr, .. } => self.extract(field, expr, place),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let given = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
                let given = given.into_iter().flatten().map(|one| self.expr(one));
                let given = given.collect::<Result<Vec<_>, _>>()?;
                self.scalar_function("SUBSTR", given, place)
            }
            Expr::Trim { trim_where: None, trim_what: None, expr, trim_characters } => {
                let more = trim_characters.iter().flatten();
                let given = std::iter::once(&**expr).chain(more).map(|one| self.expr(one));
                let given = given.collect::<Result<Vec<_>, _>>()?;
                self.scalar_function("TRIM", given, place)
            }
            Expr::Floor { expr, .. } => {
                let value = self.expr(expr)?;
                self.scalar_function("FLOOR", vec![value], place)
            }
            Expr::Ceil { expr, .. } => {
                let value = self.expr(expr)?;
                self.scalar_function("CEIL", vec![value], place)
            }
            Expr::Array(array) => self.array(&array.elem, place),
            Expr::Struct { values, fields } if fields.is_empty() => self.structure(values, place),
            other => Err(SqlError::unimplemented(format!("the expression {other}"), place)),
        }
    }

    /// An expression that has to be a BOOL.
    pub fn condition(&mut self, expr: &Expr, clause: &str) -> Result<String, SqlError> {
        let value = self.expr(expr)?;
        Self::boolean(value, clause, expr.span().into())
    }

    fn unary(&mut self, op: &UnaryOperator, expr: &Expr, place: Place) -> Result<Typed, SqlError> {
        let value = self.expr(expr)?;
        let number = [FieldType::Integer, FieldType::Float, FieldType::Numeric];
        match op {
            UnaryOperator::Not if value.ty.is(FieldType::Boolean) || is_null(&value) => {
                Ok(Typed::new(format!("(NOT {})", value.sql), FieldType::Boolean))
            }
            UnaryOperator::Plus if number.contains(&value.ty.kind) => Ok(value),
            UnaryOperator::Minus if number.contains(&value.ty.kind) && !value.ty.repeated => {
                let literal = match &value.literal {
                    Literal::Number(digits) => Literal::Number(format!("-{digits}")),
                    other => other.clone(),
                };
                let (sql, kind) = (&value.sql, kind_name(value.ty.kind));
                let sql = match &literal {
                    Literal::Number(digits) => format!("({digits})"),
                    _ => format!("bq_negative({sql}, '{kind}')"),
                };
                Ok(Typed { sql, ty: value.ty, literal })
            }
            UnaryOperator::Not | UnaryOperator::Plus | UnaryOperator::Minus => {
                Err(no_signature(&format!("operator {op}"), &[&value], place))
            }
            other => Err(SqlError::unimplemented(format!("the operator {other}"), place)),
        }
    }

    fn binary(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        place: Place,
    ) -> Result<Typed, SqlError> {
        use BinaryOperator as B;
        let is = |sql: String| Ok(Typed::new(sql, FieldType::Boolean));
        match op {
            B::And | B::Or => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                let both = [&left, &right];
                if !both.iter().all(|one| one.ty.is(FieldType::Boolean) || is_null(one)) {
                    return Err(no_signature(&format!("operator {op}"), &both, place));
                }
                is(format!("({} {op} {})", left.sql, right.sql))
            }
            B::Eq | B::NotEq => {
                let sign = if *op == B::Eq { "=" } else { "!=" };
                let [left, right] = self.same_types(left, right, sign, place)?;
                is(format!("({} {sign} {})", left.sql, right.sql))
            }
            B::Lt | B::LtEq | B::Gt | B::GtEq => {
                let sign = op.to_string();
                let [left, right] = self.same_types(left, right, &sign, place)?;
                self.must_be_ordered(&left, &sign, place)?;
                is(format!("({} {sign} {})", left.ordered(), right.sql))
            }
            B::StringConcat => {
                let given = vec![self.expr(left)?, self.expr(right)?];
                self.scalar_function("CONCAT", given, place)
            }
            B::Plus | B::Minus | B::Multiply | B::Divide => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                arithmetic(&left, &op.to_string(), &right, place)
            }
            other => Err(SqlError::unimplemented(format!("the operator {other}"), place)),
        }
    }

    fn same_types(
        &mut self,
        left: &Expr,
        right: &Expr,
        sign: &str,
        place: Place,
    ) -> Result<[Typed; 2], SqlError> {
        let both = [self.expr(left)?, self.expr(right)?];
        let mut same = common(both.to_vec(), &format!("operator {sign}"), place)?;
        match (same.pop(), same.pop()) {
            (Some(right), Some(left)) if left.ty.is_comparable() => {
                Ok([left.finite(), right.finite()])
            }
            _ => Err(no_signature(&format!("operator {sign}"), &[&both[0], &both[1]], place)),
        }
    }

    fn must_be_ordered(&self, value: &Typed, sign: &str, place: Place) -> Result<(), SqlError> {
        if value.ty.is_ordered() {
            return Ok(());
        }
        Err(SqlError::unimplemented(format!("{sign} of {}", value.ty.name()), place))
    }

    fn is_in(
        &mut self,
        expr: &Expr,
        target: &InTarget,
        negated: bool,
        place: Place,
    ) -> Result<Typed, SqlError> {
        let value = self.expr(expr)?;
        let not = if negated { "NOT " } else { "" };
        let list = match target {
            InTarget::List(list) => {
                let mut items = vec![value];
                for item in list {
                    items.push(self.expr(item)?);
                }
                items =
                    common(items, "operator IN", place)?.into_iter().map(Typed::finite).collect();
                let list: Vec<&str> = items[1..].iter().map(|item| item.sql.as_str()).collect();
                let sql = format!("({} {not}IN ({}))", items[0].sql, list.join(", "));
                return Ok(Typed::new(sql, FieldType::Boolean));
            }
            InTarget::Subquery(query) => {
                let (sql, ty) = self.one_column(query, "Subquery of type IN", place)?;
                (sql, ty)
            }
            InTarget::Unnest(array) => {
                let array = self.expr(array)?;
                if !array.ty.repeated {
                    let message = format!(
                        "Second argument of IN UNNEST must be an array but was {}",
                        array.ty.name()
                    );
                    return Err(SqlError::invalid(message, place));
                }
                let sql = format!("SELECT value AS c0 FROM json_each({})", array.sql);
                (sql, Type { repeated: false, ..array.ty })
            }
            InTarget::Table { .. } => return Err(SqlError::unimplemented("IN a table", place)),
        };
        let (sql, ty) = list;
        let other = Typed { sql: "c0".to_owned(), ty, literal: Literal::No };
        let items = common(vec![value, other], "operator IN", place)?;
        let items: Vec<Typed> = items.into_iter().map(Typed::finite).collect();
        if !items[0].ty.is_comparable() {
            return Err(no_signature("operator IN", &[&items[0], &items[1]], place));
        }
        let (value, column) = (&items[0].sql, &items[1].sql);
        let sql = format!("({value} {not}IN (SELECT {column} FROM ({sql})))");
        Ok(Typed::new(sql, FieldType::Boolean))
    }

    /// A subquery that has to have one column.
    fn one_column(
        &mut self,
        query: &Query,
        what: &str,
        place: Place,
    ) -> Result<(String, Type), SqlError> {
        let query = self.subquery(query)?;
        match &query.columns[..] {
            [(_, column)] => Ok((query.sql, column.ty.clone())),
            columns => {
                let count = columns.len();
                let message = format!(
                    "{what} subquery cannot have more than one column unless using SELECT AS \
                     STRUCT to build STRUCT values; it has {count}"
                );
                Err(SqlError::invalid(message, place))
            }
        }
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        place: Place,
    ) -> Result<Typed, SqlError> {
        let (mut tests, mut results) = (Vec::new(), Vec::new());
        for when in conditions {
            tests.push(match operand {
                Some(operand) => {
                    let [left, right] = self.same_types(operand, &when.condition, "=", place)?;
                    format!("({} = {})", left.sql, right.sql)
                }
                None => self.condition(&when.condition, "CASE WHEN")?,
            });
            results.push(self.expr(&when.result)?);
        }
        results.push(otherwise.map_or_else(|| Ok(Typed::null()), |one| self.expr(one))?);
        let mut results = common(results, "CASE", place)?;
        let ty = results[0].ty.clone();
        let otherwise = results.pop().map_or_else(|| "NULL".to_owned(), |one| one.sql);
        let whens: Vec<String> = tests
            .iter()
            .zip(&results)
            .map(|(test, result)| format!("WHEN {test} THEN {}", result.sql))
            .collect();
        let sql = format!("(CASE {} ELSE {otherwise} END)", whens.join(" "));
        Ok(Typed { sql, ty, literal: Literal::No })
    }
}
