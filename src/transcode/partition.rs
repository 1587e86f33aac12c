//! The range of days that a table's day partition accepts, and the check of a row against it.

use super::fault::{Fault, Result};
use super::time::MICROS_PER_DAY;
use crate::record::Reason;

/// The column that a table is partitioned by, by day, and the days that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionWindow {
    /// Name of a top-level TIMESTAMP or DATE column; upper and lower case are the same.
    pub column: String,
    /// A row may be this many days before now, both ends included.
    pub days_back: i64,
    /// A row may be this many days after now, both ends included.
    pub days_ahead: i64,
}

impl PartitionWindow {
    pub(super) fn is_on(&self, column: &str) -> bool {
        self.column.eq_ignore_ascii_case(column)
    }
}

/// Checks the partition column of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartitionCheck<'p> {
    /// Now, in microseconds since 1970-01-01 UTC.
    pub(super) now_micros: i64,
    /// `None`: every time is accepted.
    pub(super) window: Option<&'p PartitionWindow>,
}

impl PartitionCheck<'_> {
    /// Checks a TIMESTAMP in microseconds since 1970-01-01 UTC.
    pub(super) fn micros(self, micros: i64) -> Result<()> {
        self.check(micros, self.now_micros, MICROS_PER_DAY)
    }

    /// Checks a DATE in days since 1970-01-01.
    pub(super) fn day(self, day: i32) -> Result<()> {
        self.check(day.into(), self.now_micros.div_euclid(MICROS_PER_DAY), 1)
    }

    /// `value` and `now` in a unit of which a day has `per_day`.
    #[inline]
    fn check(self, value: i64, now: i64, per_day: i64) -> Result<()> {
        let Some(PartitionWindow { days_back, days_ahead, .. }) = self.window else {
            return Ok(());
        };
        let first = now.saturating_sub(days_back.saturating_mul(per_day));
        let last = now.saturating_add(days_ahead.saturating_mul(per_day));
        if (first..=last).contains(&value) {
            return Ok(());
        }
        let detail = format!(
            "the table's day partition takes {days_back} days back to {days_ahead} days ahead"
        );
        Err(Fault::new(Reason::OutOfRange, detail))
    }
}
