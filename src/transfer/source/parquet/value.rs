//! The values of Parquet's types as JSON that a contract decodes.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::errors::ParquetError;
use serde_json::value::RawValue;

use super::kind::{Kind, Unit};

/// The most bytes of a DECIMAL: more than any column of a table has digits for.
const LONGEST_DECIMAL: usize = 64;

/// The largest scale that is written as digits after the point, and not as an exponent.
const LARGEST_SCALE: usize = 200;

/// The Julian day of 1970-01-01.
const JULIAN_EPOCH: i128 = 2_440_588;

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// A value that a column cannot have.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(&'static str);

impl From<BadValue> for ParquetError {
    fn from(bad: BadValue) -> Self {
        Self::General(bad.0.to_owned())
    }
}

/// A physical type whose values can be written as JSON.
pub trait AsJson {
    fn write(&self, kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue>;
}

impl AsJson for bool {
    fn write(&self, _: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        put(into, format_args!("{self}"));
        Ok(())
    }
}

impl AsJson for i32 {
    fn write(&self, kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        match kind {
            Kind::Unsigned => put(into, format_args!("{}", self.cast_unsigned())),
            kind => integer(i64::from(*self), kind, into)?,
        }
        Ok(())
    }
}

impl AsJson for i64 {
    fn write(&self, kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        match kind {
            Kind::Unsigned => put(into, format_args!("{}", self.cast_unsigned())),
            kind => integer(*self, kind, into)?,
        }
        Ok(())
    }
}

impl AsJson for Int96 {
    /// An instant: nanoseconds of a day, and the Julian day.
    fn write(&self, _: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        let &[low, high, day] = self.data() else { return Err(BadValue("an INT96 without value")) };
        let nanos = i128::from(high) << 32 | i128::from(low);
        timestamp(
            (i128::from(day) - JULIAN_EPOCH) * NANOS_PER_DAY + nanos,
            Unit::Nanos,
            true,
            into,
        );
        Ok(())
    }
}

impl AsJson for f32 {
    fn write(&self, _: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        float(f64::from(*self), into);
        Ok(())
    }
}

impl AsJson for f64 {
    fn write(&self, _: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        float(*self, into);
        Ok(())
    }
}

impl AsJson for ByteArray {
    fn write(&self, kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        bytes(self.data(), kind, into)
    }
}

impl AsJson for FixedLenByteArray {
    fn write(&self, kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
        bytes(self.data(), kind, into)
    }
}

fn integer(value: i64, kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
    match kind {
        Kind::Decimal { scale, is_text } => {
            return decimal(&value.to_be_bytes(), scale, is_text, into);
        }
        Kind::Date => {
            into.push(b'"');
            date(i128::from(value), into);
            into.push(b'"');
        }
        Kind::Time(unit) => {
            let nanos = i128::from(value) * unit.nanos();
            into.push(b'"');
            // No clock shows it; a contract that wants a time rejects it.
            if nanos < 0 {
                into.push(b'-');
            }
            clock(nanos.abs(), unit, into);
            into.push(b'"');
        }
        Kind::Timestamp { unit, is_utc } => {
            timestamp(i128::from(value) * unit.nanos(), unit, is_utc, into);
        }
        _ => put(into, format_args!("{value}")),
    }
    Ok(())
}

fn bytes(value: &[u8], kind: Kind, into: &mut Vec<u8>) -> Result<(), BadValue> {
    match kind {
        Kind::Text => text(value, into),
        Kind::Json => {
            let json = std::str::from_utf8(value).ok().map(str::trim);
            match json.filter(|json| serde_json::from_str::<&RawValue>(json).is_ok()) {
                Some(json) => into.extend_from_slice(json.as_bytes()),
                None => text(value, into),
            }
        }
        Kind::Uuid => {
            let &[a, b, c, d, e, f, g, h, ref node @ ..] = value else {
                return Err(BadValue("a UUID that has not 16 bytes"));
            };
            put(into, format_args!("\"{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-{g:02x}{h:02x}"));
            for (number, byte) in node.iter().enumerate() {
                let hyphen = if matches!(number, 0 | 2) { "-" } else { "" };
                put(into, format_args!("{hyphen}{byte:02x}"));
            }
            into.push(b'"');
        }
        Kind::Decimal { scale, is_text } => return decimal(value, scale, is_text, into),
        Kind::Float16 => {
            let &[low, high] = value else {
                return Err(BadValue("a FLOAT16 that has not 2 bytes"));
            };
            float(f64_of_half(u16::from_le_bytes([low, high])), into);
        }
        _ => {
            into.push(b'"');
            into.extend_from_slice(STANDARD.encode(value).as_bytes());
            into.push(b'"');
        }
    }
    Ok(())
}

/// JSON has no NaN and no infinity. As texts they are rejected where the contract wants a number.
fn float(value: f64, into: &mut Vec<u8>) {
    if value.is_finite() {
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(into, &value);
    } else if value.is_nan() {
        into.extend_from_slice(b"\"NaN\"");
    } else {
        into.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
}

/// A half-precision number of IEEE 754, which FLOAT64 holds exactly.
fn f64_of_half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

/// A text that is not UTF-8 stays so; the row is rejected for that.
pub fn text(value: &[u8], into: &mut Vec<u8>) {
    match std::str::from_utf8(value) {
        Ok(text) => {
            // Writing to a vector cannot fail.
            let _ = serde_json::to_writer(into, text);
        }
        Err(_) => {
            into.push(b'"');
            for byte in value {
                match byte {
                    b'"' | b'\\' => into.extend_from_slice(&[b'\\', *byte]),
                    0..=0x1f => put(into, format_args!("\\u{byte:04x}")),
                    byte => into.push(*byte),
                }
            }
            into.push(b'"');
        }
    }
}

/// The number of these bytes, most significant first, in two's complement, divided by 10 to the power
/// of `scale`: all digits.
fn decimal(value: &[u8], scale: usize, is_text: bool, into: &mut Vec<u8>) -> Result<(), BadValue> {
    let is_negative = value.first().is_some_and(|byte| byte >> 7 == 1);
    let padding = if is_negative { 0xff } else { 0 };
    let padded = value.iter().take_while(|byte| **byte == padding).count();
    let value = value.get(padded..).unwrap_or_default();
    if value.len() > LONGEST_DECIMAL {
        return Err(BadValue("a DECIMAL of more than 64 bytes"));
    }
    let digits = match is_negative {
        false => digits(value.iter().copied()),
        // The complement is one less than the magnitude.
        true => one_more(digits(value.iter().map(|byte| !byte))),
    };
    if is_text {
        into.push(b'"');
    }
    if is_negative {
        into.push(b'-');
    }
    let digits = digits.into_iter().map(|digit| b'0' + digit);
    if scale > LARGEST_SCALE {
        into.extend(digits.rev());
        put(into, format_args!("e-{scale}"));
    } else {
        let mut digits: Vec<u8> = digits.collect();
        digits.resize(digits.len().max(scale + 1), b'0');
        for (place, digit) in digits.iter().enumerate().rev() {
            into.push(*digit);
            if place == scale && scale > 0 {
                into.push(b'.');
            }
        }
    }
    if is_text {
        into.push(b'"');
    }
    Ok(())
}

/// Decimal digits of a number, the least significant first; at least one.
fn digits(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut digits = vec![0_u8];
    for byte in bytes {
        let mut carry = u16::from(byte);
        for digit in &mut digits {
            let value = u16::from(*digit) * 256 + carry;
            *digit = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits
}

fn one_more(mut digits: Vec<u8>) -> Vec<u8> {
    for digit in &mut digits {
        if *digit < 9 {
            *digit += 1;
            return digits;
        }
        *digit = 0;
    }
    digits.push(1);
    digits
}

/// `is_utc`: with the `Z` that an instant has.
fn timestamp(nanos: i128, unit: Unit, is_utc: bool, into: &mut Vec<u8>) {
    into.push(b'"');
    date(nanos.div_euclid(NANOS_PER_DAY), into);
    into.push(b'T');
    clock(nanos.rem_euclid(NANOS_PER_DAY), unit, into);
    if is_utc {
        into.push(b'Z');
    }
    into.push(b'"');
}

fn clock(nanos: i128, unit: Unit, into: &mut Vec<u8>) {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000 / unit.nanos());
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let digits = unit.digits();
    put(into, format_args!("{hour:02}:{minute:02}:{second:02}.{fraction:0digits$}"));
}

/// The date of a day since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's
/// `civil_from_days`). Years have as many digits as they need; a contract that wants a date takes four.
fn date(days: i128, into: &mut Vec<u8>) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years begin in March, so that the leap day is the last one.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    put(into, format_args!("{year:04}-{month:02}-{day:02}"));
}

fn put(into: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = into.write_fmt(what);
}
