//! The days of a run.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Whole days of a calendar in a time zone, one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Days {
    first: Date,
    last: Date,
    zone: TimeZone,
}

/// Why a text names no day of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    #[error("{0:?} is no date: eight digits, YYYYMMDD, of a day that the calendar has")]
    NoDate(String),
    #[error("{date} has not begun in {zone}")]
    Future { date: Date, zone: String },
    #[error("the start {first} is after the execution date {last}")]
    StartAfterEnd { first: Date, last: Date },
    #[error("the Job's name {0:?} ends neither in the time of a CronJob nor in a day, YYYYMMDD")]
    NoJob(String),
    #[error("{0} is a date already, and a Job's name says when `today` and `yesterday` are")]
    TwoDates(Date),
}

/// The date of a text such as `20261121`.
pub fn execution_date(text: &str) -> Result<Date, DateError> {
    let wrong = || DateError::NoDate(text.to_owned());
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let part = |range: std::ops::Range<usize>| text[range].parse::<i16>().map_err(|_| wrong());
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let narrow = |part: i16| i8::try_from(part).map_err(|_| wrong());
    // Year 0 and those before have no rows.
    if year < 1 {
        return Err(wrong());
    }
    Date::new(year, narrow(month)?, narrow(day)?).map_err(|_| wrong())
}

impl Days {
    /// From `first` to `last`, none of which may begin after `now`.
    pub fn new(first: Date, last: Date, zone: TimeZone, now: Timestamp) -> Result<Self, DateError> {
        if first > last {
            return Err(DateError::StartAfterEnd { first, last });
        }
        let days = Self { first, last, zone };
        if days.begin_of(last) > now.as_microsecond() {
            let zone = days.zone_name().to_owned();
            return Err(DateError::Future { date: last, zone });
        }
        Ok(days)
    }

    pub fn first(&self) -> Date {
        self.first
    }

    pub fn last(&self) -> Date {
        self.last
    }

    pub fn is_one(&self) -> bool {
        self.first == self.last
    }

    /// The day after the last.
    pub fn after(&self) -> Date {
        self.last.checked_add(1.day()).unwrap_or(Date::MAX)
    }

    /// When the first day begins and when the day after the last begins, in microseconds since the
    /// epoch. A day has 23 or 25 hours where clocks change.
    pub fn micros(&self) -> (i64, i64) {
        (self.begin_of(self.first), self.begin_of(self.after()))
    }

    /// The name of the time zone.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("this time zone")
    }

    /// Whether the last day is over.
    pub fn are_over(&self, now: Timestamp) -> bool {
        self.micros().1 <= now.as_microsecond()
    }

    /// Whether the days are those of UTC, by which BigQuery divides a TIMESTAMP column into days.
    pub fn are_of_utc(&self) -> bool {
        let utc = Self { zone: TimeZone::UTC, ..self.clone() };
        self.micros() == utc.micros()
    }

    /// Each day.
    pub fn each(&self) -> impl Iterator<Item = Date> {
        let last = self.last;
        self.first.series(1.day()).take_while(move |day| *day <= last)
    }

    fn begin_of(&self, day: Date) -> i64 {
        // The first moment of the day: midnight may be missing where clocks change.
        match day.to_zoned(self.zone.clone()).and_then(|zoned| zoned.start_of_day()) {
            Ok(begin) => begin.timestamp().as_microsecond(),
            // Beyond what a timestamp can be; the same days in UTC are close enough there.
            Err(_) => {
                day.to_zoned(TimeZone::UTC).map_or(i64::MAX, |at| at.timestamp().as_microsecond())
            }
        }
    }
}

impl std::fmt::Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_one() {
            true => self.first.fmt(f),
            false => write!(f, "{} to {}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(first: &str, last: &str, zone: &str) -> Days {
        let date = |text| execution_date(text).expect("a date");
        let zone = TimeZone::get(zone).expect("a zone");
        Days::new(date(first), date(last), zone, Timestamp::MAX).expect("days")
    }

    fn hours(days: &Days) -> i64 {
        let (from, to) = days.micros();
        (to - from) / 3_600_000_000
    }

    #[test]
    fn a_date_is_a_day_that_the_calendar_has() {
        for text in
            ["20261345", "20260230", "00000101", "2026112", "202611211", "2026-1-1", "２０２６", ""]
        {
            assert_eq!(execution_date(text), Err(DateError::NoDate(text.to_owned())), "{text}");
        }
        assert_eq!(execution_date("20240229"), Ok(Date::constant(2024, 2, 29)));
    }

    #[test]
    fn days_have_the_hours_that_clocks_give_them() {
        assert_eq!(hours(&days("20260329", "20260329", "Europe/Berlin")), 23);
        assert_eq!(hours(&days("20261025", "20261025", "Europe/Berlin")), 25);
        assert_eq!(hours(&days("20261024", "20261026", "Europe/Berlin")), 73);
        assert_eq!(hours(&days("20260329", "20260329", "UTC")), 24);
        // There, the hour that is repeated or left out begins or ends at midnight.
        assert_eq!(hours(&days("20180217", "20180217", "America/Sao_Paulo")), 25);
        assert_eq!(hours(&days("20181104", "20181104", "America/Sao_Paulo")), 23);
    }

    #[test]
    fn days_of_utc_are_told_from_others() {
        assert!(days("20261121", "20261121", "UTC").are_of_utc());
        // London is an hour ahead in summer alone.
        assert!(days("20261121", "20261121", "Europe/London").are_of_utc());
        assert!(!days("20260621", "20260621", "Europe/London").are_of_utc());
    }

    #[test]
    fn a_range_ends_after_it_begins_and_has_begun() {
        let date = |text| execution_date(text).expect("a date");
        let now: Timestamp = "2026-11-21T23:30:00Z".parse().expect("a time");
        let new = |first, last, zone| {
            Days::new(date(first), date(last), TimeZone::get(zone).expect("a zone"), now)
        };
        assert!(new("20261121", "20261121", "UTC").is_ok_and(|days| !days.are_over(now)));
        assert!(matches!(new("20261122", "20261122", "UTC"), Err(DateError::Future { .. })));
        // In Berlin it is the 22nd already.
        assert!(new("20261122", "20261122", "Europe/Berlin").is_ok());
        let wrong = new("20261121", "20261120", "UTC");
        assert!(matches!(wrong, Err(DateError::StartAfterEnd { .. })));
    }

    #[test]
    fn each_day_is_named_once() {
        let all: Vec<String> =
            days("20261230", "20270102", "UTC").each().map(|day| day.to_string()).collect();
        assert_eq!(all, ["2026-12-30", "2026-12-31", "2027-01-01", "2027-01-02"]);
    }
}
