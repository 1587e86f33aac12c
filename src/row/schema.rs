//! Columns of a table. A column's protobuf field number is its index + 1, at every level.

/// The columns of a table in order: position columns first, then the payload's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    pub columns: Vec<Column>,
}

/// One column, or one field of a RECORD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in BigQuery: letters, digits, underscores; at most 300; case-insensitive.
    pub name: String,
    /// Name in the payload where BigQuery's rules forced another one; equal to `name` otherwise.
    pub source: String,
    pub kind: ColumnType,
    pub mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Nullable,
    Required,
    Repeated,
}

/// BigQuery's type, and beside it the protobuf type that carries it in an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `int64`
    Int64,
    /// `double`
    Float64,
    /// `bool`
    Bool,
    /// `int64`, microseconds since the epoch
    Timestamp,
    /// `int32`, days since the epoch
    Date,
    /// `string`, civil date and time without zone (`2026-11-21 10:00:00.000000`)
    Datetime,
    /// `string`, `HH:MM:SS.ffffff`
    Time,
    /// `string`, decimal digits: 29 before and 9 after the point at most
    Numeric,
    /// `string`, decimal digits: 38 before and 38 after the point at most
    BigNumeric,
    /// `string`, JSON text
    Json,
    /// nested message
    Record(Vec<Column>),
}

impl ColumnType {
    /// The type's name in BigQuery's REST schema.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Int64 => "INTEGER",
            Self::Float64 => "FLOAT",
            Self::Bool => "BOOLEAN",
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
    pub fn nullable(name: &str, kind: ColumnType) -> Self {
        Self { name: name.to_owned(), source: name.to_owned(), kind, mode: Mode::Nullable }
    }
}

impl TableSchema {
    /// The columns every row has: where it came from and by which contract it was read.
    /// Shapes and units: `_kafka_timestamp` and `_ingested_at` in microseconds UTC,
    /// `_kafka_headers` a JSON object of name → text (base64 where not UTF-8).
    pub fn position_columns() -> Vec<Column> {
        use ColumnType::{Bytes, Int64, Json, String, Timestamp};
        vec![
            Column::nullable("_kafka_topic", String),
            Column::nullable("_kafka_partition", Int64),
            Column::nullable("_kafka_offset", Int64),
            Column::nullable("_kafka_timestamp", Timestamp),
            Column::nullable("_kafka_key", Bytes),
            Column::nullable("_kafka_headers", Json),
            Column::nullable("_event_type", String),
            Column::nullable("_ingested_at", Timestamp),
            Column::nullable("_contract", String),
        ]
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name))
    }
}
