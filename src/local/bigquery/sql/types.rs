//! The types of expressions, and which of them BigQuery converts by itself.

use sqlparser::ast::{ArrayElemTypeDef, DataType, ExactNumberInfo, TimezoneInfo};

use super::error::{Place, SqlError};
use crate::local::bigquery::cell::{Scalar, convert};
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::row::Cell;

/// The type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    pub kind: FieldType,
    /// Whether it is an ARRAY of `kind`.
    pub repeated: bool,
    /// The fields of a STRUCT.
    pub fields: Vec<FieldSchema>,
}

/// SQLite's text of an expression, with its BigQuery type.
#[derive(Debug, Clone)]
pub struct Typed {
    pub sql: String,
    pub ty: Type,
    pub literal: Literal,
}

/// Whether an expression is a literal or a parameter, which convert to more types than others.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    No,
    Null,
    Number(String),
    Text(String),
}

impl Type {
    pub fn of(kind: FieldType) -> Self {
        Self { kind, repeated: false, fields: Vec::new() }
    }

    pub fn of_column(column: &FieldSchema) -> Self {
        let repeated = column.mode == FieldMode::Repeated;
        Self { kind: column.kind, repeated, fields: column.fields.clone() }
    }

    /// The schema of a result column of this type.
    pub fn column(&self, name: &str) -> FieldSchema {
        let mode = if self.repeated { FieldMode::Repeated } else { FieldMode::Nullable };
        let fields = self.fields.clone();
        FieldSchema { name: name.to_owned(), kind: self.kind, mode, fields }
    }

    pub fn is(&self, kind: FieldType) -> bool {
        self.kind == kind && !self.repeated
    }

    /// The type's name in GoogleSQL.
    pub fn name(&self) -> String {
        if self.repeated {
            return format!("ARRAY<{}>", Self { repeated: false, ..self.clone() }.name());
        }
        if self.kind == FieldType::Record {
            let fields = self.fields.iter();
            let fields: Vec<String> = fields
                .map(|field| format!("{} {}", field.name, Self::of_column(field).name()))
                .collect();
            return format!("STRUCT<{}>", fields.join(", "));
        }
        kind_name(self.kind).to_owned()
    }

    /// Whether `=` and GROUP BY accept values of this type.
    pub fn is_comparable(&self) -> bool {
        let unequal = [FieldType::Json, FieldType::Record, FieldType::Geography];
        !self.repeated && !unequal.contains(&self.kind)
    }

    /// Whether `<` and ORDER BY accept it here. BYTES are kept as base64, which sorts otherwise.
    pub fn is_ordered(&self) -> bool {
        self.is_comparable() && self.kind != FieldType::Bytes
    }

    /// How far up a type is in the order in which numbers are converted.
    fn number_rank(&self) -> Option<u8> {
        if self.repeated {
            return None;
        }
        match self.kind {
            FieldType::Integer => Some(0),
            FieldType::Numeric => Some(1),
            FieldType::BigNumeric => Some(2),
            FieldType::Float => Some(3),
            _ => None,
        }
    }
}

/// A type's name in GoogleSQL, which REST calls otherwise.
pub fn kind_name(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Integer => "INT64",
        FieldType::Float => "FLOAT64",
        FieldType::Boolean => "BOOL",
        FieldType::Record => "STRUCT",
        other => other.name(),
    }
}

impl Typed {
    pub fn new(sql: impl Into<String>, kind: FieldType) -> Self {
        Self { sql: sql.into(), ty: Type::of(kind), literal: Literal::No }
    }

    pub fn null() -> Self {
        let ty = Type::of(FieldType::Integer);
        Self { sql: "NULL".to_owned(), ty, literal: Literal::Null }
    }

    /// Itself for comparing and adding up, which fails for a FLOAT64 that SQLite cannot compare.
    pub fn finite(self) -> Self {
        match (&self.literal, self.ty.is(FieldType::Float)) {
            (Literal::No, true) => Self { sql: format!("bq_finite({})", self.sql), ..self },
            _ => self,
        }
    }

    /// Its text for comparing by size.
    pub fn ordered(&self) -> String {
        format!("{}{}", self.sql, self.collation())
    }

    /// What makes SQLite compare it by size: NUMERIC is kept as digits.
    pub fn collation(&self) -> &'static str {
        match self.ty.kind {
            FieldType::Numeric | FieldType::BigNumeric => " COLLATE bq_numeric",
            _ => "",
        }
    }

    /// Converts it to `to` where BigQuery does that by itself; `None` where it does not.
    pub fn coerced(&self, to: &Type, place: Place) -> Result<Option<Self>, SqlError> {
        let with = |sql: String| Self { sql, ty: to.clone(), literal: Literal::No };
        if self.literal == Literal::Null {
            return Ok(Some(Self { ty: to.clone(), ..self.clone() }));
        }
        if self.ty == *to {
            return Ok(Some(self.clone()));
        }
        if to.repeated || self.ty.repeated {
            return Ok(None);
        }
        use FieldType as F;
        Ok(match (&self.literal, self.ty.kind, to.kind) {
            (Literal::Text(text), F::String, kind) if is_read_from_text(kind) => {
                let cell = convert(Scalar::Text(text), kind).map_err(|_| {
                    let name = kind_name(kind);
                    SqlError::invalid(
                        format!("Could not cast literal \"{text}\" to type {name}"),
                        place,
                    )
                })?;
                cell.as_str().map(|text| with(quoted_text(text)))
            }
            (Literal::Number(text), F::Float, kind @ (F::Numeric | F::BigNumeric)) => {
                let cell = convert(Scalar::Text(text), kind)
                    .map_err(|message| SqlError::invalid(message, place))?;
                cell.as_str().map(|text| with(quoted_text(text)))
            }
            (_, F::Date, F::Datetime) => Some(with(cast_call(&self.sql, F::Date, F::Datetime))),
            _ => match (self.ty.number_rank(), to.number_rank()) {
                (Some(from), Some(rank)) if from < rank => Some(with(match to.kind {
                    F::Float => format!("CAST({} AS REAL)", self.sql),
                    kind => cast_call(&self.sql, self.ty.kind, kind),
                })),
                _ => None,
            },
        })
    }
}

/// The call of the function that converts a value of one type to another.
pub fn cast_call(sql: &str, from: FieldType, to: FieldType) -> String {
    format!("bq_cast({sql}, '{}', '{}', 0)", kind_name(from), kind_name(to))
}

/// Whether a STRING literal becomes this type by itself.
fn is_read_from_text(kind: FieldType) -> bool {
    use FieldType as F;
    matches!(kind, F::Date | F::Datetime | F::Time | F::Timestamp)
}

/// The type to which all of these convert. A literal does not decide unless there are only literals.
pub fn supertype(items: &[&Typed]) -> Option<Type> {
    let known = items.iter().filter(|item| item.literal != Literal::Null);
    let mut firm = known.clone().filter(|item| item.literal == Literal::No).peekable();
    let chosen: Vec<&Type> = match firm.peek() {
        Some(_) => firm.map(|item| &item.ty).collect(),
        None => known.clone().map(|item| &item.ty).collect(),
    };
    let mut best = match chosen.first() {
        Some(first) => (*first).clone(),
        None => return items.first().map(|item| item.ty.clone()),
    };
    for ty in chosen {
        best = wider(&best, ty)?;
    }
    for item in known {
        // A number literal may still widen the type, as in `int_column = 1.5`.
        let widened = match item.coerced(&best, Place::default()) {
            Ok(None) => wider(&best, &item.ty)?,
            Ok(Some(_)) | Err(_) => best.clone(),
        };
        best = widened;
    }
    Some(best)
}

fn wider(one: &Type, other: &Type) -> Option<Type> {
    if one == other {
        return Some(one.clone());
    }
    match (one.number_rank(), other.number_rank()) {
        (Some(left), Some(right)) => Some(if left >= right { one.clone() } else { other.clone() }),
        _ => match (one.kind, other.kind) {
            (FieldType::Date, FieldType::Datetime) => Some(other.clone()),
            (FieldType::Datetime, FieldType::Date) => Some(one.clone()),
            _ => None,
        },
    }
}

/// The type that a statement names.
pub fn named(data_type: &DataType, place: Place) -> Result<Type, SqlError> {
    use DataType as D;
    let kind = match data_type {
        D::String(None) => FieldType::String,
        D::Bytes(None) => FieldType::Bytes,
        D::Int64
        | D::Integer(None)
        | D::Int(None)
        | D::BigInt(None)
        | D::SmallInt(None)
        | D::TinyInt(None) => FieldType::Integer,
        D::Float64 => FieldType::Float,
        D::Bool | D::Boolean => FieldType::Boolean,
        D::Timestamp(None, TimezoneInfo::None) => FieldType::Timestamp,
        D::Date => FieldType::Date,
        D::Datetime(None) => FieldType::Datetime,
        D::Time(None, TimezoneInfo::None) => FieldType::Time,
        D::Numeric(ExactNumberInfo::None) | D::Decimal(ExactNumberInfo::None) => FieldType::Numeric,
        D::BigNumeric(ExactNumberInfo::None) | D::BigDecimal(ExactNumberInfo::None) => {
            FieldType::BigNumeric
        }
        D::JSON => FieldType::Json,
        D::Array(ArrayElemTypeDef::AngleBracket(item)) => {
            let item = named(item, place)?;
            if item.repeated {
                return Err(SqlError::invalid("Arrays of arrays are not supported", place));
            }
            return Ok(Type { repeated: true, ..item });
        }
        other => return Err(SqlError::unimplemented(format!("the type {other}"), place)),
    };
    Ok(Type::of(kind))
}

/// A text literal of SQLite. SQLite's text ends at a NUL, so that is written apart.
pub fn quoted_text(text: &str) -> String {
    let parts: Vec<String> =
        text.split('\0').map(|part| format!("'{}'", part.replace('\'', "''"))).collect();
    match parts.len() {
        1 => parts.concat(),
        _ => format!("({})", parts.join(" || char(0) || ")),
    }
}

/// A value of the store as a literal of SQLite; `None` for arrays and records.
pub fn stored_literal(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Scalar(serde_json::Value::Null) => Some("NULL".to_owned()),
        Cell::Scalar(serde_json::Value::Bool(value)) => Some(i32::from(*value).to_string()),
        Cell::Scalar(serde_json::Value::Number(number)) => Some(number.to_string()),
        Cell::Scalar(serde_json::Value::String(text)) => Some(quoted_text(text)),
        Cell::Json(text) => Some(quoted_text(text.get())),
        Cell::Scalar(_) | Cell::Array(_) | Cell::Record(_) => None,
    }
}
