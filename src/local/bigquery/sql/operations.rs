//! What operators share: common types, arithmetic, casts, and the error for types that do not fit.

use super::error::{Place, SqlError};
use super::types::{Literal, Type, Typed, kind_name, supertype};
use crate::local::bigquery::field_schema::FieldType;

/// Whether it is the literal NULL, which has every type.
pub fn is_null(value: &Typed) -> bool {
    value.literal == Literal::Null
}

/// Converts all of these to the type that they have in common.
pub fn common(items: Vec<Typed>, what: &str, place: Place) -> Result<Vec<Typed>, SqlError> {
    let refs: Vec<&Typed> = items.iter().collect();
    let Some(ty) = supertype(&refs) else { return Err(no_signature(what, &refs, place)) };
    let mut converted = Vec::with_capacity(items.len());
    for item in &items {
        match item.coerced(&ty, place)? {
            Some(item) => converted.push(item),
            None => return Err(no_signature(what, &refs, place)),
        }
    }
    Ok(converted)
}

/// BigQuery's error for arguments that an operator or a function does not take.
pub fn no_signature(what: &str, given: &[&Typed], place: Place) -> SqlError {
    let types: Vec<String> = given
        .iter()
        .map(|one| if is_null(one) { "NULL".to_owned() } else { one.ty.name() })
        .collect();
    let supported = match what.strip_prefix("operator ") {
        Some(sign @ ("=" | "!=" | "<" | "<=" | ">" | ">=")) => {
            format!(". Supported signature: ANY {sign} ANY")
        }
        _ => String::new(),
    };
    let message = format!(
        "No matching signature for {what} for argument types: {}{supported}",
        types.join(", ")
    );
    SqlError::invalid(message, place)
}

/// `+`, `-`, `*` and `/`. A division of INT64 gives FLOAT64.
pub fn arithmetic(
    left: &Typed,
    sign: &str,
    right: &Typed,
    place: Place,
) -> Result<Typed, SqlError> {
    let wrong = || no_signature(&format!("operator {sign}"), &[left, right], place);
    let mut ty = supertype(&[left, right]).ok_or_else(wrong)?;
    match ty.kind {
        _ if ty.repeated => return Err(wrong()),
        FieldType::Integer if sign == "/" => ty = Type::of(FieldType::Float),
        FieldType::Integer | FieldType::Float | FieldType::Numeric => {}
        FieldType::BigNumeric => {
            return Err(SqlError::unimplemented(format!("{sign} of BIGNUMERIC"), place));
        }
        FieldType::Date if matches!(sign, "+" | "-") => {
            return Err(SqlError::unimplemented(format!("{sign} of DATE"), place));
        }
        _ => return Err(wrong()),
    }
    let given = (left.coerced(&ty, place)?, right.coerced(&ty, place)?);
    let (Some(left), Some(right)) = given else { return Err(wrong()) };
    let kind = kind_name(ty.kind);
    let sql = format!("bq_arithmetic('{sign}', {}, {}, '{kind}')", left.sql, right.sql);
    Ok(Typed { sql, ty, literal: Literal::No })
}

/// CAST and SAFE_CAST.
pub fn cast(value: &Typed, to: &Type, safe: bool, place: Place) -> Result<Typed, SqlError> {
    if is_null(value) || value.ty == *to {
        return Ok(Typed { ty: to.clone(), literal: Literal::No, ..value.clone() });
    }
    let (from, into) = (value.ty.kind, to.kind);
    if value.ty.repeated || to.repeated || !can_cast(from, into) {
        let message = format!("Invalid cast from {} to {}", value.ty.name(), to.name());
        return Err(SqlError::invalid(message, place));
    }
    let (from, into) = (kind_name(from), kind_name(into));
    let sql = format!("bq_cast({}, '{from}', '{into}', {})", value.sql, i32::from(safe));
    Ok(Typed { sql, ty: to.clone(), literal: Literal::No })
}

fn can_cast(from: FieldType, to: FieldType) -> bool {
    use FieldType as F;
    let number = |kind| matches!(kind, F::Integer | F::Float | F::Numeric | F::BigNumeric);
    let time = |kind| matches!(kind, F::Date | F::Datetime | F::Timestamp);
    match (from, to) {
        (F::String, F::Json | F::Record | F::Geography)
        | (F::Json | F::Record | F::Geography, F::String) => false,
        (F::Bytes, to) => to == F::String,
        (F::String, _) | (_, F::String) => true,
        (F::Boolean, F::Integer) | (F::Integer, F::Boolean) => true,
        (F::Datetime | F::Timestamp, F::Time) => true,
        (from, to) => (number(from) && number(to)) || (time(from) && time(to)),
    }
}
