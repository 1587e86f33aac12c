//! Times on the command line.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A time in microseconds since the epoch: a day, which begins in UTC, or a time with its zone.
pub fn micros(text: &str) -> Result<i64, String> {
    let day = || {
        let day: Date = text.parse().ok()?;
        day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
    };
    let at = if text.len() == 10 { day() } else { text.parse::<Timestamp>().ok() };
    at.map(Timestamp::as_microsecond).ok_or_else(|| {
        "a day (2026-11-20), or a time with its zone (2026-11-20T06:00:00Z)".to_owned()
    })
}
