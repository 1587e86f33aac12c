//! Scalars: from a number or string of the payload to a column's wire format.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::fault::{Fault, Walked};
use super::number::{self, Decimal, Integer, Number};
use super::partition::PartitionCheck;
use super::plan::{Converted, NumberAs};
use super::time::{self, TimeFault};
use super::wire::Tag;
use crate::record::Reason;

/// RFC 4648's standard alphabet; padding may be left out, since nothing is lost by it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Writes a number; without a tag it is only checked, and stands in JSON text.
#[inline]
pub(super) fn number(
    to: NumberAs,
    whole: bool,
    number: Number<'_>,
    tag: Option<Tag>,
    row: &mut Vec<u8>,
) -> Walked<()> {
    // INT64 finds fractions itself.
    if whole && to != NumberAs::Int64 && number.integer() == Integer::Fraction {
        return Err(fraction());
    }
    match (tag, to) {
        (None, _) if number.is_float() => Ok(()),
        (None, _) => Err(beyond("FLOAT64")),
        (Some(tag), NumberAs::Int64) => integer(number.integer(), tag, row),
        (Some(tag), NumberAs::Float64) => float(number.float(), tag, row),
        (Some(tag), NumberAs::Numeric | NumberAs::BigNumeric) => {
            match Decimal::parse(number.text) {
                Some(decimal) => exact(to, decimal, tag, row),
                None => Err(bad_format("a decimal")),
            }
        }
    }
}

/// A number in a string, where leading zeros and a `+` may stand besides.
fn number_in_string(to: NumberAs, text: &[u8], tag: Tag, row: &mut Vec<u8>) -> Walked<()> {
    let Some(decimal) = Decimal::parse(text) else { return Err(bad_format("a decimal")) };
    match to {
        NumberAs::Int64 => match decimal.integer() {
            Integer::Fraction => Err(bad_format("an integer")),
            whole => integer(whole, tag, row),
        },
        NumberAs::Float64 => float(number::float(text), tag, row),
        NumberAs::Numeric | NumberAs::BigNumeric => exact(to, decimal, tag, row),
    }
}

#[inline]
fn integer(value: Integer, tag: Tag, row: &mut Vec<u8>) -> Walked<()> {
    match value {
        Integer::Fits(value) => {
            tag.int64(value, row);
            Ok(())
        }
        Integer::Beyond => Err(beyond("INT64")),
        Integer::Fraction => Err(fraction()),
    }
}

#[inline]
fn float(value: Option<f64>, tag: Tag, row: &mut Vec<u8>) -> Walked<()> {
    match value {
        Some(value) => {
            tag.double(value, row);
            Ok(())
        }
        None => Err(beyond("FLOAT64")),
    }
}

/// Writes a NUMERIC or BIGNUMERIC.
fn exact(to: NumberAs, decimal: Decimal<'_>, tag: Tag, row: &mut Vec<u8>) -> Walked<()> {
    let (column, before, after) = match to {
        NumberAs::Numeric => ("NUMERIC", 29, 9),
        // BigQuery holds a little more than 38 digits before the point, and promises 38.
        _ => ("BIGNUMERIC", 38, 38),
    };
    if !decimal.fits(before, after) {
        let detail = format!("{column} holds {before} digits before and {after} after the point");
        return Err(Fault::new(Reason::OutOfRange, detail));
    }
    tag.delimited(row, |row| decimal.write(row));
    Ok(())
}

/// Writes a string that becomes something else than itself.
pub(super) fn string(
    to: Converted,
    text: &[u8],
    tag: Tag,
    partition: PartitionCheck<'_>,
    row: &mut Vec<u8>,
) -> Walked<()> {
    match to {
        Converted::Base64 => tag.delimited(row, |row| base64(text, row)),
        Converted::Timestamp | Converted::PartitionTimestamp => {
            let micros = time::date_time(text).map_err(|f| moment(f, "a date-time of RFC 3339"))?;
            if to == Converted::PartitionTimestamp {
                partition.micros(micros)?;
            }
            tag.int64(micros, row);
            Ok(())
        }
        Converted::Date | Converted::PartitionDate => {
            let day = time::date(text).map_err(|f| moment(f, "a date"))?;
            if to == Converted::PartitionDate {
                partition.day(day)?;
            }
            tag.int64(i64::from(day), row);
            Ok(())
        }
        Converted::Datetime => tag.delimited(row, |row| {
            time::datetime_text(text, row)
                .map_err(|f| moment(f, "a date and time of day without zone"))
        }),
        Converted::Time => tag.delimited(row, |row| {
            time::time_text(text, row).map_err(|f| moment(f, "a time of day without zone"))
        }),
        Converted::Number(to) => number_in_string(to, text, tag, row),
    }
}

fn base64(text: &[u8], row: &mut Vec<u8>) -> Walked<()> {
    let start = row.len();
    row.resize(start + base64::decoded_len_estimate(text.len()), 0);
    let used = BASE64
        .decode_slice(text, &mut row[start..])
        .map_err(|_| bad_format("base64 of RFC 4648"))?;
    row.truncate(start + used);
    Ok(())
}

fn moment(fault: TimeFault, expected: &str) -> Box<Fault> {
    match fault {
        TimeFault::Format => bad_format(expected),
        TimeFault::Range => {
            Fault::new(Reason::OutOfRange, "BigQuery's dates and times are of the years 1 to 9999")
        }
    }
}

fn bad_format(expected: &str) -> Box<Fault> {
    Fault::new(Reason::BadFormat, format!("found a string that is not {expected}"))
}

fn beyond(column: &str) -> Box<Fault> {
    Fault::new(Reason::OutOfRange, format!("a number beyond {column}"))
}

fn fraction() -> Box<Fault> {
    Fault::new(Reason::WrongType, "found a number with a fraction, expected integer")
}
