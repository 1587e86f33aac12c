//! What PostgreSQL demands of a table's columns: names, types and limits, and the column of time.

use crate::config::PostgresTable;
use crate::row::{Column, ColumnRules, ColumnType, Mode, TableSchema, fitting_name};

/// The rules by which a contract's fields become columns of a PostgreSQL table. Objects become
/// `jsonb`, with all that is in them.
pub const COLUMN_RULES: ColumnRules =
    ColumnRules { name: column_name, longest_name: 63, most_columns: 1_600, deepest_record: 0 };

/// The largest row in bytes. A value may have 1 GB and a `jsonb` 256 MB; a row passes through memory
/// a few times on its way.
pub const LARGEST_ROW: usize = 64 << 20;

/// Names that the system has in every table.
const SYSTEM: &[&str] = &["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];

/// The column's name for a payload field: the field's own, as PostgreSQL takes any character in a
/// quoted name, up to 63 bytes. A name without letters, or one of the system's, gets `f_` in front.
fn column_name(field: &str) -> String {
    fitting_name(field.replace('\0', "_"), SYSTEM, COLUMN_RULES.longest_name)
}

/// A column's type in SQL.
pub(super) fn sql_type(column: &Column) -> String {
    let scalar = match column.kind {
        ColumnType::String => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Int64 => "bigint",
        ColumnType::Float64 => "double precision",
        ColumnType::Bool => "boolean",
        ColumnType::Timestamp => "timestamp with time zone",
        ColumnType::Date => "date",
        ColumnType::Datetime => "timestamp without time zone",
        ColumnType::Time => "time without time zone",
        ColumnType::Numeric | ColumnType::BigNumeric => "numeric",
        // An array of JSON values is one JSON array.
        ColumnType::Json | ColumnType::Record(_) => return "jsonb".to_owned(),
    };
    match column.mode {
        Mode::Nullable | Mode::Required => scalar.to_owned(),
        Mode::Repeated => format!("{scalar}[]"),
    }
}

/// Why a column cannot be the time column of a hypertable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error("the table has no column {column}; _kafka_timestamp and _ingested_at are there always")]
    NoColumn { column: String },
    #[error("{column} is a {kind} column; a hypertable needs a timestamp or a date")]
    Type { column: String, kind: String },
}

/// Checks that a table with these columns can be a hypertable by this one.
pub fn check_time(schema: &TableSchema, column: &str) -> Result<(), TimeError> {
    let name = column.to_owned();
    let Some(found) = schema.columns.iter().find(|one| one.name == column) else {
        return Err(TimeError::NoColumn { column: name });
    };
    let is_time =
        matches!(found.kind, ColumnType::Timestamp | ColumnType::Date | ColumnType::Datetime);
    match found.mode {
        Mode::Nullable | Mode::Required if is_time => Ok(()),
        _ => Err(TimeError::Type { column: name, kind: sql_type(found) }),
    }
}

/// A name as SQL takes it, whatever is in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's full name as SQL takes it.
pub fn quoted_name(table: &PostgresTable) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.table))
}

/// A text as SQL takes it, with `standard_conforming_strings` on.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        let long = "ä".repeat(40);
        for (field, name) in [
            ("deliveryId", "deliveryId"),
            ("имя", "имя"),
            ("a-b.c", "a-b.c"),
            ("", "f_"),
            ("xmin", "f_xmin"),
            ("a\0b", "a_b"),
            (long.as_str(), &long[..62]),
        ] {
            assert_eq!(column_name(field), name, "{field}");
        }
    }

    proptest! {
        #[test]
        fn every_name_fits(field in "\\PC{0,90}") {
            let name = column_name(&field);
            prop_assert!(!name.is_empty() && name.len() <= 63 && !name.contains('\0'));
            prop_assert_eq!(column_name(&name), name);
        }
    }

    #[test]
    fn a_hypertable_needs_a_time() {
        let schema = TableSchema { columns: TableSchema::position_columns() };
        assert_eq!(check_time(&schema, "_ingested_at"), Ok(()));
        let error = check_time(&schema, "_kafka_offset").expect_err("a number");
        assert_eq!(
            error.to_string(),
            "_kafka_offset is a bigint column; a hypertable needs a timestamp or a date"
        );
        assert!(
            check_time(&schema, "at").expect_err("missing").to_string().contains("no column at")
        );
    }
}
