//! Schemas of columns in the form of BigQuery's REST API: parsing, and BigQuery's rules for them.

use serde_json::Value;

/// The schema of one column, or of a field of a RECORD.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSchema {
    pub name: String,
    pub kind: FieldType,
    pub mode: FieldMode,
    pub fields: Vec<FieldSchema>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldMode {
    Nullable,
    Required,
    Repeated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    String,
    Bytes,
    Integer,
    Float,
    Boolean,
    Timestamp,
    Date,
    Datetime,
    Time,
    Numeric,
    BigNumeric,
    Json,
    Geography,
    Record,
}

const RESERVED: &[&str] = &[
    "_PARTITION",
    "_TABLE_",
    "_FILE_",
    "_ROW_TIMESTAMP",
    "__ROOT__",
    "_COLIDENTIFIER",
    "_CHANGE_SEQUENCE_NUMBER",
    "_CHANGE_TYPE",
    "_CHANGE_TIMESTAMP",
];

/// How deep RECORDs can be nested.
const MOST_LEVELS: usize = 15;

/// The largest number of top-level columns. BigQuery allows 10,000, but a SQLite table 2,000, of
/// which the store needs three.
const MOST_COLUMNS: usize = 1_990;

impl FieldType {
    /// The type of this name, in REST schemas or in GoogleSQL.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "STRING" => Self::String,
            "BYTES" => Self::Bytes,
            "INTEGER" | "INT64" => Self::Integer,
            "FLOAT" | "FLOAT64" => Self::Float,
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "TIMESTAMP" => Self::Timestamp,
            "DATE" => Self::Date,
            "DATETIME" => Self::Datetime,
            "TIME" => Self::Time,
            "NUMERIC" | "DECIMAL" => Self::Numeric,
            "BIGNUMERIC" | "BIGDECIMAL" => Self::BigNumeric,
            "JSON" => Self::Json,
            "GEOGRAPHY" => Self::Geography,
            "RECORD" | "STRUCT" => Self::Record,
            _ => return None,
        })
    }

    /// The type's name in REST schemas and in BigQuery's messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Integer => "INTEGER",
            Self::Float => "FLOAT",
            Self::Boolean => "BOOLEAN",
            Self::Timestamp => "TIMESTAMP",
            Self::Date => "DATE",
            Self::Datetime => "DATETIME",
            Self::Time => "TIME",
            Self::Numeric => "NUMERIC",
            Self::BigNumeric => "BIGNUMERIC",
            Self::Json => "JSON",
            Self::Geography => "GEOGRAPHY",
            Self::Record => "RECORD",
        }
    }
}

impl FieldMode {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "NULLABLE" | "" => Self::Nullable,
            "REQUIRED" => Self::Required,
            "REPEATED" => Self::Repeated,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Nullable => "NULLABLE",
            Self::Required => "REQUIRED",
            Self::Repeated => "REPEATED",
        }
    }
}

/// The index of the column of this name, ignoring case.
pub fn position(columns: &[FieldSchema], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
}

/// The column of this name, ignoring case.
pub fn find<'a>(columns: &'a [FieldSchema], name: &str) -> Option<&'a FieldSchema> {
    position(columns, name).map(|index| &columns[index])
}

/// Parses and checks the columns of a table's resource.
pub fn of_table(table: &Value) -> Result<Vec<FieldSchema>, String> {
    parse(table["schema"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default())
}

/// Parses and checks `schema.fields` of a table's resource.
pub fn parse(fields: &[Value]) -> Result<Vec<FieldSchema>, String> {
    if fields.len() > MOST_COLUMNS {
        return Err(format!(
            "The embedded BigQuery supports at most {MOST_COLUMNS} top-level columns, not {}.",
            fields.len()
        ));
    }
    parse_level(fields, 0)
}

fn parse_level(fields: &[Value], depth: usize) -> Result<Vec<FieldSchema>, String> {
    if depth > MOST_LEVELS && !fields.is_empty() {
        return Err(format!("Schema is nested deeper than {MOST_LEVELS} levels."));
    }
    let mut columns: Vec<FieldSchema> = Vec::with_capacity(fields.len());
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        check_name(name)?;
        if find(&columns, name).is_some() {
            return Err(format!("Duplicate field name {name} (names are case-insensitive)."));
        }
        let kind = field["type"].as_str().and_then(FieldType::parse).ok_or_else(|| {
            format!("Invalid value for type: {} is not a valid value (field {name})", field["type"])
        })?;
        let mode =
            FieldMode::parse(field["mode"].as_str().unwrap_or_default()).ok_or_else(|| {
                format!(
                    "Invalid value for mode: {} is not a valid value (field {name})",
                    field["mode"]
                )
            })?;
        let inner = field["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        match (kind, inner.is_empty()) {
            (FieldType::Record, true) => {
                return Err(format!("Field {name} is type RECORD but has no schema"));
            }
            (FieldType::Record, false) | (_, true) => {}
            (kind, false) => {
                return Err(format!(
                    "Field {name} is type {} but has nested fields; only RECORD has them",
                    kind.name()
                ));
            }
        }
        let fields = parse_level(inner, depth + 1)?;
        columns.push(FieldSchema { name: name.to_owned(), kind, mode, fields });
    }
    Ok(columns)
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = !name.is_empty()
        && name.len() <= 300
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if !fits {
        return Err(format!(
            "Invalid field name \"{name}\". Fields must contain only letters, numbers, and \
             underscores, start with a letter or underscore, and be at most 300 characters long."
        ));
    }
    let upper = name.to_ascii_uppercase();
    match RESERVED.iter().find(|reserved| upper.starts_with(*reserved)) {
        Some(reserved) => Err(format!(
            "Invalid field name \"{name}\". Field names are not allowed to start with the \
             (case-insensitive) prefix {reserved}."
        )),
        None => Ok(()),
    }
}

/// Why BigQuery refuses to change the schema `before` to `after`; `None` if it does not. A new RECORD
/// may have required fields, but an existing table or RECORD cannot get new ones.
pub fn change_refusal(before: &[FieldSchema], after: &[FieldSchema], path: &str) -> Option<String> {
    for old in before {
        let name = format!("{path}{}", old.name);
        let Some(new) = find(after, &old.name) else {
            return Some(format!("Field {name} is missing in new schema"));
        };
        if new.kind != old.kind {
            return Some(format!(
                "Field {name} has changed type from {} to {}",
                old.kind.name(),
                new.kind.name()
            ));
        }
        let relaxed = old.mode == FieldMode::Required && new.mode == FieldMode::Nullable;
        if new.mode != old.mode && !relaxed {
            return Some(format!(
                "Field {name} has changed mode from {} to {}",
                old.mode.name(),
                new.mode.name()
            ));
        }
        if let Some(wrong) = change_refusal(&old.fields, &new.fields, &format!("{name}.")) {
            return Some(wrong);
        }
    }
    let mut added = after.iter().filter(|new| find(before, &new.name).is_none());
    added.find(|new| new.mode == FieldMode::Required).map(|new| {
        format!("Cannot add required fields to an existing schema. (field: {path}{})", new.name)
    })
}

/// Why BigQuery refuses to write rows of the schema `rows` into a table of the schema `table`; `None`
/// if it does not. The order of columns does not matter.
pub fn append_refusal(table: &[FieldSchema], rows: &[FieldSchema], path: &str) -> Option<String> {
    for column in table {
        let name = format!("{path}{}", column.name);
        let Some(incoming) = find(rows, &column.name) else {
            return Some(format!("Field {name} is missing in new schema"));
        };
        if incoming.kind != column.kind {
            let (from, to) = (column.kind.name(), incoming.kind.name());
            return Some(format!("Field {name} has changed type from {from} to {to}"));
        }
        if incoming.mode != column.mode {
            let (from, to) = (column.mode.name(), incoming.mode.name());
            return Some(format!("Field {name} has changed mode from {from} to {to}"));
        }
        let inner = append_refusal(&column.fields, &incoming.fields, &format!("{name}."));
        if inner.is_some() {
            return inner;
        }
    }
    let mut added = rows.iter().filter(|incoming| find(table, &incoming.name).is_none());
    added.next().map(|field| format!("Cannot add fields (field: {path}{})", field.name))
}

#[cfg(test)]
#[path = "field_schema_tests.rs"]
mod tests;
