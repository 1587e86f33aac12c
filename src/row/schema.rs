//! The columns of a table, named and typed without regard to the sink that stores them.
//!
//! A row is a protobuf message of these columns: a column's field number is its index + 1, at
//! every level of nesting.

use std::ops::Range;

/// The columns of a table, in order: the position columns, then those of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    pub columns: Vec<Column>,
}

/// One column, or one field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name in the table. No two columns of a table, or fields of a record, have names that
    /// differ only in case.
    pub name: String,
    /// The field's name in the payload. It differs from `name` where the sink does not accept it.
    pub source: String,
    pub kind: ColumnType,
    pub mode: Mode,
    /// Every row has a value for the column, though its mode may be nullable. So a table in which
    /// the column is REQUIRED can stay as it is.
    pub required: bool,
}

/// How many values a column has in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At most one.
    Nullable,
    /// Exactly one.
    Required,
    /// Any number: an array, which contains neither NULLs nor other arrays.
    Repeated,
}

/// What a column's values are, and the protobuf type that carries them in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// Text: `string`.
    String,
    /// Bytes: `bytes`.
    Bytes,
    /// A signed integer of 64 bits: `int64`.
    Int64,
    /// A floating-point number of 64 bits, finite: `double`.
    Float64,
    /// `bool`.
    Bool,
    /// A point in time: `int64`, microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp,
    /// A calendar day: `int32`, days since 1970-01-01.
    Date,
    /// A date and time of day without a time zone: `string`, `2026-11-21 10:00:00.000000`.
    Datetime,
    /// A time of day without a time zone: `string`, `10:00:00.000000`.
    Time,
    /// A decimal number: `string`, at most 29 digits before the point and 9 after it.
    Numeric,
    /// A decimal number: `string`, at most 38 digits before the point and 38 after it.
    BigNumeric,
    /// Any JSON value: `string`, its text.
    Json,
    /// Fields of their own: a nested message.
    Record(Vec<Column>),
}

/// What a sink demands of the columns of its tables.
#[derive(Debug, Clone, Copy)]
pub struct ColumnRules {
    /// Turns the name of a payload field into the name of its column.
    pub name: fn(&str) -> String,
    /// The most characters of a name.
    pub longest_name: usize,
    /// The most columns that a table may have, with the fields of all records.
    pub most_columns: usize,
    /// How deep records may nest. An object below that depth becomes a JSON column.
    pub deepest_record: usize,
}

/// A name of at most so many bytes that is neither empty nor reserved: such a one gets `f_` in front.
pub fn fitting_name(mut name: String, reserved: &[&str], longest: usize) -> String {
    if name.is_empty() || reserved.contains(&name.as_str()) {
        name.insert_str(0, "f_");
    }
    let mut end = name.len().min(longest);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl ColumnType {
    /// What a `Date` may be: days since 1970-01-01, of the years 1 to 9999.
    pub const DATES: Range<i64> = -719_162..2_932_897;
    /// What a `Timestamp` may be: microseconds since 1970-01-01 UTC, of the same days.
    pub const TIMESTAMPS: Range<i64> =
        Self::DATES.start * MICROS_PER_DAY..Self::DATES.end * MICROS_PER_DAY;

    /// The type's name in messages. A sink has its own names for its tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Int64 => "INT64",
            Self::Float64 => "FLOAT64",
            Self::Bool => "BOOL",
            Self::Timestamp => "TIMESTAMP",
            Self::Date => "DATE",
            Self::Datetime => "DATETIME",
            Self::Time => "TIME",
            Self::Numeric => "NUMERIC",
            Self::BigNumeric => "BIGNUMERIC",
            Self::Json => "JSON",
            Self::Record(_) => "RECORD",
        }
    }
}

impl Column {
    /// A nullable column whose payload field has the same name.
    pub fn nullable(name: &str, kind: ColumnType) -> Self {
        let (name, source) = (name.to_owned(), name.to_owned());
        Self { name, source, kind, mode: Mode::Nullable, required: false }
    }

    fn renamed(&self, field: &str, column: &str, renamed: &mut Vec<(String, String)>) {
        let (field, column) = (format!("{field}{}", self.source), format!("{column}{}", self.name));
        if let ColumnType::Record(fields) = &self.kind {
            let (field, column) = (format!("{field}."), format!("{column}."));
            fields.iter().for_each(|inner| inner.renamed(&field, &column, renamed));
        }
        if self.source != self.name {
            renamed.push((field, column));
        }
    }
}

/// The position columns that have a value in every row.
const ALWAYS_FILLED: &[&str] = &[
    "_kafka_topic",
    "_kafka_partition",
    "_kafka_offset",
    "_event_type",
    "_ingested_at",
    "_contract",
];

impl TableSchema {
    /// The columns that every row has: where the record stood in Kafka, its event type, when it
    /// was read and by which contract. `_kafka_headers` is a JSON object of header name → text, or
    /// `{"base64": …}` for a header that is not UTF-8.
    pub fn position_columns() -> Vec<Column> {
        use ColumnType::{Bytes, Int64, Json, String, Timestamp};
        let columns = vec![
            Column::nullable("_kafka_topic", String),
            Column::nullable("_kafka_partition", Int64),
            Column::nullable("_kafka_offset", Int64),
            Column::nullable("_kafka_previous", Int64),
            Column::nullable("_kafka_timestamp", Timestamp),
            Column::nullable("_kafka_key", Bytes),
            Column::nullable("_kafka_headers", Json),
            Column::nullable("_event_type", String),
            Column::nullable("_ingested_at", Timestamp),
            Column::nullable("_contract", String),
        ];
        let filled = |column: Column| {
            let required = ALWAYS_FILLED.contains(&column.name.as_str());
            Column { required, ..column }
        };
        columns.into_iter().map(filled).collect()
    }

    /// The columns of the payload's fields, with their indices: all but the position columns and
    /// `_extra`. A field may have the name of one of those; its column has another.
    pub fn payload_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        let positions = Self::position_columns();
        self.columns.iter().enumerate().filter(move |(_, column)| {
            let is = |name: &str| column.name.eq_ignore_ascii_case(name);
            !is("_extra") && !positions.iter().any(|position| is(&position.name))
        })
    }

    /// The fields whose columns have another name: for each the path of the field and that of its
    /// column, fields of records separated by dots.
    pub fn renamed(&self) -> Vec<(String, String)> {
        let mut renamed = Vec::new();
        self.payload_columns().for_each(|(_, column)| column.renamed("", "", &mut renamed));
        renamed
    }

    /// The column of this name, in any case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name))
    }
}
