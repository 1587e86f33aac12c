//! Converts a number or string of the payload to its column's type and writes it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::expected::{NumberAs, StringAs};
use super::fault::{Fault, Result};
use super::number::{self, Decimal, Integer, Number};
use super::partition::PartitionCheck;
use super::time::{self, TimeFault};
use super::wire::Tag;
use crate::record::Reason;

/// RFC 4648's standard alphabet. Padding may be missing, because the length tells as much.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Writes a number. Without a tag it is only checked: it has no column, or is part of JSON text.
#[inline]
pub(super) fn number(
    to: NumberAs,
    whole: bool,
    number: Number<'_>,
    tag: Option<Tag>,
    row: &mut Vec<u8>,
) -> Result<()> {
    // Writing an INT64 fails on fractions anyway.
    if whole && to != NumberAs::Int64 && number.integer() == Integer::Fraction {
        return Err(fraction());
    }
    match (tag, to) {
        (None, _) if number.is_float() => Ok(()),
        (None, _) => Err(too_large_for("FLOAT64")),
        (Some(tag), NumberAs::Int64) => int64(number.integer(), tag, row),
        (Some(tag), NumberAs::Float64) => float64(number.float(), tag, row),
        (Some(tag), NumberAs::Numeric | NumberAs::BigNumeric) => {
            match Decimal::parse(number.text) {
                Some(decimal) => exact_decimal(to, decimal, tag, row),
                None => Err(bad_format("a decimal")),
            }
        }
    }
}

/// Writes a number that is in a string, where it may also have leading zeros and a `+`.
fn number_in_string(to: NumberAs, text: &[u8], tag: Tag, row: &mut Vec<u8>) -> Result<()> {
    let Some(decimal) = Decimal::parse(text) else { return Err(bad_format("a decimal")) };
    match to {
        NumberAs::Int64 => match decimal.integer() {
            Integer::Fraction => Err(bad_format("an integer")),
            whole => int64(whole, tag, row),
        },
        NumberAs::Float64 => float64(number::float(text), tag, row),
        NumberAs::Numeric | NumberAs::BigNumeric => exact_decimal(to, decimal, tag, row),
    }
}

#[inline]
fn int64(value: Integer, tag: Tag, row: &mut Vec<u8>) -> Result<()> {
    match value {
        Integer::Fits(value) => {
            tag.int64(value, row);
            Ok(())
        }
        Integer::TooLarge => Err(too_large_for("INT64")),
        Integer::Fraction => Err(fraction()),
    }
}

/// `value` is `None` if the number is too large.
#[inline]
fn float64(value: Option<f64>, tag: Tag, row: &mut Vec<u8>) -> Result<()> {
    match value {
        Some(value) => {
            tag.double(value, row);
            Ok(())
        }
        None => Err(too_large_for("FLOAT64")),
    }
}

/// Writes a NUMERIC or BIGNUMERIC. Nothing is rounded: too many digits are a fault.
fn exact_decimal(to: NumberAs, decimal: Decimal<'_>, tag: Tag, row: &mut Vec<u8>) -> Result<()> {
    let (column, integer_digits, fraction_digits) = match to {
        NumberAs::Numeric => ("NUMERIC", 29, 9),
        // BigQuery guarantees 38 digits before the point and accepts some numbers with 39.
        _ => ("BIGNUMERIC", 38, 38),
    };
    if !decimal.fits(integer_digits, fraction_digits) {
        let detail = format!(
            "{column} holds {integer_digits} digits before and {fraction_digits} after the point"
        );
        return Err(Fault::new(Reason::OutOfRange, detail));
    }
    tag.delimited(row, |row| decimal.write(row));
    Ok(())
}

/// Writes a string that is converted to another type. `text` has no escapes any more.
pub(super) fn string(
    to: StringAs,
    text: &[u8],
    tag: Tag,
    partition: PartitionCheck<'_>,
    row: &mut Vec<u8>,
) -> Result<()> {
    match to {
        StringAs::Bytes => tag.delimited(row, |row| base64(text, row)),
        StringAs::Timestamp | StringAs::PartitionTimestamp => {
            let micros =
                time::date_time(text).map_err(|f| time_fault(f, "a date-time of RFC 3339"))?;
            if to == StringAs::PartitionTimestamp {
                partition.micros(micros)?;
            }
            tag.int64(micros, row);
            Ok(())
        }
        StringAs::Date | StringAs::PartitionDate => {
            let day = time::date(text).map_err(|f| time_fault(f, "a date"))?;
            if to == StringAs::PartitionDate {
                partition.day(day)?;
            }
            tag.int64(i64::from(day), row);
            Ok(())
        }
        StringAs::Datetime => tag.delimited(row, |row| {
            time::datetime_text(text, row)
                .map_err(|f| time_fault(f, "a date and time of day without offset"))
        }),
        StringAs::Time => tag.delimited(row, |row| {
            time::time_text(text, row).map_err(|f| time_fault(f, "a time of day without offset"))
        }),
        StringAs::Number(to) => number_in_string(to, text, tag, row),
    }
}

/// Appends what a text encodes in base64.
pub(super) fn base64(text: &[u8], row: &mut Vec<u8>) -> Result<()> {
    let start = row.len();
    row.resize(start + base64::decoded_len_estimate(text.len()), 0);
    let used = BASE64
        .decode_slice(text, &mut row[start..])
        .map_err(|_| bad_format("base64 of RFC 4648"))?;
    row.truncate(start + used);
    Ok(())
}

fn time_fault(fault: TimeFault, expected: &str) -> Box<Fault> {
    match fault {
        TimeFault::Format => bad_format(expected),
        TimeFault::Range => {
            Fault::new(Reason::OutOfRange, "dates and times must be in the years 1 to 9999 (UTC)")
        }
    }
}

fn bad_format(expected: &str) -> Box<Fault> {
    Fault::new(Reason::BadFormat, format!("found a string that is not {expected}"))
}

fn too_large_for(column: &str) -> Box<Fault> {
    Fault::new(Reason::OutOfRange, format!("a number beyond {column}"))
}

fn fraction() -> Box<Fault> {
    Fault::new(Reason::WrongType, "found a number with a fraction, expected integer")
}
