//! What BigQuery demands of a table's columns: names, types and limits, and the column that a
//! table is partitioned by.

use super::alphabets::transliterate;
use crate::row::{Column, ColumnRules, ColumnType, Mode, TableSchema};

/// The rules by which a contract's fields become columns of a BigQuery table.
pub const COLUMN_RULES: ColumnRules =
    ColumnRules { name: column_name, longest_name: 300, most_columns: 10_000, deepest_record: 15 };

/// The largest row in bytes. An append request takes 20 MB; the rest is room for what frames and
/// describes the row.
pub const LARGEST_ROW: usize = 19_000_000;

/// How many days back rows may be appended to a table with day partitions.
pub const PARTITION_DAYS_BACK: i64 = 1_825;

/// How many days ahead rows may be appended to a table with day partitions.
pub const PARTITION_DAYS_AHEAD: i64 = 366;

/// Prefixes of column names that BigQuery reserves, in any case.
const RESERVED: &[&str] = &[
    "_PARTITION",
    "_TABLE_",
    "_FILE_",
    "_ROW_TIMESTAMP",
    "__ROOT__",
    "_COLIDENTIFIER",
    "_CHANGE_",
];

/// The column's name for a payload field. A name that BigQuery accepts stays. Otherwise letters of
/// other alphabets are transliterated, other characters than ASCII letters, digits and underscores
/// become underscores, and `f_` goes before a leading digit, a reserved prefix or an empty name.
fn column_name(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    for c in field.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
            c if c.is_alphanumeric() => transliterate(c, &mut name),
            _ => name.push('_'),
        }
    }
    let upper = name.to_ascii_uppercase();
    let reserved = RESERVED.iter().any(|prefix| upper.starts_with(prefix));
    if name.is_empty() || reserved || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "f_");
    }
    name.truncate(COLUMN_RULES.longest_name);
    name
}

/// A column's type as BigQuery's REST API names it.
pub(super) fn type_name(kind: &ColumnType) -> &'static str {
    match kind {
        ColumnType::String => "STRING",
        ColumnType::Bytes => "BYTES",
        ColumnType::Int64 => "INTEGER",
        ColumnType::Float64 => "FLOAT",
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Timestamp => "TIMESTAMP",
        ColumnType::Date => "DATE",
        ColumnType::Datetime => "DATETIME",
        ColumnType::Time => "TIME",
        ColumnType::Numeric => "NUMERIC",
        ColumnType::BigNumeric => "BIGNUMERIC",
        ColumnType::Json => "JSON",
        ColumnType::Record(_) => "RECORD",
    }
}

/// The name that [`type_name`] uses for a type of the REST API, which has two names for some types.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "INT64" => "INTEGER",
        "FLOAT64" => "FLOAT",
        "BOOL" => "BOOLEAN",
        "STRUCT" => "RECORD",
        "DECIMAL" => "NUMERIC",
        "BIGDECIMAL" => "BIGNUMERIC",
        other => other,
    }
}

/// Why a table cannot be partitioned by a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    #[error("the table has no column {column}; _ingested_at is the default")]
    NoColumn { column: String },
    #[error("{column} is a {kind} column; a day partition needs TIMESTAMP or DATE")]
    Type { column: String, kind: &'static str },
    #[error("{column} is a REQUIRED or REPEATED column; a day partition needs a NULLABLE one")]
    Mode { column: String },
}

/// Checks that a table with these columns can have day partitions by the column `partition_by`.
pub fn check_partition(schema: &TableSchema, partition_by: &str) -> Result<(), PartitionError> {
    let column = partition_by.to_owned();
    match schema.column(partition_by) {
        Some(Column {
            kind: ColumnType::Timestamp | ColumnType::Date,
            mode: Mode::Nullable,
            ..
        }) => Ok(()),
        Some(Column { kind: ColumnType::Timestamp | ColumnType::Date, .. }) => {
            Err(PartitionError::Mode { column })
        }
        Some(found) => Err(PartitionError::Type { column, kind: type_name(&found.kind) }),
        None => Err(PartitionError::NoColumn { column }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepted_names_stay_and_others_are_changed() {
        for (field, name) in [
            ("delivery_id", "delivery_id"),
            ("Straße", "Strasse"),
            ("имя", "imia"),
            ("数量 1", "u6570u91cf_1"),
            ("a-b.c", "a_b_c"),
            ("1st", "f_1st"),
            ("", "f_"),
            ("_partitiontime", "f__partitiontime"),
            ("_CHANGE_TYPE", "f__CHANGE_TYPE"),
        ] {
            assert_eq!(column_name(field), name, "{field}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_accepted_by_bigquery(field in ".{0,400}") {
            let name = column_name(&field);
            prop_assert!(!name.is_empty() && name.len() <= COLUMN_RULES.longest_name);
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            prop_assert!(!name.as_bytes()[0].is_ascii_digit());
        }
    }

    #[test]
    fn only_a_nullable_timestamp_or_date_partitions_a_table() {
        let mut days = Column::nullable("days", ColumnType::Date);
        days.mode = Mode::Repeated;
        let columns = vec![
            Column::nullable("at", ColumnType::Timestamp),
            Column::nullable("day", ColumnType::Date),
            Column::nullable("count", ColumnType::Int64),
            days,
        ];
        let schema = TableSchema { columns };
        let check = |name: &str| check_partition(&schema, name);
        assert_eq!((check("at"), check("DAY")), (Ok(()), Ok(())));
        let name = |column: &str| column.to_owned();
        assert_eq!(
            check("count"),
            Err(PartitionError::Type { column: name("count"), kind: "INTEGER" })
        );
        assert_eq!(check("days"), Err(PartitionError::Mode { column: name("days") }));
        assert_eq!(check("when"), Err(PartitionError::NoColumn { column: name("when") }));
    }
}
