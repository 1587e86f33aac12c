//! The rows of `generic_consumer_transfers` as statements.

use crate::config::TableId;
use crate::sink::bigquery::batch::{insert, name, text, timestamp};
use crate::transfer::counts::Applied;
use crate::transfer::runs::{Cell, RunRow, State};

/// Counts the runs of the transfer that are recorded.
pub fn count(runs: &TableId, transfer: &str, target: &TableId) -> String {
    format!(
        "SELECT COUNT(*) FROM {} WHERE transfer = {} AND target = {}",
        name(runs),
        text(transfer),
        text(&target.to_string()),
    )
}

/// Adds the row of a run that has ended.
pub fn record(runs: &TableId, run: &RunRow, applied: &Applied) -> String {
    let cells = run.cells(State::Done, applied);
    let values: Vec<_> = cells.into_iter().map(|(column, cell)| (column, value(cell))).collect();
    insert(runs, &values)
}

fn value(cell: Cell) -> String {
    match cell {
        Cell::Text(value) => text(&value),
        Cell::Number(number) => number.to_string(),
        Cell::Time(micros) => timestamp(micros),
        Cell::Date(date) => format!("DATE '{date}'"),
        Cell::Null => "NULL".to_owned(),
    }
}
