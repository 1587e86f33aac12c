//! The columns that a run goes by: the key, and the one with the date.

use super::error::TransferError;
use super::intake::DayCheck;
use super::request::{Mode, Request};
use crate::config::{SourceSettings, TransferSettings};
use crate::row::{ColumnType, Mode as ColumnMode, TableSchema};

/// The key, if it and the date column are columns of the contract that can be what they are named for.
pub fn check(
    settings: &TransferSettings,
    mode: Mode,
    columns: &TableSchema,
    target: &str,
) -> Result<Vec<String>, TransferError> {
    if let Some(name) = &settings.date_column {
        let wrong = |what| TransferError::Settings {
            what,
            hint: "date_column names a column of the contract with a time or a date".to_owned(),
        };
        let Some(column) = columns.column(name) else {
            return Err(wrong(format!("the rows have no column {name}")));
        };
        let is_date =
            matches!(column.kind, ColumnType::Timestamp | ColumnType::Date | ColumnType::Datetime);
        if !is_date || column.mode == ColumnMode::Repeated {
            let kind = column.kind.name();
            return Err(wrong(format!(
                "the column {name} ({kind}) does not say which day a row is of"
            )));
        }
    }
    key(settings, mode, columns, target)
}

/// What tells rows apart: columns by their names in the target.
pub fn key(
    settings: &TransferSettings,
    mode: Mode,
    columns: &TableSchema,
    target: &str,
) -> Result<Vec<String>, TransferError> {
    let wrong = |what: String| TransferError::Settings {
        what,
        hint: "`key` names columns that every row has, each with one value".to_owned(),
    };
    let is_topic = matches!(settings.source, SourceSettings::Topic);
    let key: Vec<String> = match (&settings.key[..], is_topic) {
        ([], true) => vec!["_kafka_partition".to_owned(), "_kafka_offset".to_owned()],
        ([], false) if mode == Mode::Delta => {
            return Err(wrong("mode delta needs to know which rows are the same".to_owned()));
        }
        (key, _) => key.to_vec(),
    };
    let mut names = Vec::with_capacity(key.len());
    for name in &key {
        let Some(column) = columns.column(name) else {
            return Err(wrong(format!("the key {name} is no column of {target}")));
        };
        let has_value = column.required || column.mode == ColumnMode::Required || is_topic;
        let one = column.mode != ColumnMode::Repeated
            && !matches!(
                column.kind,
                ColumnType::Record(_) | ColumnType::Json | ColumnType::Float64
            );
        if !has_value || !one {
            return Err(wrong(format!(
                "the key {name} ({}) may be missing, or has values that cannot be compared",
                column.kind.name()
            )));
        }
        names.push(column.name.clone());
    }
    Ok(names)
}

/// How rows of other days are told.
pub fn day_check(
    settings: &TransferSettings,
    request: &Request,
    columns: &TableSchema,
) -> Result<Option<DayCheck>, TransferError> {
    let (Some(name), Some(days)) = (&settings.date_column, &request.days) else { return Ok(None) };
    let mut named = columns.columns.iter();
    let Some(column) = named.position(|column| column.name.eq_ignore_ascii_case(name)) else {
        return Err(TransferError::Settings {
            what: format!("the rows have no column {name}"),
            hint: "date_column names a column that the contract gives".to_owned(),
        });
    };
    let (from, to) = days.micros();
    Ok(Some(DayCheck {
        column,
        name: name.clone(),
        days: days.first()..days.after(),
        micros: from..to,
    }))
}
