//! The partitions of a table into which BigQuery streams rows.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::field_schema::{self, FieldSchema};
use crate::row::Cell;

/// Days before today whose partitions accept rows.
const DAYS_BACK: i64 = 1_825;

/// Days after today whose partitions accept rows.
const DAYS_AHEAD: i64 = 366;

/// The index of the column by which a table is partitioned.
#[derive(Debug, Clone, Copy)]
pub struct PartitionColumn(usize);

impl PartitionColumn {
    /// The partition column that a table's resource names.
    pub fn of(table: &Value, columns: &[FieldSchema]) -> Option<Self> {
        let name = table["timePartitioning"]["field"].as_str()?;
        field_schema::position(columns, name).map(Self)
    }

    /// The check of this column's values at `now_micros`.
    pub fn at(self, now_micros: i64) -> PartitionCheck {
        PartitionCheck { column: self.0, days: days_around(now_micros) }
    }
}

/// Refuses rows for partitions that do not accept streamed rows.
#[derive(Debug, Clone, Copy)]
pub struct PartitionCheck {
    column: usize,
    /// The first and the last day whose partitions accept rows.
    days: Option<(Date, Date)>,
}

impl PartitionCheck {
    /// The error says why the row is refused.
    pub fn check(&self, row: &[Option<Cell>]) -> Result<(), String> {
        let value = row[self.column].as_ref().and_then(Cell::as_str);
        match (value, self.days) {
            (Some(value), Some((first, last))) if !is_between(value, first, last) => Err(format!(
                "The destination table's partition of {value} is outside the allowed bounds. You \
                 can only stream to partitions within {DAYS_BACK} days in the past and \
                 {DAYS_AHEAD} days in the future relative to the current date."
            )),
            _ => Ok(()),
        }
    }
}

fn days_around(now_micros: i64) -> Option<(Date, Date)> {
    let now = Timestamp::from_microsecond(now_micros).ok()?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = |count: i64| Span::new().try_days(count).ok();
    Some((today.checked_sub(days(DAYS_BACK)?).ok()?, today.checked_add(days(DAYS_AHEAD)?).ok()?))
}

/// Whether the day of a stored TIMESTAMP, DATE or DATETIME is in a range.
fn is_between(stored: &str, first: Date, last: Date) -> bool {
    let day = stored.get(..10).and_then(|day| day.parse::<Date>().ok());
    day.is_some_and(|day| (first..=last).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_from_1825_days_ago_to_366_days_ahead_are_accepted() {
        // 2026-11-21
        let check = PartitionColumn(0).at(1_795_219_200_000_000);
        for (day, accepted) in [
            ("2021-11-21", false),
            ("2021-11-22", true),
            ("2026-11-21T23:00:00.000000Z", true),
            ("2027-11-22T00:00:00.000000Z", true),
            ("2027-11-23", false),
            ("0001-01-01", false),
        ] {
            assert_eq!(check.check(&[Some(Cell::from(day))]).is_ok(), accepted, "{day}");
        }
        assert_eq!(check.check(&[None]), Ok(()), "NULL has a partition of its own");
    }
}
