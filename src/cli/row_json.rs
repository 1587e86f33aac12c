//! A row's fields as JSON, in the form in which `local rows` prints them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::row::{FieldError, FieldValue, Fields};

/// The columns of a row by name, those without a value too.
pub fn object(fields: Fields<'_>) -> Result<Map<String, Value>, FieldError> {
    let mut values = Vec::new();
    fields.read(&mut values)?;
    let named = fields.columns().iter().zip(values);
    named.map(|(column, value)| Ok((column.name.clone(), json_value(value)?))).collect()
}

fn json_value(value: FieldValue<'_>) -> Result<Value, FieldError> {
    Ok(match value {
        FieldValue::Null => Value::Null,
        FieldValue::String(text)
        | FieldValue::Time(text)
        | FieldValue::Numeric(text)
        | FieldValue::BigNumeric(text) => json!(text),
        FieldValue::Datetime(text) => json!(text.replacen(' ', "T", 1)),
        FieldValue::Bytes(bytes) => json!(STANDARD.encode(bytes)),
        FieldValue::Int64(number) => json!(number),
        FieldValue::Float64(number) => json!(number),
        FieldValue::Bool(value) => json!(value),
        FieldValue::Timestamp(micros) => match Timestamp::from_microsecond(micros) {
            Ok(at) => json!(format!("{at:.6}")),
            Err(_) => json!(micros),
        },
        FieldValue::Date(days) => match day(days) {
            Some(day) => json!(day.to_string()),
            None => json!(days),
        },
        // A JSON column holds the text of a JSON value.
        FieldValue::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        // As in the store, a record has only the fields with a value.
        FieldValue::Record(fields) => {
            let mut fields = object(fields)?;
            fields.retain(|_, value| !value.is_null() && *value != json!([]));
            Value::Object(fields)
        }
        FieldValue::Array(items) => {
            let items = items.into_iter().map(|item| json_value(item?));
            Value::Array(items.collect::<Result<_, FieldError>>()?)
        }
    })
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
    use crate::row::{Column, ColumnType};

    #[test]
    fn days_and_moments_are_written_as_bigquery_writes_them() {
        let columns =
            [Column::nullable("d", ColumnType::Date), Column::nullable("t", ColumnType::Timestamp)];
        // Field 1 is 20,778 days; field 2 is 1,795,219,200,000,001 microseconds.
        let mut row = vec![0x08];
        prost::encoding::encode_varint(20_778, &mut row);
        row.push(0x10);
        prost::encoding::encode_varint(1_795_219_200_000_001, &mut row);
        let object = object(Fields::new(&columns, &row)).expect("a row");
        assert_eq!(object["d"], "2026-11-21");
        assert_eq!(object["t"], "2026-11-21T00:00:00.000001Z");
    }
}
