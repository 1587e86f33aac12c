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
}

/// Reads and checks `schema.fields`.
pub fn parse(fields: &[Value]) -> Result<Vec<Column>, String> {
    parse_level(fields, 0)
}

fn parse_level(fields: &[Value], depth: usize) -> Result<Vec<Column>, String> {
    if depth > DEEPEST {
        return Err(format!("Schema is nested deeper than {DEEPEST} levels."));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(fields.len());
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        check_name(name)?;
        if columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
            return Err(format!("Duplicate field name {name} (names are case-insensitive)."));
        }
        let kind = field["type"].as_str().and_then(Kind::parse);
        let kind =
            kind.ok_or_else(|| format!("Invalid type of field {name}: {}", field["type"]))?;
        let mode = match field["mode"].as_str().unwrap_or("NULLABLE") {
            "NULLABLE" => Mode::Nullable,
            "REQUIRED" => Mode::Required,
            "REPEATED" => Mode::Repeated,
            other => return Err(format!("Invalid mode of field {name}: {other}")),
        };
        let inner = field["fields"].as_array().cloned().unwrap_or_default();
        if (kind == Kind::Record) == inner.is_empty() {
            return Err(format!("Field {name} is of type RECORD or has fields, not both."));
        }
        let fields = parse_level(&inner, depth + 1)?;
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
        Some(reserved) => {
            Err(format!("Invalid field name \"{name}\": prefix {reserved} is reserved."))
        }
        None => Ok(()),
    }
}

/// Why `after` is no evolution of `before` that BigQuery takes, if it is not.
pub fn refuse_change(before: &[Column], after: &[Column], path: &str) -> Option<String> {
    for old in before {
        let name = format!("{path}{}", old.name);
        let found = after.iter().find(|new| new.name.eq_ignore_ascii_case(&old.name));
        let Some(new) = found else {
            return Some(format!(
                "Provided Schema does not match Table. Field {name} is missing in new schema"
            ));
        };
        if new.kind != old.kind {
            return Some(format!(
                "Provided Schema does not match Table. Field {name} has changed type from {:?} to {:?}",
                old.kind, new.kind
            ));
        }
        let relaxed = old.mode == Mode::Required && new.mode == Mode::Nullable;
        if new.mode != old.mode && !relaxed {
            return Some(format!(
                "Provided Schema does not match Table. Field {name} has changed mode from {:?} to {:?}",
                old.mode, new.mode
            ));
        }
        if let Some(wrong) = refuse_change(&old.fields, &new.fields, &format!("{name}.")) {
            return Some(wrong);
        }
    }
    let added = after
        .iter()
        .filter(|new| !before.iter().any(|old| old.name.eq_ignore_ascii_case(&new.name)));
    added.into_iter().find(|new| new.mode == Mode::Required).map(|new| {
        format!(
            "Provided Schema does not match Table. Cannot add required field {path}{}",
            new.name
        )
    })
}
