//! The columns that a run goes by: the key, and the one with the date.

use super::error::TransferError;
use super::intake::DayCheck;
use super::request::Mode;
use super::run::Transfer;
use crate::config::SourceSettings;
use crate::row::{ColumnType, Mode as ColumnMode};

impl Transfer<'_> {
    /// What tells rows apart.
    pub(super) fn key(&self) -> Result<Vec<String>, TransferError> {
        let wrong = |what: String| TransferError::Settings {
            what,
            hint: "`key` names columns that every row has, each with one value".to_owned(),
        };
        let is_topic = matches!(self.settings.source, SourceSettings::Topic);
        let key: Vec<String> = match (&self.settings.key[..], is_topic) {
            ([], true) => vec!["_kafka_partition".to_owned(), "_kafka_offset".to_owned()],
            ([], false) if self.request.mode == Mode::Delta => {
                return Err(wrong("mode delta needs to know which rows are the same".to_owned()));
            }
            (key, _) => key.to_vec(),
        };
        for name in &key {
            let Some(column) = self.columns.column(name) else {
                return Err(wrong(format!("the key {name} is no column of {}", self.target)));
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
        }
        Ok(key)
    }

    pub(super) fn day_check(&self) -> Result<Option<DayCheck>, TransferError> {
        let Some(name) = &self.settings.date_column else { return Ok(None) };
        let days = &self.request.days;
        let index =
            self.columns.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let Some(column) = index else {
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
}
