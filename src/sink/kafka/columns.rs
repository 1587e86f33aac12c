//! What becomes the members of a message's JSON object, and its key.

use crate::row::{Column, ColumnRules, ColumnType, Mode, TableSchema};

/// The rules by which a contract's fields become members: they keep their names.
pub const COLUMN_RULES: ColumnRules = ColumnRules {
    name: str::to_owned,
    longest_name: 1 << 16,
    most_columns: 10_000,
    deepest_record: 15,
};

/// The largest row in bytes. The topic takes far less by default, and what it takes decides.
pub const LARGEST_ROW: usize = 64 << 20;

/// Why a field cannot be the key of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("rows have no field {0}")]
    NoField(String),
    #[error("{field} is a {kind} field, and a key is one value")]
    Type { field: String, kind: &'static str },
}

/// The indices of the columns that lead to the field of a key, from the outermost record inwards.
pub fn key_path(schema: &TableSchema, key: &[String]) -> Result<Vec<usize>, KeyError> {
    let (mut columns, mut path, mut found) = (&schema.columns[..], Vec::new(), None);
    for name in key {
        let no_field = || KeyError::NoField(format!("/{}", key.join("/")));
        let index = columns.iter().position(|column| column.name == *name).ok_or_else(no_field)?;
        let column = &columns[index];
        path.push(index);
        columns = match &column.kind {
            ColumnType::Record(fields) if column.mode != Mode::Repeated => fields,
            _ => &[],
        };
        found = Some(column);
    }
    match found {
        Some(column) if is_one_value(column) => Ok(path),
        Some(Column { name, mode: Mode::Repeated, .. }) => {
            Err(KeyError::Type { field: name.clone(), kind: "repeated" })
        }
        Some(Column { name, kind, .. }) => {
            Err(KeyError::Type { field: name.clone(), kind: kind.name() })
        }
        None => Err(KeyError::NoField("/".to_owned())),
    }
}

fn is_one_value(column: &Column) -> bool {
    column.mode != Mode::Repeated
        && !matches!(column.kind, ColumnType::Record(_) | ColumnType::Json)
}

/// The index of each column that is a member of the JSON object: all but the position columns, which
/// are headers, key and timestamp.
pub(super) fn members(schema: &TableSchema) -> Vec<bool> {
    let positions = TableSchema::position_columns();
    let is_position = |column: &Column| positions.iter().any(|one| one.name == column.name);
    schema.columns.iter().map(|column| !is_position(column)).collect()
}
