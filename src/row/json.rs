//! A row's fields as JSON: as `validate` and `local rows` print them, and as one object.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;

use super::{Cell, Column, FieldError, FieldValue, Fields, Mode};

/// The values of a row's columns, in their order.
pub fn cells(fields: Fields<'_>) -> Result<Vec<Cell>, FieldError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    values.into_iter().map(cell).collect()
}

/// A JSON object on one line, of the columns of a row that are `kept` and have a value. An array without
/// items is one: a reader finds each array, and `[]` means the same to it as a missing one to a table.
pub fn object(
    columns: &[Column],
    values: &[FieldValue<'_>],
    kept: impl Fn(usize) -> bool,
) -> Result<String, FieldError> {
    let columns = columns.iter().zip(values).enumerate();
    let kept =
        columns.filter(|(index, _)| kept(*index)).map(|(_, (column, value))| (column, *value));
    Ok(members(kept)?.on_one_line())
}

/// An object of the columns that have a value.
fn members<'c, 'v>(
    columns: impl Iterator<Item = (&'c Column, FieldValue<'v>)>,
) -> Result<Cell, FieldError> {
    let members = columns.filter_map(|(column, value)| match member(column, value) {
        Ok(cell) => Some(Ok((column.name.clone(), cell?))),
        Err(error) => Some(Err(error)),
    });
    members.collect::<Result<_, _>>().map(Cell::Record)
}

/// The value of an object's member; `None` where the object has none.
fn member(column: &Column, value: FieldValue<'_>) -> Result<Option<Cell>, FieldError> {
    Ok(match value {
        FieldValue::Null => (column.mode == Mode::Repeated).then(|| Cell::Array(Vec::new())),
        FieldValue::Record(fields) => Some(record(fields)?),
        FieldValue::Array(items) => {
            let items = items.into_iter().map(|item| match item? {
                FieldValue::Record(fields) => record(fields),
                other => cell(other),
            });
            Some(Cell::Array(items.collect::<Result<_, FieldError>>()?))
        }
        other => Some(cell(other)?),
    })
}

fn record(fields: Fields<'_>) -> Result<Cell, FieldError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    members(fields.columns().iter().zip(values))
}

/// One value as JSON.
pub fn cell(value: FieldValue<'_>) -> Result<Cell, FieldError> {
    Ok(match value {
        FieldValue::Null => Cell::NULL,
        FieldValue::String(text)
        | FieldValue::Time(text)
        | FieldValue::Numeric(text)
        | FieldValue::BigNumeric(text) => Cell::from(text),
        FieldValue::Datetime(text) => Cell::from(text.replacen(' ', "T", 1)),
        FieldValue::Bytes(bytes) => Cell::from(STANDARD.encode(bytes)),
        FieldValue::Int64(number) => Cell::from(number),
        FieldValue::Float64(number) => Cell::from(number),
        FieldValue::Bool(value) => Cell::from(value),
        FieldValue::Timestamp(micros) => match Timestamp::from_microsecond(micros) {
            Ok(at) => Cell::from(format!("{at:.6}")),
            Err(_) => Cell::from(micros),
        },
        FieldValue::Date(days) => match day(days) {
            Some(day) => Cell::from(day.to_string()),
            None => Cell::from(days),
        },
        // A JSON column holds the text of a JSON value.
        FieldValue::Json(text) => Cell::json(text).unwrap_or_else(|_| Cell::from(text)),
        // As in the store, a record has only the fields with a value.
        FieldValue::Record(fields) => {
            let names = fields.columns().iter().map(|column| column.name.clone());
            let named = names.zip(cells(fields)?).filter(|(_, cell)| !is_absent(cell));
            Cell::Record(named.collect())
        }
        FieldValue::Array(items) => {
            let items = items.into_iter().map(|item| cell(item?));
            Cell::Array(items.collect::<Result<_, FieldError>>()?)
        }
    })
}

/// Whether the row has nothing for this column; the JSON value `null` is something.
fn is_absent(cell: &Cell) -> bool {
    match cell {
        Cell::Scalar(value) => value.is_null(),
        Cell::Array(items) => items.is_empty(),
        Cell::Json(_) | Cell::Record(_) => false,
    }
}

/// The day so many days after 1970-01-01.
fn day(days: i32) -> Option<Date> {
    let seconds = i64::from(days).checked_mul(86_400)?;
    let at = Timestamp::from_second(seconds).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ColumnType;

    #[test]
    fn days_and_moments_are_written_as_bigquery_writes_them() {
        let columns =
            [Column::nullable("d", ColumnType::Date), Column::nullable("t", ColumnType::Timestamp)];
        // Field 1 is 20,778 days; field 2 is 1,795,219,200,000,001 microseconds.
        let mut row = vec![0x08];
        prost::encoding::encode_varint(20_778, &mut row);
        row.push(0x10);
        prost::encoding::encode_varint(1_795_219_200_000_001, &mut row);
        let cells = cells(Fields::new(&columns, &row)).expect("a row");
        assert_eq!(cells[0].as_str(), Some("2026-11-21"));
        assert_eq!(cells[1].as_str(), Some("2026-11-21T00:00:00.000001Z"));
    }
}
