//! Reading a row's fields back, column by column.
//!
//! [`Fields::read`] goes over the bytes of a row once and gives one value for each column, in the
//! order of the columns; in the row, fields stand in the order of the payload. Text and bytes are
//! borrowed from the row. Nested records and the items of arrays are read only when asked for.
//!
//! Only rows as this program writes them are read; protobuf allows more, and the rest is an error:
//! a column stands in a row at most once, the items of an array follow one another, and every item
//! has its own key (no packed scalars).

use super::schema::{Column, ColumnType, Mode};
use super::wire::{RawValue, Wire, WireError};

/// The fields of a row, or of a record in it.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'r> {
    columns: &'r [Column],
    bytes: &'r [u8],
}

/// What a column holds in a row, or one item of an array. The variants are those of
/// [`ColumnType`], which says what the values mean.
#[derive(Debug, Clone, Copy)]
pub enum FieldValue<'r> {
    /// The column has no value in this row.
    Null,
    String(&'r str),
    Bytes(&'r [u8]),
    Int64(i64),
    Float64(f64),
    Bool(bool),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
    Datetime(&'r str),
    Time(&'r str),
    Numeric(&'r str),
    BigNumeric(&'r str),
    Json(&'r str),
    Record(Fields<'r>),
    /// A repeated column. It is never NULL: a row does not tell an empty array from none.
    Array(Items<'r>),
}

/// The items of an array, each decoded when the iterator comes to it.
#[derive(Debug, Clone, Copy)]
pub struct Items<'r> {
    column: &'r Column,
    /// Begins with the array's items; what follows them is not part of the array.
    wire: Wire<'r>,
    len: usize,
}

/// Iterator over the items of an array. It ends after the first error.
#[derive(Debug, Clone)]
pub struct ItemsIter<'r>(Items<'r>);

/// Why bytes are not a row of these columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("field {number} belongs to no column: there are {columns}")]
    NoColumn { number: u64, columns: usize },
    #[error("column {column} stands in two places of the row")]
    Twice { column: String },
    #[error("column {column}: the field is not encoded as {expected} is")]
    Encoding { column: String, expected: &'static str },
    #[error("column {column}: the text is not UTF-8")]
    NotUtf8 { column: String },
    #[error("column {column}: {days} days do not fit a date")]
    Date { column: String, days: i64 },
}

impl<'r> Fields<'r> {
    /// `bytes` is one encoded row of these columns.
    pub fn new(columns: &'r [Column], bytes: &'r [u8]) -> Self {
        Self { columns, bytes }
    }

    /// The columns, in the order of the values that [`Self::read`] appends.
    pub fn columns(self) -> &'r [Column] {
        self.columns
    }

    /// Appends one value for each column to `values`; on an error `values` stays as it was.
    ///
    /// Since it appends, one `Vec` serves all rows of a buffer and, as a stack, all records nested
    /// in them: note its length, read a record, use the values behind that length, truncate.
    pub fn read(self, values: &mut Vec<FieldValue<'r>>) -> Result<(), FieldError> {
        let before = values.len();
        values.extend(self.columns.iter().map(FieldValue::absent));
        let read = self.fill(&mut values[before..]);
        if read.is_err() {
            values.truncate(before);
        }
        read
    }

    /// The value of the column for this field; `None` where there is no such column, or no row.
    pub fn named(self, source: &str) -> Option<FieldValue<'r>> {
        let index = self.columns.iter().position(|column| column.source == source)?;
        let mut values = Vec::new();
        self.read(&mut values).ok()?;
        values.get(index).copied()
    }

    /// Replaces the value of every column that the row has; `values` has one for each column.
    fn fill(self, values: &mut [FieldValue<'r>]) -> Result<(), FieldError> {
        let mut wire = Wire::new(self.bytes);
        let mut previous = None;
        loop {
            let here = wire;
            let Some((number, raw)) = wire.field()? else { return Ok(()) };
            let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let found =
                index.and_then(|index| Some((self.columns.get(index)?, values.get_mut(index)?)));
            let Some((column, value)) = found else {
                return Err(FieldError::NoColumn { number, columns: self.columns.len() });
            };
            match value {
                FieldValue::Null => *value = FieldValue::of(column, raw)?,
                FieldValue::Array(items) if items.len == 0 => {
                    *items = Items { column, wire: here, len: 1 };
                }
                FieldValue::Array(items) if previous == index => items.len += 1,
                _ => return Err(FieldError::Twice { column: column.name.clone() }),
            }
            previous = index;
        }
    }
}

impl<'r> FieldValue<'r> {
    /// The value of a column that does not stand in the row.
    fn absent(column: &'r Column) -> Self {
        match column.mode {
            Mode::Nullable | Mode::Required => Self::Null,
            Mode::Repeated => Self::Array(Items { column, wire: Wire::new(&[]), len: 0 }),
        }
    }

    /// One value of the column: the whole value, or an item of its array.
    #[inline]
    fn of(column: &'r Column, raw: RawValue<'r>) -> Result<Self, FieldError> {
        let unexpected =
            || FieldError::Encoding { column: column.name.clone(), expected: column.kind.name() };
        let varint = || match raw {
            RawValue::Varint(value) => Ok(value as i64),
            RawValue::Fixed64(_) | RawValue::Delimited(_) => Err(unexpected()),
        };
        let delimited = || match raw {
            RawValue::Delimited(bytes) => Ok(bytes),
            RawValue::Varint(_) | RawValue::Fixed64(_) => Err(unexpected()),
        };
        let text = || {
            std::str::from_utf8(delimited()?)
                .map_err(|_| FieldError::NotUtf8 { column: column.name.clone() })
        };
        Ok(match &column.kind {
            ColumnType::String => Self::String(text()?),
            ColumnType::Bytes => Self::Bytes(delimited()?),
            ColumnType::Int64 => Self::Int64(varint()?),
            ColumnType::Float64 => match raw {
                RawValue::Fixed64(bits) => Self::Float64(f64::from_bits(bits)),
                RawValue::Varint(_) | RawValue::Delimited(_) => return Err(unexpected()),
            },
            ColumnType::Bool => Self::Bool(varint()? != 0),
            ColumnType::Timestamp => Self::Timestamp(varint()?),
            ColumnType::Date => {
                let days = varint()?;
                let column = &column.name;
                Self::Date(
                    i32::try_from(days)
                        .map_err(|_| FieldError::Date { column: column.clone(), days })?,
                )
            }
            ColumnType::Datetime => Self::Datetime(text()?),
            ColumnType::Time => Self::Time(text()?),
            ColumnType::Numeric => Self::Numeric(text()?),
            ColumnType::BigNumeric => Self::BigNumeric(text()?),
            ColumnType::Json => Self::Json(text()?),
            ColumnType::Record(fields) => Self::Record(Fields::new(fields, delimited()?)),
        })
    }
}

impl Items<'_> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'r> IntoIterator for Items<'r> {
    type Item = Result<FieldValue<'r>, FieldError>;
    type IntoIter = ItemsIter<'r>;

    fn into_iter(self) -> ItemsIter<'r> {
        ItemsIter(self)
    }
}

impl<'r> Iterator for ItemsIter<'r> {
    type Item = Result<FieldValue<'r>, FieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        let items = &mut self.0;
        items.len = items.len.checked_sub(1)?;
        let item = match items.wire.field() {
            Ok(Some((_, raw))) => FieldValue::of(items.column, raw),
            Ok(None) => Err(WireError::Truncated.into()),
            Err(error) => Err(error.into()),
        };
        if item.is_err() {
            items.len = 0;
        }
        Some(item)
    }
}
