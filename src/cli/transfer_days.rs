//! The days of a transfer's run, as the command line names them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::failure::{Exit, Failure};
use super::transfer_args::{RunOf, TransferFlags};
use crate::transfer::{DateError, Days, Due, ExecutionDate, Mode, execution_date};

/// What the command line says of the days.
pub struct Asked {
    pub mode: Mode,
    last: ExecutionDate,
    due: Option<Due>,
    first: First,
}

/// The first day in mode delta.
enum First {
    Day(Date),
    /// So many days before the last one.
    Before(u16),
}

impl Asked {
    pub fn read(of: &RunOf, flags: &TransferFlags) -> Result<Self, Failure> {
        const DAY: &str = "a day is written as 20261121";
        let hint = "a day is written as 20261121; `today` and `yesterday` are days too";
        let last = of.date.parse().map_err(|error| wrong_date("EXECUTION_DATE", error, hint))?;
        let hint = "name the Job after the day: kubectl create job orders-20261121 \
                    --from=cronjob/transfer-orders";
        let due = flags
            .job
            .as_deref()
            .map(|name| name.parse().map_err(|error| wrong_date("--job", error, hint)));
        let mode = of.mode.mode();
        let first = match (&flags.delta_start_date, flags.delta_days, mode) {
            (None, None, _) => First::Before(0),
            (Some(first), _, Mode::Delta) => {
                let wrong = |error| wrong_date("--delta-start-date", error, DAY);
                First::Day(execution_date(first).map_err(wrong)?)
            }
            (None, Some(days), Mode::Delta) => First::Before(days.saturating_sub(1)),
            (first, _, Mode::Truncate | Mode::Fill) => {
                let flag = match first {
                    Some(_) => "--delta-start-date",
                    None => "--delta-days",
                };
                let hint = "mode truncate replaces one day: run each day by itself";
                let what = format!("{flag} is for mode delta");
                return Err(Failure::new(Exit::Usage, what).hint(hint));
            }
        };
        Ok(Self { mode, last, due: due.transpose()?, first })
    }

    pub fn days(&self, zone: &TimeZone, now: Timestamp) -> Result<Days, DateError> {
        let last = self.last.resolve(self.due, zone, now)?;
        let first = match self.first {
            First::Day(first) => first,
            First::Before(days) => last.saturating_sub(i64::from(days).days()),
        };
        Days::new(first, last, zone.clone(), now)
    }
}

fn wrong_date(which: &str, error: DateError, hint: &str) -> Failure {
    Failure::new(Exit::Usage, format!("read {which}")).source(error).hint(hint)
}
