//! The logical size of rows, by which BigQuery counts bytes.

use super::super::field_schema::{FieldSchema, FieldType};
use crate::row::Cell;

/// The logical size of a row in bytes, as BigQuery's documentation of data types gives it. NULL has
/// none.
pub fn logical_bytes(row: &[Option<Cell>], columns: &[FieldSchema]) -> u64 {
    let cells = row.iter().zip(columns);
    cells.map(|(cell, column)| cell.as_ref().map_or(0, |cell| cell_bytes(cell, column))).sum()
}

fn cell_bytes(cell: &Cell, column: &FieldSchema) -> u64 {
    match cell {
        Cell::Array(items) => items.iter().map(|item| cell_bytes(item, column)).sum(),
        Cell::Record(fields) => {
            let fields = fields.iter().filter_map(|(name, cell)| {
                let column = column.fields.iter().find(|field| field.name == *name)?;
                Some(cell_bytes(cell, column))
            });
            fields.sum()
        }
        Cell::Json(text) => text.get().len() as u64,
        Cell::Scalar(value) if value.is_null() => 0,
        Cell::Scalar(value) => {
            let text = value.as_str().unwrap_or_default();
            match column.kind {
                FieldType::String | FieldType::Geography => 2 + text.len() as u64,
                // The text is base64: three bytes in four characters, and `=` for missing ones.
                FieldType::Bytes => {
                    let missing = text.bytes().rev().take_while(|byte| *byte == b'=').count();
                    2 + (text.len() / 4 * 3).saturating_sub(missing) as u64
                }
                FieldType::Boolean => 1,
                FieldType::Numeric => 16,
                FieldType::BigNumeric => 32,
                FieldType::Integer
                | FieldType::Float
                | FieldType::Timestamp
                | FieldType::Date
                | FieldType::Datetime
                | FieldType::Time => 8,
                // Both have other forms than a scalar.
                FieldType::Json | FieldType::Record => 0,
            }
        }
    }
}
