//! Functions of TIMESTAMP, DATE and DATETIME, which are all read as a civil time in UTC.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Span, Unit};
use rusqlite::types::{Value, ValueRef};

use super::casts::stored;
use super::values::{Computed, Function, int_of, text_of};
use crate::local::bigquery::cell::Scalar;
use crate::local::bigquery::field_schema::FieldType;
use crate::local::bigquery::sql::error::UNSUPPORTED;

pub const ALL: &[Function] = &[
    ("bq_date", 3, date),
    ("bq_time_add", 5, add),
    ("bq_time_diff", 4, difference),
    ("bq_time_trunc", 3, truncated),
    ("bq_extract", 3, extract),
    ("bq_format", 2, format_time),
    ("bq_unix_micros", 1, |given| unix(given, 1)),
    ("bq_unix_millis", 1, |given| unix(given, 1_000)),
    ("bq_unix_seconds", 1, |given| unix(given, 1_000_000)),
    ("bq_unix_date", 1, |given| unix(given, MICROS_A_DAY)),
    ("bq_timestamp_micros", 1, |given| timestamp(given, 1)),
    ("bq_timestamp_millis", 1, |given| timestamp(given, 1_000)),
    ("bq_timestamp_seconds", 1, |given| timestamp(given, 1_000_000)),
];

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Reads a stored TIMESTAMP, DATE or DATETIME.
fn read(value: &ValueRef<'_>) -> Result<DateTime, String> {
    let text = text_of(value)?;
    let civil = text.trim_end_matches('Z');
    let parsed = match civil.len() {
        10 => civil.parse::<Date>().map(|date| date.to_datetime(Time::midnight())),
        _ => civil.parse::<DateTime>(),
    };
    parsed.map_err(|_| format!("Invalid time: '{text}'"))
}

fn write(at: DateTime, kind: &str) -> Computed {
    let kind = FieldType::parse(kind).unwrap_or(FieldType::Datetime);
    let text = match kind {
        FieldType::Date => at.date().to_string(),
        _ => at.to_string(),
    };
    stored(Scalar::Text(&text), kind)
}

/// Microseconds since the epoch.
fn micros(at: DateTime) -> Result<i64, String> {
    let zoned = at.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(zoned.timestamp().as_microsecond())
}

fn unix(given: &[ValueRef<'_>], unit: i64) -> Computed {
    Ok(Value::Integer(micros(read(&given[0])?)?.div_euclid(unit)))
}

fn timestamp(given: &[ValueRef<'_>], unit: i64) -> Computed {
    let micros = int_of(&given[0])?.checked_mul(unit).ok_or("timestamp overflow")?;
    stored(Scalar::Int(micros), FieldType::Timestamp)
}

fn date(given: &[ValueRef<'_>]) -> Computed {
    let [year, month, day] = [int_of(&given[0])?, int_of(&given[1])?, int_of(&given[2])?];
    let text = format!("{year:04}-{month:02}-{day:02}");
    stored(Scalar::Text(&text), FieldType::Date)
}

/// `bq_time_add(value, amount, sign, part, type)`
fn add(given: &[ValueRef<'_>]) -> Computed {
    let (at, part, kind) = (read(&given[0])?, text_of(&given[3])?, text_of(&given[4])?);
    let (amount, sign) = (int_of(&given[1])?, int_of(&given[2])?);
    let overflow = || format!("{kind} overflow: adding {amount} {part} to {at}");
    let amount = amount.checked_mul(sign).ok_or_else(overflow)?;
    let span = match part {
        "MICROSECOND" => Span::new().try_microseconds(amount),
        "MILLISECOND" => Span::new().try_milliseconds(amount),
        "SECOND" => Span::new().try_seconds(amount),
        "MINUTE" => Span::new().try_minutes(amount),
        "HOUR" => Span::new().try_hours(amount),
        "DAY" => Span::new().try_days(amount),
        "WEEK" | "ISOWEEK" => Span::new().try_weeks(amount),
        "MONTH" => Span::new().try_months(amount),
        "QUARTER" => Span::new().try_months(amount.checked_mul(3).ok_or_else(overflow)?),
        _ => Span::new().try_years(amount),
    };
    let done = span.and_then(|span| at.checked_add(span)).map_err(|_| overflow())?;
    write(done, kind).map_err(|_| overflow())
}

/// `bq_time_diff(left, right, part, type)`: how many times a part begins between the two; of
/// timestamps, how many whole parts are between them.
fn difference(given: &[ValueRef<'_>]) -> Computed {
    let (left, right) = (read(&given[0])?, read(&given[1])?);
    let (part, kind) = (text_of(&given[2])?, text_of(&given[3])?);
    let months = |at: DateTime| i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
    let count = match part {
        "YEAR" => i64::from(left.year()) - i64::from(right.year()),
        "QUARTER" => months(left).div_euclid(3) - months(right).div_euclid(3),
        "MONTH" => months(left) - months(right),
        part => {
            let unit = match part {
                "MICROSECOND" => 1,
                "MILLISECOND" => 1_000,
                "SECOND" => 1_000_000,
                "MINUTE" => 60_000_000,
                "HOUR" => 3_600_000_000,
                "DAY" => MICROS_A_DAY,
                _ => MICROS_A_DAY * 7,
            };
            let [left, right] = match kind {
                "TIMESTAMP" => [left, right],
                _ => [trunc(left, part)?, trunc(right, part)?],
            };
            (micros(left)? - micros(right)?) / unit
        }
    };
    Ok(Value::Integer(count))
}

/// `bq_time_trunc(value, part, type)`
fn truncated(given: &[ValueRef<'_>]) -> Computed {
    write(trunc(read(&given[0])?, text_of(&given[1])?)?, text_of(&given[2])?)
}

/// The start of the part in which a time is. Weeks begin on Sunday, ISO weeks on Monday.
fn trunc(at: DateTime, part: &str) -> Result<DateTime, String> {
    let failed = |error: jiff::Error| error.to_string();
    let unit = match part {
        "MICROSECOND" => return Ok(at),
        "MILLISECOND" => Unit::Millisecond,
        "SECOND" => Unit::Second,
        "MINUTE" => Unit::Minute,
        "HOUR" => Unit::Hour,
        _ => {
            let date = at.date();
            let back = |days: i8| date.checked_sub(Span::new().days(days)).map_err(failed);
            let first = |month: i8| Date::new(date.year(), month, 1).map_err(failed);
            let start = match part {
                "WEEK" => back(date.weekday().to_sunday_zero_offset())?,
                "ISOWEEK" => back(date.weekday().to_monday_zero_offset())?,
                "MONTH" => date.first_of_month(),
                "QUARTER" => first((date.month() - 1) / 3 * 3 + 1)?,
                "YEAR" => date.first_of_year(),
                _ => date,
            };
            return Ok(start.to_datetime(Time::midnight()));
        }
    };
    let rounding = jiff::civil::DateTimeRound::new().smallest(unit).mode(jiff::RoundMode::Trunc);
    at.round(rounding).map_err(failed)
}

/// `bq_extract(value, part, type)`
fn extract(given: &[ValueRef<'_>]) -> Computed {
    let at = read(&given[0])?;
    let date = at.date();
    let day = i64::from(date.day_of_year());
    Ok(Value::Integer(match text_of(&given[1])? {
        "YEAR" => i64::from(at.year()),
        "QUARTER" => i64::from((at.month() - 1) / 3 + 1),
        "MONTH" => i64::from(at.month()),
        // The days before the year's first Sunday are in week 0.
        "WEEK" => (day + 6 - i64::from(date.weekday().to_sunday_zero_offset())) / 7,
        "ISOWEEK" => i64::from(date.iso_week_date().week()),
        "ISOYEAR" => i64::from(date.iso_week_date().year()),
        "DAY" => i64::from(at.day()),
        "DAYOFWEEK" => i64::from(date.weekday().to_sunday_one_offset()),
        "DAYOFYEAR" => day,
        "HOUR" => i64::from(at.hour()),
        "MINUTE" => i64::from(at.minute()),
        "SECOND" => i64::from(at.second()),
        "MILLISECOND" => i64::from(at.subsec_nanosecond() / 1_000_000),
        "MICROSECOND" => i64::from(at.subsec_nanosecond() / 1_000),
        part => return Err(format!("EXTRACT does not support the {part} date part")),
    }))
}

/// The letters after `%` that mean the same to BigQuery and to jiff.
const FORMATS: &str = "aAbBdDeFHIjklmMnpPRsStTuwyYzZ%";

/// `bq_format(format, value)`
fn format_time(given: &[ValueRef<'_>]) -> Computed {
    let (format, at) = (text_of(&given[0])?, read(&given[1])?);
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' && !letters.next().is_some_and(|letter| FORMATS.contains(letter)) {
            return Err(format!("{UNSUPPORTED}the format {format}"));
        }
    }
    let zoned = at.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    strtime::format(format, &zoned).map(Value::Text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;

    #[test]
    fn weeks_are_numbered_from_the_first_sunday() {
        let week = |text: &str| {
            extract(&[ValueRef::from(text), ValueRef::from("WEEK"), ValueRef::from("DATE")])
        };
        // 2023 began on a Sunday, 2026 on a Thursday.
        for (day, number) in
            [("2023-01-01", 1), ("2026-01-03", 0), ("2026-01-04", 1), ("2026-12-31", 52)]
        {
            assert_eq!(week(day), Ok(Value::Integer(number)), "{day}");
        }
        assert_eq!(read(&ValueRef::from("2023-01-01")).map(|at| at.weekday()), Ok(Weekday::Sunday));
    }
}
