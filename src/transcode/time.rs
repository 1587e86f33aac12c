//! Parses dates and times of RFC 3339 into the integers and texts that rows carry. Nothing is
//! rounded, and nothing is allocated.
//!
//! The formats are fixed, so their parts are checked eight characters at a time ([`Shape`]).

use crate::row::ColumnType;

/// Why a text cannot be used as a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFault {
    /// The text does not have the format, or names a day or hour that does not exist.
    Format,
    /// The date or time is outside the years 1 to 9999 (UTC), which are all that a column holds.
    Range,
}

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Parses a `full-date` (`2026-11-21`) into days since 1970-01-01.
pub(super) fn date(text: &[u8]) -> Result<i32, TimeFault> {
    let (day, []) = full_date(text)? else { return Err(TimeFault::Format) };
    in_range(day)?;
    Ok(day as i32)
}

/// Parses a `date-time` with its offset into microseconds since 1970-01-01 UTC. Digits finer than a
/// microsecond are cut off, not rounded. A leap second counts as the first second of the next
/// minute, as in POSIX time.
pub(super) fn date_time(text: &[u8]) -> Result<i64, TimeFault> {
    let (day, rest) = full_date(text)?;
    let [b'T' | b't', rest @ ..] = rest else { return Err(TimeFault::Format) };
    let (time, rest) = partial_time(rest)?;
    let offset = offset(rest)?;
    let minute = i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    // A leap second exists only in the last minute of a UTC day.
    if time.second == 60 && minute.rem_euclid(24 * 60) != 23 * 60 + 59 {
        return Err(TimeFault::Format);
    }
    let micros = day * MICROS_PER_DAY
        + (minute * 60 + i64::from(time.second)) * MICROS_PER_SECOND
        + i64::from(time.micros);
    in_micros_range(micros)?;
    Ok(micros)
}

/// Checks that a TIMESTAMP column can hold this time.
pub(super) fn in_micros_range(micros: i64) -> Result<(), TimeFault> {
    if ColumnType::TIMESTAMPS.contains(&micros) { Ok(()) } else { Err(TimeFault::Range) }
}

/// Parses a date and time without offset and appends it as `YYYY-MM-DD HH:MM:SS.ffffff`.
pub(super) fn datetime_text(text: &[u8], into: &mut Vec<u8>) -> Result<(), TimeFault> {
    let (day, rest) = full_date(text)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return Err(TimeFault::Format) };
    let (time, []) = partial_time(rest)? else { return Err(TimeFault::Format) };
    in_range(day)?;
    into.extend_from_slice(&text[..10]);
    into.push(b' ');
    time.write(into)
}

/// Parses a time of day without offset and appends it as `HH:MM:SS.ffffff`.
pub(super) fn time_text(text: &[u8], into: &mut Vec<u8>) -> Result<(), TimeFault> {
    let (time, []) = partial_time(text)? else { return Err(TimeFault::Format) };
    time.write(into)
}

fn in_range(day: i64) -> Result<(), TimeFault> {
    if ColumnType::DATES.contains(&day) { Ok(()) } else { Err(TimeFault::Range) }
}

/// A time of day, `partial-time` in RFC 3339.
struct PartialTime {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
}

impl PartialTime {
    fn write(&self, into: &mut Vec<u8>) -> Result<(), TimeFault> {
        // Without an offset it is unknown whether the UTC day ends here, so a leap second is not
        // accepted.
        if self.second == 60 {
            return Err(TimeFault::Format);
        }
        for (place, value) in [self.hour, self.minute, self.second].into_iter().enumerate() {
            if place > 0 {
                into.push(b':');
            }
            into.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
        }
        into.push(b'.');
        let mut unit = 100_000;
        while unit > 0 {
            into.push(b'0' + (self.micros / unit % 10) as u8);
            unit /= 10;
        }
        Ok(())
    }
}

/// Parses `YYYY-MM-DD` at the start of the text into days since 1970-01-01; returns the rest too.
#[inline]
fn full_date(text: &[u8]) -> Result<(i64, &[u8]), TimeFault> {
    const YEAR_AND_MONTH: Shape = Shape::of(*b"0000-00-");
    let (date, rest) = text.split_first_chunk().ok_or(TimeFault::Format)?;
    let [century, _, year, _, _, month, ..] = YEAR_AND_MONTH.numbers(*date)?;
    let ([tens, ones], rest) = rest.split_first_chunk().ok_or(TimeFault::Format)?;
    let (year, month, day) = (century * 100 + year, month, two(*tens, *ones)?);
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return Err(TimeFault::Format);
    }
    Ok((days_from_civil(year, month, day), rest))
}

/// Parses `HH:MM:SS` with an optional fraction at the start of the text; returns the rest too.
#[inline]
fn partial_time(text: &[u8]) -> Result<(PartialTime, &[u8]), TimeFault> {
    const CLOCK: Shape = Shape::of(*b"00:00:00");
    let (clock, mut rest) = text.split_first_chunk().ok_or(TimeFault::Format)?;
    let [hour, _, _, minute, _, _, second, _] = CLOCK.numbers(*clock)?;
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimeFault::Format);
    }
    let mut micros = 0;
    if let [b'.', fraction @ ..] = rest {
        let mut unit = 100_000;
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = fraction.get(count) {
            micros += u32::from(digit - b'0') * unit;
            // 0 after six digits: what is finer than a microsecond is cut off.
            unit /= 10;
            count += 1;
        }
        if count == 0 {
            return Err(TimeFault::Format);
        }
        rest = &fraction[count..];
    }
    Ok((PartialTime { hour, minute, second, micros }, rest))
}

/// A pattern of eight characters, each a digit or a given separator, that is checked with a few
/// operations on one 64-bit word instead of eight comparisons.
struct Shape {
    /// In each byte the smallest character allowed there.
    smallest: u64,
    /// In each byte 0x7f minus how far the character may exceed the smallest one: by 9 for a digit,
    /// by 0 for a separator.
    slack: u64,
}

impl Shape {
    /// Makes a shape from an example: `0` stands for any digit.
    const fn of(pattern: [u8; 8]) -> Self {
        let mut slack = [0x7f; 8];
        let mut at = 0;
        while at < 8 {
            if pattern[at] == b'0' {
                slack[at] -= 9;
            }
            at += 1;
        }
        Self { smallest: u64::from_le_bytes(pattern), slack: u64::from_le_bytes(slack) }
    }

    /// Checks the text and returns its numbers: element `n` is the two-digit number at characters
    /// `n` and `n + 1`. Elements where a separator is involved are meaningless.
    #[inline]
    fn numbers(&self, text: [u8; 8]) -> Result<[u32; 8], TimeFault> {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        // Subtracting sets the high bit of a byte below its smallest character; adding the slack
        // sets it in one above its largest. A borrow or carry can spoil later bytes, but only after
        // the high bit of an earlier one is set, and then the text is rejected anyway.
        let values = u64::from_le_bytes(text).wrapping_sub(self.smallest);
        if (values | values.wrapping_add(self.slack)) & HIGH != 0 {
            return Err(TimeFault::Format);
        }
        Ok((values * 10 + (values >> 8)).to_le_bytes().map(u32::from))
    }
}

/// Parses the offset that ends a `date-time` into minutes east of UTC.
fn offset(text: &[u8]) -> Result<i64, TimeFault> {
    match *text {
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return Err(TimeFault::Format);
            }
            let offset = i64::from(hours * 60 + minutes);
            Ok(if sign == b'-' { -offset } else { offset })
        }
        _ => Err(TimeFault::Format),
    }
}

fn two(tens: u8, ones: u8) -> Result<u32, TimeFault> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 {
        return Err(TimeFault::Format);
    }
    Ok(u32::from(tens) * 10 + u32::from(ones))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to this date of the proleptic Gregorian calendar (Howard
/// Hinnant's `days_from_civil`).
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // Years start in March, so that the leap day is the last one, and 400 years are added, so that
    // no number is negative.
    let year = year + 400 - u32::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i64::from(era * 146_097 + day_of_era) - 719_468 - 146_097
}
