//! A row's value in the binary form of a PostgreSQL type.

use bytes::{BufMut, BytesMut};
use jiff::civil::{Date, DateTime, Time};
use tokio_postgres::types::{Kind, Type};

use super::numeric;
use crate::row::{Column, ColumnType, FieldError, FieldValue, Items, Mode};

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's times begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;

/// How a column's values are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    One(Scalar),
    /// An array in one dimension.
    Array {
        item: Scalar,
        oid: u32,
    },
    /// One JSON array of the items.
    JsonArray(Scalar),
}

/// The form of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Bytea,
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    /// With a time zone or without: in UTC.
    Timestamp,
    Date,
    Time,
    /// The text of a JSON value.
    Json,
    Jsonb,
}

/// Why a value cannot be written. The text names neither the value nor the column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CellError {
    #[error("the number does not fit {0}")]
    OutOfRange(&'static str),
    #[error("the value is no {0}")]
    NotA(&'static str),
    #[error(transparent)]
    Row(#[from] FieldError),
}

impl Encoding {
    /// How this column's values are written to a column of the type that the live table has; `None`
    /// where they do not fit it.
    pub fn of(column: &Column, live: &Type) -> Option<Self> {
        if column.mode != Mode::Repeated {
            return Scalar::of(&column.kind, live).map(Self::One);
        }
        match (&column.kind, live.kind()) {
            (ColumnType::Json, _) if *live == Type::JSONB => Some(Self::JsonArray(Scalar::Jsonb)),
            (ColumnType::Json, _) if *live == Type::JSON => Some(Self::JsonArray(Scalar::Json)),
            (kind, Kind::Array(item)) => {
                let oid = item.oid();
                Scalar::of(kind, item).map(|item| Self::Array { item, oid })
            }
            _ => None,
        }
    }

    /// Appends the value with its length, as COPY has it. NULL, and an array without items, which a
    /// row does not tell from none, have the length -1.
    pub fn append(&self, value: FieldValue<'_>, to: &mut BytesMut) -> Result<(), CellError> {
        match (self, value) {
            (_, FieldValue::Null) => to.put_i32(-1),
            (_, FieldValue::Array(items)) if items.is_empty() => to.put_i32(-1),
            (Self::One(scalar), value) => scalar.append(value, to)?,
            (Self::Array { item, oid }, FieldValue::Array(items)) => {
                let start = begin(to);
                // One dimension without NULLs; its items count from 1.
                to.put_i32(1);
                to.put_i32(0);
                to.put_u32(*oid);
                to.put_i32(length(items.len())?);
                to.put_i32(1);
                for value in items {
                    item.append(value?, to)?;
                }
                end(start, to)?;
            }
            (Self::JsonArray(json), FieldValue::Array(items)) => json_array(*json, items, to)?,
            (Self::Array { .. } | Self::JsonArray(_), _) => return Err(CellError::NotA("array")),
        }
        Ok(())
    }
}

impl Scalar {
    fn of(kind: &ColumnType, live: &Type) -> Option<Self> {
        let is = |types: &[Type]| types.contains(live);
        match kind {
            ColumnType::String => {
                is(&[Type::TEXT, Type::VARCHAR, Type::BPCHAR]).then_some(Self::Text)
            }
            ColumnType::Bytes => is(&[Type::BYTEA]).then_some(Self::Bytea),
            ColumnType::Bool => is(&[Type::BOOL]).then_some(Self::Bool),
            ColumnType::Int64 => [
                (Type::INT8, Self::Int8),
                (Type::INT4, Self::Int4),
                (Type::INT2, Self::Int2),
                (Type::NUMERIC, Self::Numeric),
            ]
            .into_iter()
            .find_map(|(one, scalar)| (one == *live).then_some(scalar)),
            ColumnType::Float64 => [(Type::FLOAT8, Self::Float8), (Type::FLOAT4, Self::Float4)]
                .into_iter()
                .find_map(|(one, scalar)| (one == *live).then_some(scalar)),
            ColumnType::Timestamp => {
                is(&[Type::TIMESTAMPTZ, Type::TIMESTAMP]).then_some(Self::Timestamp)
            }
            ColumnType::Datetime => is(&[Type::TIMESTAMP]).then_some(Self::Timestamp),
            ColumnType::Date => is(&[Type::DATE]).then_some(Self::Date),
            ColumnType::Time => is(&[Type::TIME]).then_some(Self::Time),
            ColumnType::Numeric | ColumnType::BigNumeric => {
                is(&[Type::NUMERIC]).then_some(Self::Numeric)
            }
            ColumnType::Json => [(Type::JSONB, Self::Jsonb), (Type::JSON, Self::Json)]
                .into_iter()
                .find_map(|(one, scalar)| (one == *live).then_some(scalar)),
            ColumnType::Record(_) => None,
        }
    }

    /// Appends the value with its length.
    fn append(self, value: FieldValue<'_>, to: &mut BytesMut) -> Result<(), CellError> {
        use FieldValue as V;
        match (self, value) {
            (Self::Text, V::String(text)) | (Self::Json, V::Json(text)) => {
                bytes(text.as_bytes(), to)?;
            }
            (Self::Bytea, V::Bytes(value)) => bytes(value, to)?,
            (Self::Jsonb, V::Json(text)) => {
                to.put_i32(length(text.len() + 1)?);
                to.put_u8(JSONB_VERSION);
                to.put_slice(text.as_bytes());
            }
            (Self::Bool, V::Bool(value)) => {
                to.put_i32(1);
                to.put_u8(u8::from(value));
            }
            (Self::Int2, V::Int64(value)) => {
                let value = i16::try_from(value).map_err(|_| CellError::OutOfRange("smallint"))?;
                to.put_i32(2);
                to.put_i16(value);
            }
            (Self::Int4, V::Int64(value)) => {
                let value = i32::try_from(value).map_err(|_| CellError::OutOfRange("integer"))?;
                to.put_i32(4);
                to.put_i32(value);
            }
            (Self::Int8, V::Int64(value)) => long(value, to),
            (Self::Float8, V::Float64(value)) => {
                to.put_i32(8);
                to.put_f64(value);
            }
            (Self::Float4, V::Float64(value)) => {
                let narrow = value as f32;
                if !narrow.is_finite() {
                    return Err(CellError::OutOfRange("real"));
                }
                to.put_i32(4);
                to.put_f32(narrow);
            }
            (Self::Numeric, V::Int64(value)) => decimal(&value.to_string(), to)?,
            (Self::Numeric, V::Numeric(text) | V::BigNumeric(text)) => decimal(text, to)?,
            (Self::Timestamp, V::Timestamp(micros)) => long(micros - EPOCH_MICROS, to),
            (Self::Timestamp, V::Datetime(text)) => long(datetime(text)?, to),
            (Self::Date, V::Date(days)) => {
                to.put_i32(4);
                to.put_i32(days - EPOCH_DAYS);
            }
            (Self::Time, V::Time(text)) => long(time_of_day(text)?, to),
            (scalar, _) => return Err(CellError::NotA(scalar.name())),
        }
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytea => "bytea",
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
        }
    }
}

/// The first byte of a `jsonb` value in binary form.
const JSONB_VERSION: u8 = 1;

fn json_array(json: Scalar, items: Items<'_>, to: &mut BytesMut) -> Result<(), CellError> {
    let start = begin(to);
    if json == Scalar::Jsonb {
        to.put_u8(JSONB_VERSION);
    }
    let mut separator = b'[';
    for item in items {
        to.put_u8(separator);
        separator = b',';
        match item? {
            FieldValue::Json(text) => to.put_slice(text.as_bytes()),
            _ => return Err(CellError::NotA("json")),
        }
    }
    to.put_u8(b']');
    end(start, to)
}

/// Leaves room for a length, and returns where.
fn begin(to: &mut BytesMut) -> usize {
    to.put_i32(0);
    to.len()
}

/// Writes the length of what was appended since [`begin`].
fn end(start: usize, to: &mut BytesMut) -> Result<(), CellError> {
    let length = length(to.len() - start)?;
    to[start - 4..start].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn length(bytes: usize) -> Result<i32, CellError> {
    i32::try_from(bytes).map_err(|_| CellError::OutOfRange("a value of 2 GB"))
}

fn bytes(value: &[u8], to: &mut BytesMut) -> Result<(), CellError> {
    to.put_i32(length(value.len())?);
    to.put_slice(value);
    Ok(())
}

fn long(value: i64, to: &mut BytesMut) {
    to.put_i32(8);
    to.put_i64(value);
}

fn decimal(text: &str, to: &mut BytesMut) -> Result<(), CellError> {
    let start = begin(to);
    match numeric::append(text, to) {
        true => end(start, to),
        false => Err(CellError::NotA("numeric")),
    }
}

/// Microseconds since 2000-01-01 00:00:00.
fn datetime(text: &str) -> Result<i64, CellError> {
    let not_a = |_| CellError::NotA("timestamp");
    let at: DateTime = text.parse().map_err(not_a)?;
    let epoch = Date::constant(2000, 1, 1).to_datetime(Time::midnight());
    i64::try_from(at.duration_since(epoch).as_micros())
        .map_err(|_| CellError::OutOfRange("timestamp"))
}

/// Microseconds since midnight.
fn time_of_day(text: &str) -> Result<i64, CellError> {
    let at: Time = text.parse().map_err(|_| CellError::NotA("time"))?;
    i64::try_from(at.duration_since(Time::midnight()).as_micros())
        .map_err(|_| CellError::OutOfRange("time"))
}
