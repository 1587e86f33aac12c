//! Functions of TIMESTAMP, DATE and DATETIME.

use sqlparser::ast::{DateTimeField, Expr, Spanned};

use super::error::{Place, SqlError};
use super::operations::no_signature;
use super::translator::{Translator, converted};
use super::types::{Type, Typed, cast_call, kind_name, stored_literal};
use crate::local::bigquery::cell::{Scalar, convert};
use crate::local::bigquery::field_schema::FieldType;

/// The parts that a function of this type takes.
const DATE_PARTS: &[&str] = &["DAY", "WEEK", "ISOWEEK", "MONTH", "QUARTER", "YEAR"];
const TIME_PARTS: &[&str] = &["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR"];
const ONLY_EXTRACTED: &[&str] = &["DAYOFWEEK", "DAYOFYEAR", "ISOYEAR"];

impl Translator<'_> {
    /// The call of a function of this file; `None` for others.
    pub fn time_function(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        place: Place,
    ) -> Result<Option<Typed>, SqlError> {
        use FieldType as F;
        let current = match name {
            "CURRENT_TIMESTAMP" => Some(F::Timestamp),
            "CURRENT_DATE" => Some(F::Date),
            "CURRENT_DATETIME" => Some(F::Datetime),
            _ => None,
        };
        if let Some(kind) = current {
            if !arguments.is_empty() {
                return Err(SqlError::unimplemented(format!("{name} with a time zone"), place));
            }
            return self.current(kind, place).map(Some);
        }
        let simple = match name {
            "DATE" => Some(F::Date),
            "TIMESTAMP" => Some(F::Timestamp),
            "DATETIME" => Some(F::Datetime),
            _ => None,
        };
        if let Some(kind) = simple {
            return self.constructor(name, kind, arguments, place).map(Some);
        }
        let Some((kind, action)) = name.split_once('_') else { return Ok(None) };
        let kind = match kind {
            "DATE" => F::Date,
            "TIMESTAMP" => F::Timestamp,
            "DATETIME" => F::Datetime,
            _ => return Ok(None),
        };
        match (action, arguments) {
            ("ADD" | "SUB", [value, Expr::Interval(interval)]) => {
                let value = self.time(name, value, kind, place)?;
                let Some(part) = &interval.leading_field else {
                    return Err(SqlError::unimplemented("INTERVAL without a part", place));
                };
                let amount = self.expr(&interval.value)?;
                if !amount.ty.is(F::Integer) || interval.last_field.is_some() {
                    return Err(SqlError::unimplemented("this INTERVAL", place));
                }
                let part = part_of(&part.to_string(), name, kind, place)?;
                if kind == F::Timestamp && part != "DAY" && !TIME_PARTS.contains(&part.as_str()) {
                    return Err(unsupported_part(name, &part, place));
                }
                let sign = if action == "ADD" { 1 } else { -1 };
                Ok(Some(Typed::new(
                    format!(
                        "bq_time_add({}, {}, {sign}, '{part}', '{}')",
                        value.sql,
                        amount.sql,
                        kind_name(kind)
                    ),
                    kind,
                )))
            }
            ("DIFF", [left, right, part]) => {
                let left = self.time(name, left, kind, place)?;
                let right = self.time(name, right, kind, place)?;
                let part = part_of(&part.to_string(), name, kind, place)?;
                let is_exact = part == "DAY" || TIME_PARTS.contains(&part.as_str());
                if kind == F::Timestamp && !is_exact {
                    return Err(unsupported_part(name, &part, place));
                }
                let (left, right, kind) = (left.sql, right.sql, kind_name(kind));
                let sql = format!("bq_time_diff({left}, {right}, '{part}', '{kind}')");
                Ok(Some(Typed::new(sql, F::Integer)))
            }
            ("TRUNC", [value, part]) => {
                let value = self.time(name, value, kind, place)?;
                let part = part_of(&part.to_string(), name, kind, place)?;
                let sql = format!("bq_time_trunc({}, '{part}', '{}')", value.sql, kind_name(kind));
                Ok(Some(Typed::new(sql, kind)))
            }
            ("TRUNC", [_, _, _]) => {
                Err(SqlError::unimplemented(format!("{name} with a time zone"), place))
            }
            ("ADD" | "SUB" | "DIFF" | "TRUNC", _) => {
                Err(no_signature(&format!("function {name}"), &[], place))
            }
            _ => Ok(None),
        }
    }

    /// EXTRACT(part FROM value)
    pub fn extract(
        &mut self,
        field: &DateTimeField,
        expr: &Expr,
        place: Place,
    ) -> Result<Typed, SqlError> {
        use FieldType as F;
        let value = self.expr(expr)?;
        let kind = value.ty.kind;
        if value.ty.repeated || !matches!(kind, F::Date | F::Timestamp | F::Datetime) {
            return Err(no_signature("function EXTRACT", &[&value], place));
        }
        let part = field.to_string().to_ascii_uppercase();
        match part.as_str() {
            "DATE" => return Ok(converted(&value, F::Date)),
            "DATETIME" => return Ok(converted(&value, F::Datetime)),
            "TIME" if kind != F::Date => return Ok(converted(&value, F::Time)),
            _ => {}
        }
        let part = match ONLY_EXTRACTED.contains(&part.as_str()) {
            true => part,
            false => part_of(&part, "EXTRACT", kind, place)?,
        };
        let sql = format!("bq_extract({}, '{part}', '{}')", value.sql, kind_name(kind));
        Ok(Typed::new(sql, F::Integer))
    }

    fn current(&self, kind: FieldType, place: Place) -> Result<Typed, SqlError> {
        let now = convert(Scalar::Int(self.now), FieldType::Timestamp);
        let now = now.map_err(|message| SqlError::invalid(message, place))?;
        let now = stored_literal(&now).unwrap_or_else(|| "NULL".to_owned());
        Ok(converted(&Typed::new(now, FieldType::Timestamp), kind))
    }

    /// DATE(…), TIMESTAMP(…) and DATETIME(…)
    fn constructor(
        &mut self,
        name: &str,
        kind: FieldType,
        arguments: &[&Expr],
        place: Place,
    ) -> Result<Typed, SqlError> {
        use FieldType as F;
        let given = arguments.iter().map(|argument| self.expr(argument));
        let given = given.collect::<Result<Vec<_>, _>>()?;
        let refs: Vec<&Typed> = given.iter().collect();
        match &given[..] {
            [value] if !value.ty.repeated => match (value.ty.kind, kind) {
                (F::Date | F::Timestamp | F::Datetime, _) | (F::String, F::Timestamp) => {
                    Ok(converted(value, kind))
                }
                (F::String, F::Date | F::Datetime)
                    if value.coerced(&Type::of(kind), place)?.is_some() =>
                {
                    let sql = cast_call(&value.sql, F::String, kind);
                    Ok(Typed::new(sql, kind))
                }
                _ => Err(no_signature(&format!("function {name}"), &refs, place)),
            },
            [year, month, day]
                if kind == F::Date && refs.iter().all(|one| one.ty.is(F::Integer)) =>
            {
                let sql = format!("bq_date({}, {}, {})", year.sql, month.sql, day.sql);
                Ok(Typed::new(sql, F::Date))
            }
            [_, zone] if zone.ty.is(F::String) => {
                Err(SqlError::unimplemented(format!("{name} with a time zone"), place))
            }
            [_, _] | [_, _, _, ..] => {
                Err(SqlError::unimplemented(format!("this form of {name}"), place))
            }
            _ => Err(no_signature(&format!("function {name}"), &refs, place)),
        }
    }

    /// An argument that has to be a DATE, TIMESTAMP or DATETIME.
    fn time(
        &mut self,
        name: &str,
        expr: &Expr,
        kind: FieldType,
        place: Place,
    ) -> Result<Typed, SqlError> {
        let value = self.expr(expr)?;
        let fits = value.coerced(&Type::of(kind), expr.span().into())?;
        fits.ok_or_else(|| no_signature(&format!("function {name}"), &[&value], place))
    }
}

/// A part such as `DAY`, if the type has it.
fn part_of(text: &str, name: &str, kind: FieldType, place: Place) -> Result<String, SqlError> {
    let part = text.to_ascii_uppercase();
    let is_known = DATE_PARTS.contains(&part.as_str())
        || (kind != FieldType::Date && TIME_PARTS.contains(&part.as_str()));
    if is_known {
        return Ok(part);
    }
    if part.starts_with("WEEK(") {
        return Err(SqlError::unimplemented(format!("{name} with {part}"), place));
    }
    Err(unsupported_part(name, &part, place))
}

fn unsupported_part(name: &str, part: &str, place: Place) -> SqlError {
    SqlError::invalid(format!("{name} does not support the {part} date part"), place)
}
