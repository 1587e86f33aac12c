//! Literals, written in the form in which the store keeps values.

use sqlparser::ast::{self, TypedString, ValueWithSpan};

use super::error::{Place, SqlError};
use super::types::{Literal, Typed, named, quoted_text, stored_literal};
use crate::local::bigquery::cell::{Scalar, convert};
use crate::local::bigquery::field_schema::FieldType;

/// A literal, or the name of a parameter.
pub enum Value {
    Typed(Typed),
    Parameter(String),
}

pub fn value(literal: &ValueWithSpan) -> Result<Value, SqlError> {
    use ast::Value as V;
    let place = Place::from(literal.span);
    Ok(Value::Typed(match &literal.value {
        V::Number(digits, false) => number(digits, place)?,
        V::Boolean(value) => Typed::new(i32::from(*value).to_string(), FieldType::Boolean),
        V::Null => Typed::null(),
        V::SingleQuotedString(text)
        | V::DoubleQuotedString(text)
        | V::TripleSingleQuotedString(text)
        | V::TripleDoubleQuotedString(text)
        | V::SingleQuotedRawStringLiteral(text)
        | V::DoubleQuotedRawStringLiteral(text)
        | V::TripleSingleQuotedRawStringLiteral(text)
        | V::TripleDoubleQuotedRawStringLiteral(text) => self::text(text),
        V::SingleQuotedByteStringLiteral(_)
        | V::DoubleQuotedByteStringLiteral(_)
        | V::TripleSingleQuotedByteStringLiteral(_)
        | V::TripleDoubleQuotedByteStringLiteral(_) => {
            return Err(SqlError::unimplemented("BYTES literals", place));
        }
        V::Placeholder(name) if name == "?" => {
            return Err(SqlError::unimplemented("positional parameters", place));
        }
        V::Placeholder(name) => {
            return Ok(Value::Parameter(name.trim_start_matches('@').to_owned()));
        }
        other => return Err(SqlError::unimplemented(format!("the literal {other}"), place)),
    }))
}

/// A STRING literal.
pub fn text(text: &str) -> Typed {
    let literal = Literal::Text(text.to_owned());
    Typed { literal, ..Typed::new(quoted_text(text), FieldType::String) }
}

fn number(digits: &str, place: Place) -> Result<Typed, SqlError> {
    let literal = Literal::Number(digits.to_owned());
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // The digits of the least INT64 come without their sign.
        let fits = digits.parse::<i64>().is_ok() || digits == "9223372036854775808";
        return match fits {
            true => Ok(Typed { literal, ..Typed::new(digits, FieldType::Integer) }),
            false => Err(SqlError::invalid(format!("Invalid integer literal: {digits}"), place)),
        };
    }
    let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| {
        SqlError::invalid(format!("Invalid floating point literal: {digits}"), place)
    })?;
    Ok(Typed { literal, ..Typed::new(format!("{number:?}"), FieldType::Float) })
}

/// `DATE '2026-11-21'` and the like.
pub fn typed(literal: &TypedString) -> Result<Typed, SqlError> {
    let place = Place::from(literal.value.span);
    let ty = named(&literal.data_type, place)?;
    let text = match &literal.value.value {
        ast::Value::SingleQuotedString(text) | ast::Value::DoubleQuotedString(text) => text,
        other => return Err(SqlError::unimplemented(format!("the literal {other}"), place)),
    };
    use FieldType as F;
    let known = [F::Date, F::Datetime, F::Time, F::Timestamp, F::Numeric, F::BigNumeric, F::Json];
    if !known.contains(&ty.kind) {
        return Err(SqlError::unimplemented(format!("{} literals", ty.name()), place));
    }
    let invalid = |_| SqlError::invalid(format!("Invalid {} literal", ty.name()), place);
    let cell = convert(Scalar::Text(text), ty.kind).map_err(invalid)?;
    let sql = stored_literal(&cell)
        .ok_or_else(|| SqlError::unimplemented(format!("{} literals", ty.name()), place))?;
    Ok(Typed::new(sql, ty.kind))
}
