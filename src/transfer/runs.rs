//! The table of runs, `generic_consumer_transfers`: a row for each run.

use jiff::civil::Date;

use super::counts::{Applied, Counts};
use super::days::Days;
use super::request::Mode;
use crate::clock::Clock;
use crate::row::{Column, ColumnType, TableSchema};

/// The table's name, next to the target.
pub const TABLE: &str = "generic_consumer_transfers";

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

/// A run whose rows are staged and counted.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub transfer: String,
    pub target: String,
    pub mode: Mode,
    /// `None`: the run was not of days.
    pub days: Option<Days>,
    /// Counted from 1 for each transfer.
    pub number: u64,
    pub started_micros: i64,
    pub counts: Counts,
    /// The sum of the hashes of the rows.
    pub fingerprint: String,
}

/// How far a recorded run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The target has its rows; what comes after may be missing.
    Moved,
    Done,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Text(String),
    Number(u64),
    /// Microseconds since the epoch.
    Time(i64),
    Date(Date),
    Null,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Done => "done",
        }
    }
}

impl RunRow {
    /// The row that says this of the run, now: a value for each column.
    pub fn cells(&self, state: State, applied: &Applied) -> Vec<(&'static str, Cell)> {
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = |number: Option<u64>| number.map_or(Cell::Null, Cell::Number);
        let date = |of: fn(&Days) -> Date| {
            self.days.as_ref().map_or(Cell::Null, |days| Cell::Date(of(days)))
        };
        let counts = &self.counts;
        vec![
            ("started_at", Cell::Time(self.started_micros)),
            ("ended_at", Cell::Time(Clock::System.now_micros())),
            ("transfer", text(&self.transfer)),
            ("mode", text(self.mode.name())),
            ("first_day", date(Days::first)),
            ("last_day", date(Days::last)),
            ("run", Cell::Number(self.number)),
            ("target", text(&self.target)),
            ("state", text(state.name())),
            ("records_read", Cell::Number(counts.read)),
            ("rows_staged", Cell::Number(counts.rows)),
            ("records_rejected", Cell::Number(counts.rejected)),
            ("records_ignored", Cell::Number(counts.ignored + counts.of_other_days)),
            ("rows_inserted", Cell::Number(applied.inserted)),
            ("rows_updated", Cell::Number(applied.updated)),
            ("rows_deleted", number(applied.deleted)),
            ("bytes_billed", number(applied.bytes_billed)),
            ("fingerprint", text(&self.fingerprint)),
            ("job", text(&applied.job)),
            ("program", text(concat!("generic-consumer ", env!("CARGO_PKG_VERSION")))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn a_row_has_a_value_for_each_column() {
        let day = Date::constant(2026, 11, 21);
        let days = Days::new(day, day, TimeZone::UTC, Timestamp::MAX).expect("days");
        let row = RunRow {
            transfer: "orders".to_owned(),
            target: "public.orders".to_owned(),
            mode: Mode::Delta,
            days: Some(days),
            number: 1,
            started_micros: 0,
            counts: Counts::default(),
            fingerprint: String::new(),
        };
        let cells = row.cells(State::Done, &Applied::default());
        let cells: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
        let columns = columns().columns;
        let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(cells, columns);
    }
}
