//! The day that a run is for, as the command line says it: a date, or a day relative to the time at
//! which the run was due.
//!
//! Kubernetes gives a CronJob's pods no date, and a pod that is started again after midnight would take
//! another day than the first one. The name of the Job is the same for each of its pods, so the time in
//! that name decides (docs/adr/0029-transfers-on-kubernetes.md).

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::days::{DateError, execution_date};

/// `20261121`, `20261101+3`, `today` or `yesterday`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionDate {
    Day(Date),
    /// The day on which the run was due.
    Today,
    /// The day before.
    Yesterday,
}

/// When a Kubernetes Job was due, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The name ends in minutes since 1970, as the CronJob controller writes it (`orders-29921690`), or in
    /// a time of UTC, as ArgoCD's action `create-job` does (`orders-2611212250`).
    At(Timestamp),
    /// Somebody has named the Job after the day that it is for: `orders-20261121`.
    For(Date),
}

impl FromStr for ExecutionDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        match text {
            "today" => Ok(Self::Today),
            "yesterday" => Ok(Self::Yesterday),
            _ => later(text).map(Self::Day),
        }
    }
}

impl ExecutionDate {
    /// The date in the calendar of the transfer. `due` is when the run was due, where a Job's name
    /// says so.
    pub fn resolve(
        self,
        due: Option<Due>,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Date, DateError> {
        let days_ago = match (self, due) {
            (Self::Day(date), None) => return Ok(date),
            (Self::Day(date), Some(_)) => return Err(DateError::TwoDates(date)),
            (_, Some(Due::For(date))) => return Ok(date),
            (Self::Today, _) => 0,
            (Self::Yesterday, _) => 1,
        };
        let at = match due {
            Some(Due::At(at)) => at,
            _ => now,
        };
        Ok(at.to_zoned(zone.clone()).date().saturating_sub(days_ago.days()))
    }
}

/// A date, and so many days later: the index of an indexed Job.
fn later(text: &str) -> Result<Date, DateError> {
    let Some((first, days)) = text.split_once('+') else { return execution_date(text) };
    let wrong = || DateError::NoDate(text.to_owned());
    let days: u16 = match days.bytes().all(|byte| byte.is_ascii_digit()) {
        true => days.parse().map_err(|_| wrong())?,
        false => return Err(wrong()),
    };
    let first = execution_date(first).map_err(|_| wrong())?;
    first.checked_add(i64::from(days).days()).map_err(|_| wrong())
}

/// Minutes since 1970 in the names of a CronJob's Jobs: from 2020 on. They have eight digits until 2160.
/// As minutes, the dates of this century are times in 2008 and 2009, when there was no Kubernetes.
const MINUTES: std::ops::Range<i64> = 26_297_280..100_000_000;

impl FromStr for Due {
    type Err = DateError;

    fn from_str(name: &str) -> Result<Self, DateError> {
        let wrong = || DateError::NoJob(name.to_owned());
        let (_, last) = name.rsplit_once('-').ok_or_else(wrong)?;
        if !last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        if last.len() == 10 {
            let time = Timestamp::strptime("%Y%m%d%H%M%z", format!("20{last}+0000"));
            return time.map(Self::At).map_err(|_| wrong());
        }
        if last.len() != 8 {
            return Err(wrong());
        }
        let number: i64 = last.parse().map_err(|_| wrong())?;
        match MINUTES.contains(&number) {
            true => Timestamp::from_second(number * 60).map(Self::At).map_err(|_| wrong()),
            false => execution_date(last).map(Self::For).map_err(|_| wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(asked: &str, job: Option<&str>, now: &str) -> Result<String, DateError> {
        let due = job.map(str::parse).transpose()?;
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let now = now.parse().expect("a time");
        let date = asked.parse::<ExecutionDate>()?.resolve(due, &zone, now)?;
        Ok(date.strftime("%Y%m%d").to_string())
    }

    /// 2026-11-21T23:50+01:00.
    const LATE: &str = "transfer-orders-29921690";

    #[test]
    fn days_are_relative_to_the_calendar_of_the_transfer() {
        // In Berlin it is the 22nd already.
        assert_eq!(resolve("today", None, "2026-11-21T23:30:00Z"), Ok("20261122".to_owned()));
        assert_eq!(resolve("yesterday", None, "2026-11-21T23:30:00Z"), Ok("20261121".to_owned()));
        assert_eq!(resolve("yesterday", None, "2026-11-21T12:00:00Z"), Ok("20261120".to_owned()));
    }

    #[test]
    fn each_pod_of_a_job_has_the_same_day() {
        for now in ["2026-11-21T22:50:05Z", "2026-11-22T01:00:00Z", "2026-11-25T12:00:00Z"] {
            assert_eq!(resolve("today", Some(LATE), now), Ok("20261121".to_owned()));
            assert_eq!(resolve("yesterday", Some(LATE), now), Ok("20261120".to_owned()));
        }
        let at = |text: &str| Due::At(text.parse().expect("a time"));
        assert_eq!(LATE.parse(), Ok(at("2026-11-21T22:50:00Z")));
        assert_eq!("transfer-orders-2611212250".parse(), Ok(at("2026-11-21T22:50:00Z")));
    }

    #[test]
    fn a_job_may_be_named_after_its_day() {
        for asked in ["today", "yesterday"] {
            let found = resolve(asked, Some("again-20251224"), "2026-11-21T12:00:00Z");
            assert_eq!(found, Ok("20251224".to_owned()));
        }
    }

    #[test]
    fn a_name_that_says_no_day_is_refused() {
        for name in [
            "manual",
            "manual-1",
            "orders-20261345",
            "orders-1795301400",
            "orders-2613010000",
            "orders-202611212250",
            "20261121",
            "orders-",
            "",
        ] {
            assert_eq!(name.parse::<Due>(), Err(DateError::NoJob(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_date_and_a_jobs_day_are_one_too_many() {
        let found = resolve("20261121", Some(LATE), "2026-11-22T12:00:00Z");
        assert_eq!(found, Err(DateError::TwoDates(Date::constant(2026, 11, 21))));
    }

    #[test]
    fn a_date_may_be_counted_on() {
        let now = "2026-11-22T12:00:00Z";
        assert_eq!(resolve("20261230+3", None, now), Ok("20270102".to_owned()));
        assert_eq!(resolve("20261230+0", None, now), Ok("20261230".to_owned()));
        for text in ["20261121+", "20261121+x", "20261121+-1", "20261121+99999", "today+1", "+1"] {
            assert_eq!(resolve(text, None, now), Err(DateError::NoDate(text.to_owned())), "{text}");
        }
    }
}
