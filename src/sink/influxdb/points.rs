//! Rows as points of one measurement.

use super::layout::{Layout, LayoutProblem, PARTITION, TOPIC, inner};
use super::line;
use super::lines::{Lines, Origin};
use super::value::{self, ValueError};
use crate::config::PointRules;
use crate::record::Position;
use crate::row::{Column, FieldError, FieldValue, Fields, RowBuffer, TableSchema};

/// Nanoseconds that a server takes as a time: all but the ends of 64 bits, from 1677 to 2262.
const TIMES: std::ops::RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;
/// Microseconds, and nanoseconds, in a millisecond.
const MICROS: i64 = 1_000;
const NANOS: i64 = 1_000_000;

/// How rows become points.
#[derive(Debug)]
pub struct Points {
    /// The beginning of every line, up to the number of the partition.
    prefix: Vec<u8>,
    columns: TableSchema,
    layout: Layout,
}

/// Where the time of a point comes from, in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOf {
    Row,
    /// This one where the row has none, or none that the server takes.
    RowOr(i64),
    Always(i64),
}

/// Why a row cannot be written as a point. The text names the column, and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    #[error("{column}: {source}")]
    Value { column: String, source: ValueError },
    #[error("{column}, which is the time, has no value")]
    NoTime { column: String },
    #[error("{column}, which is the time, is not between the years 1677 and 2262")]
    TimeOutOfRange { column: String },
    #[error(transparent)]
    Row(#[from] FieldError),
}

/// Memory that is used for row after row.
#[derive(Default)]
struct Scratch<'r> {
    stack: Vec<FieldValue<'r>>,
    leaves: Vec<FieldValue<'r>>,
}

impl Points {
    /// Points of this measurement for rows with these columns.
    pub fn new(
        (measurement, topic): (&str, &str),
        columns: TableSchema,
        rules: &PointRules,
    ) -> Result<Self, Vec<LayoutProblem>> {
        let layout = Layout::new(&columns, rules)?;
        let mut prefix = line::measurement(measurement);
        prefix.extend_from_slice(format!(",{TOPIC}={topic},{PARTITION}=").as_bytes());
        Ok(Self { prefix, columns, layout })
    }

    pub fn columns(&self) -> &TableSchema {
        &self.columns
    }

    /// Appends a line for each row of a batch. Returns the rows that cannot be points.
    pub fn append(
        &self,
        batch: usize,
        rows: &RowBuffer,
        time: TimeOf,
        to: &mut Lines,
    ) -> Vec<(Origin, PointError)> {
        let mut scratch = Scratch::default();
        let mut failed = Vec::new();
        for (row, (at, bytes)) in rows.rows().enumerate() {
            let origin = Origin { batch, row };
            let written = to.push(origin, |to| self.line(at, bytes, (time, &mut scratch), to));
            if let Err(error) = written {
                failed.push((origin, error));
            }
        }
        failed
    }

    /// Writes one line, without the line break at its end.
    fn line<'r>(
        &'r self,
        at: Position,
        row: &'r [u8],
        (time, scratch): (TimeOf, &mut Scratch<'r>),
        to: &mut Vec<u8>,
    ) -> Result<(), PointError> {
        let Scratch { stack, leaves } = scratch;
        stack.clear();
        leaves.clear();
        let fields = Some(Fields::new(&self.columns.columns, row));
        gather(&self.columns.columns, fields, stack, leaves)?;
        let nanos = self.nanos(at, leaves[self.layout.time], time)?;
        to.extend_from_slice(&self.prefix);
        line::number(at.partition.0.into(), to);
        for (place, key) in &self.layout.tags {
            let before = to.len();
            begin(b',', key, to);
            match value::tag(leaves[*place], to) {
                Ok(true) => {}
                Ok(false) => to.truncate(before),
                Err(source) => return Err(failed(key, source)),
            }
        }
        let mut separator = b' ';
        for (place, key) in &self.layout.fields {
            let before = to.len();
            begin(separator, key, to);
            match value::field(leaves[*place], to) {
                Ok(true) => separator = b',',
                Ok(false) => to.truncate(before),
                Err(source) => return Err(failed(key, source)),
            }
        }
        to.push(b' ');
        line::number(nanos, to);
        Ok(())
    }

    /// The point's time: the milliseconds of its own, and the offset in place of what is smaller.
    fn nanos(&self, at: Position, value: FieldValue<'_>, time: TimeOf) -> Result<i64, PointError> {
        let column = || self.layout.time_name.clone();
        let of_row = || {
            let micros = value::micros(value)
                .map_err(|source| PointError::Value { column: column(), source })?
                .ok_or_else(|| PointError::NoTime { column: column() })?;
            nanos(micros, at).ok_or_else(|| PointError::TimeOutOfRange { column: column() })
        };
        let given = |micros| {
            nanos(micros, at).ok_or_else(|| PointError::TimeOutOfRange { column: column() })
        };
        match time {
            TimeOf::Row => of_row(),
            TimeOf::RowOr(micros) => of_row().or_else(|_| given(micros)),
            TimeOf::Always(micros) => given(micros),
        }
    }
}

/// `None`: a server does not take the time.
fn nanos(micros: i64, at: Position) -> Option<i64> {
    let nanos =
        micros.div_euclid(MICROS).checked_mul(NANOS)?.checked_add(at.offset.0.rem_euclid(NANOS))?;
    TIMES.contains(&nanos).then_some(nanos)
}

fn begin(separator: u8, key: &[u8], to: &mut Vec<u8>) {
    to.push(separator);
    to.extend_from_slice(key);
    to.push(b'=');
}

fn failed(key: &[u8], source: ValueError) -> PointError {
    PointError::Value { column: String::from_utf8_lossy(key).into_owned(), source }
}

/// Appends the values of all leaves below these columns; of a record that has no value, as many
/// without one.
fn gather<'r>(
    columns: &'r [Column],
    fields: Option<Fields<'r>>,
    stack: &mut Vec<FieldValue<'r>>,
    leaves: &mut Vec<FieldValue<'r>>,
) -> Result<(), FieldError> {
    let base = stack.len();
    if let Some(fields) = fields {
        fields.read(stack)?;
    }
    for (index, column) in columns.iter().enumerate() {
        let value = stack.get(base + index).copied().unwrap_or(FieldValue::Null);
        match (inner(column), value) {
            (Some(columns), FieldValue::Record(fields)) => {
                gather(columns, Some(fields), stack, leaves)?;
            }
            (Some(columns), _) => gather(columns, None, stack, leaves)?,
            (None, value) => leaves.push(value),
        }
    }
    stack.truncate(base);
    Ok(())
}
