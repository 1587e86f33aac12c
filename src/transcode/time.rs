//! Dates and times of RFC 3339 as BigQuery's integers, exactly; nothing here allocates.

/// Why a text is no date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFault {
    /// Not of the format, or a day or hour that does not exist.
    Format,
    /// A real moment outside BigQuery's years 1 to 9999 (UTC).
    Range,
}

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// 0001-01-01 and 9999-12-31 as days since 1970-01-01.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;

/// Days since the epoch of a `full-date` (`2026-11-21`).
pub(super) fn date(text: &[u8]) -> Result<i32, TimeFault> {
    let (day, []) = full_date(text)? else { return Err(TimeFault::Format) };
    in_range(day)?;
    Ok(day as i32)
}

/// Microseconds since the epoch of a `date-time` with its offset; finer fractions are cut, not
/// rounded. A leap second counts as the first second of the next minute, as POSIX time has it.
pub(super) fn date_time(text: &[u8]) -> Result<i64, TimeFault> {
    let (day, rest) = full_date(text)?;
    let [b'T' | b't', rest @ ..] = rest else { return Err(TimeFault::Format) };
    let (time, rest) = partial_time(rest)?;
    let offset = offset(rest)?;
    let minute = i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    // RFC 3339 knows 60 only in the last minute of a UTC day.
    if time.second == 60 && minute.rem_euclid(24 * 60) != 23 * 60 + 59 {
        return Err(TimeFault::Format);
    }
    let micros = day * MICROS_PER_DAY
        + (minute * 60 + i64::from(time.second)) * MICROS_PER_SECOND
        + i64::from(time.micros);
    in_micros_range(micros)?;
    Ok(micros)
}

/// Whether BigQuery's TIMESTAMP holds it.
pub(super) fn in_micros_range(micros: i64) -> Result<(), TimeFault> {
    let days = FIRST_DAY * MICROS_PER_DAY..(LAST_DAY + 1) * MICROS_PER_DAY;
    if days.contains(&micros) { Ok(()) } else { Err(TimeFault::Range) }
}

/// Writes a civil date and time without zone in BigQuery's form, to the microsecond.
pub(super) fn datetime_text(text: &[u8], into: &mut Vec<u8>) -> Result<(), TimeFault> {
    let (day, rest) = full_date(text)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return Err(TimeFault::Format) };
    let (time, []) = partial_time(rest)? else { return Err(TimeFault::Format) };
    in_range(day)?;
    into.extend_from_slice(&text[..10]);
    into.push(b' ');
    time.write(into)
}

/// Writes a time of day without zone in BigQuery's form, to the microsecond.
pub(super) fn time_text(text: &[u8], into: &mut Vec<u8>) -> Result<(), TimeFault> {
    let (time, []) = partial_time(text)? else { return Err(TimeFault::Format) };
    time.write(into)
}

fn in_range(day: i64) -> Result<(), TimeFault> {
    if (FIRST_DAY..=LAST_DAY).contains(&day) { Ok(()) } else { Err(TimeFault::Range) }
}

struct PartialTime {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
}

impl PartialTime {
    fn write(&self, into: &mut Vec<u8>) -> Result<(), TimeFault> {
        // Without a date there is no next minute that a leap second could become.
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

/// `YYYY-MM-DD`, its days since the epoch, and what follows.
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

/// `HH:MM:SS` with an optional fraction, and what follows.
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
            // Finer than a microsecond: cut.
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

/// Eight characters, each a digit or a certain separator, looked at together.
struct Shape {
    /// The least that each character may be, and how far below 0x80 the most is above it.
    least: u64,
    slack: u64,
}

impl Shape {
    /// `0` stands for any digit.
    const fn of(pattern: [u8; 8]) -> Self {
        let mut slack = [0x7f; 8];
        let mut at = 0;
        while at < 8 {
            if pattern[at] == b'0' {
                slack[at] -= 9;
            }
            at += 1;
        }
        Self { least: u64::from_le_bytes(pattern), slack: u64::from_le_bytes(slack) }
    }

    /// At each place the number that the digits there and behind it make; between separators only.
    #[inline]
    fn numbers(&self, text: [u8; 8]) -> Result<[u32; 8], TimeFault> {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        // The high bit comes up in a byte that is below its least, or above its most. What it
        // borrows or carries spoils bytes behind it, when the text is refused already.
        let above = u64::from_le_bytes(text).wrapping_sub(self.least);
        if (above | above.wrapping_add(self.slack)) & HIGH != 0 {
            return Err(TimeFault::Format);
        }
        Ok((above * 10 + (above >> 8)).to_le_bytes().map(u32::from))
    }
}

/// Minutes east of UTC; nothing may follow.
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

/// Howard Hinnant's `days_from_civil`: days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // Years begin in March, and one era earlier, so that nothing is negative.
    let year = year + 400 - u32::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i64::from(era * 146_097 + day_of_era) - 719_468 - 146_097
}
