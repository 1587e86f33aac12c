//! Aggregate functions and window functions.

use sqlparser::ast::{
    Expr, Function, Spanned, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType,
};

use super::error::{Place, SqlError};
use super::functions::{Arguments, arguments};
use super::operations::no_signature;
use super::queries::sort_key;
use super::scope::Grouping;
use super::translator::Translator;
use super::types::{Literal, Type, Typed};
use crate::local::bigquery::field_schema::FieldType;

const AGGREGATES: &[&str] = &[
    "COUNT",
    "COUNTIF",
    "SUM",
    "MIN",
    "MAX",
    "AVG",
    "ANY_VALUE",
    "BIT_XOR",
    "BIT_AND",
    "BIT_OR",
    "LOGICAL_AND",
    "LOGICAL_OR",
    "STRING_AGG",
];

/// Functions that need OVER.
const WINDOWS: &[&str] =
    &["ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"];

impl Translator<'_> {
    /// The call of an aggregate or window function; `None` for others.
    pub fn aggregate_or_window(
        &mut self,
        name: &str,
        function: &Function,
        place: Place,
    ) -> Result<Option<Typed>, SqlError> {
        let is_window = WINDOWS.contains(&name);
        if !is_window && !AGGREGATES.contains(&name) {
            return Ok(None);
        }
        if function.null_treatment.is_some() {
            return Err(SqlError::unimplemented(format!("{name} with IGNORE NULLS"), place));
        }
        let arguments = arguments(name, function, place)?;
        let Some(over) = &function.over else {
            if is_window {
                let message =
                    format!("Analytic function {name} cannot be called without an OVER clause");
                return Err(SqlError::invalid(message, place));
            }
            return self.aggregate(name, &arguments, place).map(Some);
        };
        if let Some(clause) = self.scope().and_then(|scope| scope.no_windows) {
            let message = format!("Analytic function not allowed in {clause}");
            return Err(SqlError::invalid(message, place));
        }
        if arguments.distinct {
            return Err(SqlError::unimplemented(format!("{name}(DISTINCT) OVER"), place));
        }
        if matches!(name, "BIT_AND" | "BIT_OR") {
            return Err(SqlError::unimplemented(format!("{name} with OVER"), place));
        }
        let given = arguments.list.iter().map(|argument| self.expr(argument));
        let given = given.collect::<Result<Vec<_>, _>>()?;
        let call = match is_window {
            true => window_call(name, &given, place)?,
            false => aggregate_call(name, &given, &arguments, place)?,
        };
        let WindowType::WindowSpec(spec) = over else {
            return Err(SqlError::unimplemented("named windows", place));
        };
        let needs_order = matches!(name, "RANK" | "DENSE_RANK" | "NTILE" | "LAG" | "LEAD");
        if needs_order && spec.order_by.is_empty() {
            let message = format!("Window ORDER BY is required for analytic function {name}");
            return Err(SqlError::invalid(message, place));
        }
        let sql = format!("{} OVER ({})", call.sql, self.window(spec, place)?);
        Ok(Some(Typed { sql, ..call }))
    }

    fn aggregate(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
        place: Place,
    ) -> Result<Typed, SqlError> {
        let Some(scope) = self.scope() else {
            let message = format!("Aggregate function {name} not allowed here");
            return Err(SqlError::invalid(message, place));
        };
        match scope.no_aggregates {
            Some("aggregate") => {
                let message = "Aggregations of aggregations are not allowed";
                return Err(SqlError::invalid(message, place));
            }
            Some(clause) => {
                let message = format!("Aggregate function {name} not allowed in {clause}");
                return Err(SqlError::invalid(message, place));
            }
            None => {}
        }
        scope.has_aggregate = true;
        (scope.no_aggregates, scope.no_windows) = (Some("aggregate"), Some("aggregate function"));
        let given = self.with_grouping(Grouping::None, |this| {
            let given = arguments.list.iter().map(|argument| this.expr(argument));
            given.collect::<Result<Vec<_>, _>>()
        });
        if let Some(scope) = self.scope() {
            (scope.no_aggregates, scope.no_windows) = (None, None);
        }
        aggregate_call(name, &given?, arguments, place)
    }

    /// PARTITION BY, ORDER BY and the frame of OVER.
    fn window(&mut self, spec: &WindowSpec, place: Place) -> Result<String, SqlError> {
        if spec.window_name.is_some() {
            return Err(SqlError::unimplemented("named windows", place));
        }
        let mut clauses = Vec::new();
        let mut keys = Vec::new();
        for key in &spec.partition_by {
            let value = self.expr(key)?;
            if !value.ty.is_comparable() {
                let message = format!(
                    "Partitioning by expressions of type {} is not allowed",
                    value.ty.name()
                );
                return Err(SqlError::invalid(message, key.span()));
            }
            keys.push(format!("({})", value.sql));
        }
        if !keys.is_empty() {
            clauses.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        let mut keys = Vec::new();
        for key in &spec.order_by {
            let value = self.expr(&key.expr)?;
            keys.push(sort_key(&value, key, key.expr.span().into())?);
        }
        if !keys.is_empty() {
            clauses.push(format!("ORDER BY {}", keys.join(", ")));
        }
        if let Some(frame) = &spec.window_frame {
            clauses.push(self::frame(frame, place)?);
        }
        Ok(clauses.join(" "))
    }
}

fn frame(frame: &WindowFrame, place: Place) -> Result<String, SqlError> {
    let bound = |bound: &WindowFrameBound| {
        let count = |count: &Option<Box<Expr>>| match count.as_deref() {
            None => Ok("UNBOUNDED".to_owned()),
            Some(Expr::Value(number)) => Ok(number.to_string()),
            Some(_) => Err(SqlError::unimplemented("this window frame", place)),
        };
        Ok::<_, SqlError>(match bound {
            WindowFrameBound::CurrentRow => "CURRENT ROW".to_owned(),
            WindowFrameBound::Preceding(number) => format!("{} PRECEDING", count(number)?),
            WindowFrameBound::Following(number) => format!("{} FOLLOWING", count(number)?),
        })
    };
    let unit = match frame.units {
        WindowFrameUnits::Rows => "ROWS",
        WindowFrameUnits::Range => "RANGE",
        WindowFrameUnits::Groups => {
            return Err(SqlError::unimplemented("GROUPS in a window frame", place));
        }
    };
    let start = bound(&frame.start_bound)?;
    Ok(match &frame.end_bound {
        Some(end) => format!("{unit} BETWEEN {start} AND {}", bound(end)?),
        None => format!("{unit} {start}"),
    })
}

fn aggregate_call(
    name: &str,
    given: &[Typed],
    arguments: &Arguments<'_>,
    place: Place,
) -> Result<Typed, SqlError> {
    use FieldType as F;
    let refs: Vec<&Typed> = given.iter().collect();
    let wrong = || no_signature(&format!("aggregate function {name}"), &refs, place);
    let distinct = if arguments.distinct { "DISTINCT " } else { "" };
    let typed = |sql: String, ty: &Type| Ok(Typed { sql, ty: ty.clone(), literal: Literal::No });
    if arguments.is_star {
        return match (name, given) {
            ("COUNT", []) if !arguments.distinct => Ok(Typed::new("count(*)", F::Integer)),
            _ => Err(SqlError::invalid(
                format!("Argument * can only be used in COUNT(*), not in {name}"),
                place,
            )),
        };
    }
    let [value, rest @ ..] = given else { return Err(wrong()) };
    let value = match name {
        "SUM" | "AVG" | "MIN" | "MAX" => value.clone().finite(),
        _ => value.clone(),
    };
    let (sql, ty) = (&value.sql, &value.ty);
    if arguments.distinct && !ty.is_comparable() {
        let message = format!(
            "Aggregate functions with DISTINCT cannot be used with arguments of type {}",
            ty.name()
        );
        return Err(SqlError::invalid(message, place));
    }
    if let ("STRING_AGG", true) = (name, ty.is(F::String)) {
        let separator = match rest {
            [] => "','",
            [separator] if matches!(separator.literal, Literal::Text(_)) && !arguments.distinct => {
                &separator.sql
            }
            _ => return Err(SqlError::unimplemented("this form of STRING_AGG", place)),
        };
        let sql = match arguments.distinct {
            true => format!("group_concat(DISTINCT {sql})"),
            false => format!("group_concat({sql}, {separator})"),
        };
        return Ok(Typed::new(sql, F::String));
    }
    if !rest.is_empty() {
        return Err(wrong());
    }
    match (name, ty.kind) {
        ("COUNT", _) => Ok(Typed::new(format!("count({distinct}{sql})"), F::Integer)),
        _ if ty.repeated => Err(wrong()),
        ("COUNTIF", F::Boolean) if !arguments.distinct => {
            Ok(Typed::new(format!("count(CASE WHEN {sql} THEN 1 END)"), F::Integer))
        }
        ("SUM", F::Integer | F::Float) => typed(format!("sum({distinct}{sql})"), ty),
        ("SUM", F::Numeric) => typed(format!("bq_sum({distinct}{sql})"), ty),
        ("AVG", F::Integer | F::Float) => Ok(Typed::new(format!("avg({distinct}{sql})"), F::Float)),
        ("AVG", F::Numeric) => typed(format!("bq_avg({distinct}{sql})"), ty),
        ("SUM" | "AVG", F::BigNumeric) => {
            Err(SqlError::unimplemented(format!("{name} of BIGNUMERIC"), place))
        }
        ("MIN" | "MAX", _) if ty.is_ordered() => {
            let function = name.to_ascii_lowercase();
            typed(format!("{function}({})", value.ordered()), ty)
        }
        ("ANY_VALUE", _) => typed(format!("min({sql})"), ty),
        ("BIT_XOR" | "BIT_AND" | "BIT_OR", F::Integer) => {
            let function = name.to_ascii_lowercase();
            typed(format!("bq_{function}({distinct}{sql})"), ty)
        }
        ("LOGICAL_AND", F::Boolean) => typed(format!("min({sql})"), ty),
        ("LOGICAL_OR", F::Boolean) => typed(format!("max({sql})"), ty),
        _ => Err(wrong()),
    }
}

fn window_call(name: &str, given: &[Typed], place: Place) -> Result<Typed, SqlError> {
    let refs: Vec<&Typed> = given.iter().collect();
    let wrong = || no_signature(&format!("analytic function {name}"), &refs, place);
    let function = name.to_ascii_lowercase();
    let integer = |one: &Typed| one.ty.is(FieldType::Integer);
    match (name, given) {
        ("ROW_NUMBER" | "RANK" | "DENSE_RANK", []) => {
            Ok(Typed::new(format!("{function}()"), FieldType::Integer))
        }
        ("NTILE", [count]) if integer(count) => {
            Ok(Typed::new(format!("{function}({})", count.sql), FieldType::Integer))
        }
        ("FIRST_VALUE" | "LAST_VALUE", [value]) => {
            let sql = format!("{function}({})", value.sql);
            Ok(Typed { sql, ty: value.ty.clone(), literal: Literal::No })
        }
        ("LAG" | "LEAD", [value, rest @ ..]) if rest.len() <= 2 => {
            let mut list = vec![value.sql.clone()];
            if let Some(count) = rest.first() {
                if !integer(count) {
                    return Err(wrong());
                }
                list.push(count.sql.clone());
            }
            if let Some(default) = rest.get(1) {
                let default = default.coerced(&value.ty, place)?.ok_or_else(wrong)?;
                list.push(default.sql);
            }
            let sql = format!("{function}({})", list.join(", "));
            Ok(Typed { sql, ty: value.ty.clone(), literal: Literal::No })
        }
        _ => Err(wrong()),
    }
}
