//! Columns as BigQuery's REST describes them, and what it refuses of them.

use serde_json::Value;

/// One column, or a field of a RECORD.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub mode: Mode,
    pub fields: Vec<Column>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Nullable,
    Required,
    Repeated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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

/// RECORDs in RECORDs at most.
const DEEPEST: usize = 15;

/// SQLite's tables have 2,000 columns at most and three of them are ours; BigQuery's have 10,000.
const MOST: usize = 1_990;

impl Kind {
    fn parse(name: &str) -> Option<Self> {
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

    /// As REST's schemas and BigQuery's messages say it.
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

impl Mode {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "NULLABLE" | "" => Self::Nullable,
            "REQUIRED" => Self::Required,
            "REPEATED" => Self::Repeated,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nullable => "NULLABLE",
            Self::Required => "REQUIRED",
            Self::Repeated => "REPEATED",
        }
    }
}

/// The column of this name; names know no case.
pub fn find<'a>(columns: &'a [Column], name: &str) -> Option<&'a Column> {
    columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

/// Reads and checks `schema.fields`.
pub fn parse(fields: &[Value]) -> Result<Vec<Column>, String> {
    if fields.len() > MOST {
        return Err(format!(
            "The embedded BigQuery keeps {MOST} top-level columns at most, not {}.",
            fields.len()
        ));
    }
    parse_level(fields, 0)
}

fn parse_level(fields: &[Value], depth: usize) -> Result<Vec<Column>, String> {
    if depth > DEEPEST && !fields.is_empty() {
        return Err(format!("Schema is nested deeper than {DEEPEST} levels."));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(fields.len());
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        check_name(name)?;
        if find(&columns, name).is_some() {
            return Err(format!("Duplicate field name {name} (names are case-insensitive)."));
        }
        let kind = field["type"].as_str().and_then(Kind::parse).ok_or_else(|| {
            format!("Invalid value for type: {} is not a valid value (field {name})", field["type"])
        })?;
        let mode = Mode::parse(field["mode"].as_str().unwrap_or_default()).ok_or_else(|| {
            format!("Invalid value for mode: {} is not a valid value (field {name})", field["mode"])
        })?;
        let inner = field["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        match (kind, inner.is_empty()) {
            (Kind::Record, true) => {
                return Err(format!("Field {name} is type RECORD but has no schema"));
            }
            (Kind::Record, false) | (_, true) => {}
            (kind, false) => {
                return Err(format!(
                    "Field {name} is type {} but has nested fields; only RECORD has them",
                    kind.name()
                ));
            }
        }
        let fields = parse_level(inner, depth + 1)?;
        columns.push(Column { name: name.to_owned(), kind, mode, fields });
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

/// Why `after` is no evolution of `before` that BigQuery takes, if it is not. A RECORD that is new
/// may have required fields; what is there already may not get any.
pub fn refuse_change(before: &[Column], after: &[Column], path: &str) -> Option<String> {
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
        let relaxed = old.mode == Mode::Required && new.mode == Mode::Nullable;
        if new.mode != old.mode && !relaxed {
            return Some(format!(
                "Field {name} has changed mode from {} to {}",
                old.mode.name(),
                new.mode.name()
            ));
        }
        if let Some(wrong) = refuse_change(&old.fields, &new.fields, &format!("{name}.")) {
            return Some(wrong);
        }
    }
    let mut added = after.iter().filter(|new| find(before, &new.name).is_none());
    added.find(|new| new.mode == Mode::Required).map(|new| {
        format!("Cannot add required fields to an existing schema. (field: {path}{})", new.name)
    })
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
