//! TIMESTAMP, DATE, DATETIME and TIME: BigQuery's ranges, literals and packed forms.

use jiff::civil::{self, Date, DateTime, Time};
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

/// 0001-01-01 to 9999-12-31, in microseconds.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// 0001-01-01 to 9999-12-31, in days from 1970-01-01.
const DATES: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

const MICROS_A_DAY: i64 = 86_400_000_000;

const EPOCH: Date = civil::date(1970, 1, 1);

pub fn timestamp(micros: i64) -> Result<Value, String> {
    if !TIMESTAMPS.contains(&micros) {
        return Err(format!(
            "Timestamp value {micros} is out of range: 0001-01-01 00:00:00 to 9999-12-31 23:59:59.999999 UTC"
        ));
    }
    let date = date_of(micros.div_euclid(MICROS_A_DAY)).ok_or("Timestamp out of range")?;
    let time = time_of(micros.rem_euclid(MICROS_A_DAY)).ok_or("Timestamp out of range")?;
    Ok(json!(format!("{}T{}Z", Shown(date), ShownTime(time))))
}

pub fn timestamp_from_text(text: &str) -> Result<Value, String> {
    let text =
        text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |civil| format!("{civil}Z"));
    let parsed = text.parse::<Timestamp>().map(Timestamp::as_microsecond);
    // A literal without a time zone is in UTC.
    let civil = || datetime(&text).map(|at| micros_of(at.date()) + micros_of_day(at.time()));
    match parsed.ok().or_else(civil) {
        Some(micros) => timestamp(micros),
        None => Err(format!("Could not parse '{text}' as a timestamp.")),
    }
}

pub fn date(days: i64) -> Result<Value, String> {
    match date_of(days).filter(|_| DATES.contains(&days)) {
        Some(date) => Ok(json!(Shown(date).to_string())),
        None => Err(format!("Date value {days} is out of range: -719162 to 2932896")),
    }
}

pub fn date_from_text(text: &str) -> Result<Value, String> {
    match date_literal(text) {
        Some(date) => Ok(json!(Shown(date).to_string())),
        None => Err(format!("Invalid date: '{text}'")),
    }
}

pub fn datetime_from_text(text: &str) -> Result<Value, String> {
    match datetime(text) {
        Some(at) => Ok(shown_datetime(at)),
        None => Err(format!("Invalid datetime string \"{text}\"")),
    }
}

pub fn time_from_text(text: &str) -> Result<Value, String> {
    match time_literal(text) {
        Some(time) => Ok(json!(ShownTime(time).to_string())),
        None => Err(format!("Invalid time string \"{text}\"")),
    }
}

/// Reads the bit fields that `CivilTimeEncoder.encodePacked64DatetimeMicros` of Google's Java client
/// writes, from the lowest: microsecond 20 bits, second 6, minute 6, hour 5, day 5, month 4, year 14.
pub fn datetime_from_packed(packed: i64) -> Result<Value, String> {
    let field = |shift: u32, bits: u32| (packed >> shift) & ((1 << bits) - 1);
    let date = Date::new(field(46, 14) as i16, field(42, 4) as i8, field(37, 5) as i8).ok();
    let date = date.filter(|date| date.year() >= 1);
    match (date, packed_time(packed)) {
        (Some(date), Some(time)) if packed >= 0 => Ok(shown_datetime(date.to_datetime(time))),
        _ => Err(format!("Invalid packed datetime value {packed}")),
    }
}

pub fn time_from_packed(packed: i64) -> Result<Value, String> {
    match packed_time(packed).filter(|_| (0..1 << 37).contains(&packed)) {
        Some(time) => Ok(json!(ShownTime(time).to_string())),
        None => Err(format!("Invalid packed time value {packed}")),
    }
}

fn packed_time(packed: i64) -> Option<Time> {
    let field = |shift: u32, bits: u32| (packed >> shift) & ((1 << bits) - 1);
    let micros = i32::try_from(field(0, 20)).ok().filter(|micros| *micros < 1_000_000)?;
    Time::new(field(32, 5) as i8, field(26, 6) as i8, field(20, 6) as i8, micros * 1_000).ok()
}

// ------------------------------------------------------------------ literals

/// `YYYY-[M]M-[D]D`
fn date_literal(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4, 4)?;
    let month = digits(parts.next()?, 1, 2)?;
    let day = digits(parts.next()?, 1, 2)?;
    let date = Date::new(year as i16, month as i8, day as i8).ok()?;
    (date.year() >= 1).then_some(date)
}

/// `[H]H:[M]M:[S]S[.ffffff]`
fn time_literal(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.splitn(3, ':');
    let hour = digits(parts.next()?, 1, 2)?;
    let minute = digits(parts.next()?, 1, 2)?;
    let second = digits(parts.next()?, 1, 2)?;
    let scale = 10_i32.pow(6_u32.checked_sub(fraction.len() as u32)?);
    let micros = digits(fraction, 1, 6)? * scale;
    // Like BigQuery, jiff refuses second 60.
    Time::new(hour as i8, minute as i8, second as i8, micros * 1_000).ok()
}

/// A date, optionally followed by a space or a `T` and a time.
fn datetime(text: &str) -> Option<DateTime> {
    let Some((date, time)) = text.split_once([' ', 'T', 't']) else {
        return Some(date_literal(text)?.to_datetime(Time::midnight()));
    };
    Some(date_literal(date)?.to_datetime(time_literal(time)?))
}

fn digits(text: &str, least: usize, most: usize) -> Option<i32> {
    let fits =
        (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

// ------------------------------------------------------------------ arithmetic and text

fn date_of(days: i64) -> Option<Date> {
    EPOCH.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn time_of(micros: i64) -> Option<Time> {
    let seconds = micros / 1_000_000;
    let nanos = (micros % 1_000_000) as i32 * 1_000;
    Time::new((seconds / 3_600) as i8, (seconds / 60 % 60) as i8, (seconds % 60) as i8, nanos).ok()
}

fn micros_of(date: Date) -> i64 {
    EPOCH.until(date).map_or(0, |span| i64::from(span.get_days())) * MICROS_A_DAY
}

fn micros_of_day(time: Time) -> i64 {
    let seconds =
        i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1_000
}

fn shown_datetime(at: DateTime) -> Value {
    json!(format!("{}T{}", Shown(at.date()), ShownTime(at.time())))
}

/// `2026-11-21`
struct Shown(Date);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

/// `10:00:00.000000`
struct ShownTime(Time);

impl std::fmt::Display for ShownTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (time, micros) = (self.0, self.0.subsec_nanosecond() / 1_000);
        write!(f, "{:02}:{:02}:{:02}.{micros:06}", time.hour(), time.minute(), time.second())
    }
}
