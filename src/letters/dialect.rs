//! What the SQL of BigQuery and of PostgreSQL differ in.

use crate::sink::bigquery::batch;
use crate::sink::postgres::batch::{text, timestamp};

/// What the two differ in.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The microseconds since the epoch of a column.
    pub micros: fn(&str) -> String,
    /// A text as a literal.
    pub text: fn(&str) -> String,
    /// A time, in microseconds since the epoch, as a literal.
    pub time: fn(i64) -> String,
}

pub const BIGQUERY: Dialect = Dialect {
    micros: |column| format!("UNIX_MICROS({column})"),
    text: batch::text,
    time: batch::timestamp,
};

pub const POSTGRES: Dialect = Dialect {
    micros: |column| format!("(extract(epoch FROM {column}) * 1000000)::bigint"),
    text,
    time: timestamp,
};
