//! The table of runs, `generic_consumer_transfers`: a row for each run that has ended.

use crate::config::TableId;
use crate::row::{Column, ColumnType, TableSchema};
use crate::sink::bigquery::batch::{insert, name, text};

use super::counts::Counts;
use super::days::Days;
use super::request::Mode;

/// The table, in the target's dataset.
pub fn table(target: &TableId) -> TableId {
    TableId { table: "generic_consumer_transfers".to_owned(), ..target.clone() }
}

/// Its columns.
pub fn columns() -> TableSchema {
    let column = Column::nullable;
    TableSchema {
        columns: vec![
            column("started_at", ColumnType::Timestamp),
            column("ended_at", ColumnType::Timestamp),
            column("transfer", ColumnType::String),
            column("mode", ColumnType::String),
            column("first_day", ColumnType::Date),
            column("last_day", ColumnType::Date),
            column("run", ColumnType::Int64),
            column("target", ColumnType::String),
            column("state", ColumnType::String),
            column("records_read", ColumnType::Int64),
            column("rows_staged", ColumnType::Int64),
            column("records_rejected", ColumnType::Int64),
            column("records_ignored", ColumnType::Int64),
            column("rows_inserted", ColumnType::Int64),
            column("rows_updated", ColumnType::Int64),
            column("rows_deleted", ColumnType::Int64),
            column("bytes_billed", ColumnType::Int64),
            column("fingerprint", ColumnType::String),
            column("job", ColumnType::String),
            column("program", ColumnType::String),
        ],
    }
}

/// Which run of a transfer something is about.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    pub transfer: &'a str,
    pub days: &'a Days,
    pub mode: Mode,
    pub target: &'a TableId,
}

/// Counts the runs of the transfer that have ended.
pub fn count(runs: &TableId, of: Of<'_>) -> String {
    format!(
        "SELECT COUNT(*) FROM {} WHERE transfer = {} AND target = {}",
        name(runs),
        text(of.transfer),
        text(&of.target.to_string()),
    )
}

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct Ended<'a> {
    pub of: Of<'a>,
    pub run: u64,
    pub started_micros: i64,
    pub ended_micros: i64,
    pub counts: Counts,
    pub applied: crate::sink::bigquery::batch::Applied,
    pub bytes_billed: u64,
    pub fingerprint: &'a str,
    pub job: &'a str,
}

/// Adds the run's row.
pub fn record(runs: &TableId, ended: &Ended<'_>) -> String {
    let time = crate::sink::bigquery::batch::timestamp;
    let Ended { of, counts, applied, .. } = ended;
    insert(
        runs,
        &[
            ("started_at", time(ended.started_micros)),
            ("ended_at", time(ended.ended_micros)),
            ("transfer", text(of.transfer)),
            ("mode", text(of.mode.name())),
            ("first_day", format!("DATE '{}'", of.days.first())),
            ("last_day", format!("DATE '{}'", of.days.last())),
            ("run", ended.run.to_string()),
            ("target", text(&of.target.to_string())),
            ("state", text("done")),
            ("records_read", counts.read.to_string()),
            ("rows_staged", counts.rows.to_string()),
            ("records_rejected", counts.rejected.to_string()),
            ("records_ignored", (counts.ignored + counts.of_other_days).to_string()),
            ("rows_inserted", applied.inserted.to_string()),
            ("rows_updated", applied.updated.to_string()),
            ("rows_deleted", applied.deleted.map_or("NULL".to_owned(), |rows| rows.to_string())),
            ("bytes_billed", ended.bytes_billed.to_string()),
            ("fingerprint", text(ended.fingerprint)),
            ("job", text(ended.job)),
            ("program", text(concat!("generic-consumer ", env!("CARGO_PKG_VERSION")))),
        ],
    )
}
