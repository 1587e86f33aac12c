//! How the oracle converts numbers and strings: decimals by shifting text, times with jiff, base64
//! with its crate.

use base64::Engine;

use super::descriptor::Cell;
use super::values::plain_decimal_of;
use crate::record::Reason;
use crate::row::ColumnType;

/// Converts the text of a number or string to a column's type.
pub(super) fn cell(kind: &ColumnType, text: &str, is_string: bool) -> Result<Cell, Reason> {
    match kind {
        ColumnType::String => Ok(Cell::Text(text.to_owned())),
        ColumnType::Bytes => {
            // Padding may be missing, but there must not be too much.
            let digits = text.trim_end_matches('=');
            if text.len() > digits.len().next_multiple_of(4) {
                return Err(Reason::BadFormat);
            }
            let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(digits);
            bytes.map(Cell::Bytes).map_err(|_| Reason::BadFormat)
        }
        ColumnType::Timestamp => moment(text).map(Cell::Int),
        ColumnType::Date => day(text).map(Cell::Int),
        ColumnType::Int64 => match plain_decimal_of(text) {
            None => Err(Reason::BadFormat),
            Some((_, _, fraction)) if !fraction.is_empty() => {
                Err(if is_string { Reason::BadFormat } else { Reason::WrongType })
            }
            Some((negative, whole, _)) => {
                let sign = if negative { "-" } else { "" };
                let whole = if whole.is_empty() { "0" } else { &whole };
                format!("{sign}{whole}").parse().map(Cell::Int).map_err(|_| Reason::OutOfRange)
            }
        },
        ColumnType::Float64 => {
            plain_decimal_of(text).ok_or(Reason::BadFormat)?;
            let value: f64 = text.parse().map_err(|_| Reason::BadFormat)?;
            let value = Some(value).filter(|value| value.is_finite());
            value.map(|value| Cell::Float(value.to_bits())).ok_or(Reason::OutOfRange)
        }
        ColumnType::Numeric => decimal(text, 29, 9),
        ColumnType::BigNumeric => decimal(text, 38, 38),
        ColumnType::Datetime => {
            let (date, time) = text.split_once(['T', ' ']).ok_or(Reason::BadFormat)?;
            shaped(date, "0000-00-00")?;
            jiff::civil::Date::strptime("%Y-%m-%d", date).map_err(|_| Reason::BadFormat)?;
            let time = time_of_day(time)?;
            let text = format!("{date} {time}");
            if date.starts_with("0000") { Err(Reason::OutOfRange) } else { Ok(Cell::Text(text)) }
        }
        ColumnType::Time => time_of_day(text).map(Cell::Text),
        kind => panic!("no generated contract has a {kind:?} column"),
    }
}

/// Checks the shape of a text before jiff parses it: jiff also accepts signs, and missing zeros and
/// separators.
fn shaped(text: &str, shape: &str) -> Result<(), Reason> {
    let same = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte == shape,
    };
    let fits = text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(same);
    if fits { Ok(()) } else { Err(Reason::BadFormat) }
}

fn time_of_day(text: &str) -> Result<String, Reason> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    shaped(whole, "00:00:00")?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::BadFormat);
    }
    jiff::civil::Time::strptime("%H:%M:%S", whole).map_err(|_| Reason::BadFormat)?;
    // jiff reads 60 as 59. A time without offset has no leap seconds.
    if whole.ends_with(":60") {
        return Err(Reason::BadFormat);
    }
    Ok(format!("{whole}.{}", &format!("{fraction:0<6}")[..6]))
}

pub(super) fn is_whole(text: &str) -> bool {
    plain_decimal_of(text).is_some_and(|(_, _, fraction)| fraction.is_empty())
}

fn decimal(text: &str, before: usize, after: usize) -> Result<Cell, Reason> {
    let (negative, whole, fraction) = plain_decimal_of(text).ok_or(Reason::BadFormat)?;
    if whole.len() > before || fraction.len() > after {
        return Err(Reason::OutOfRange);
    }
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { &whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(Cell::Text(format!("{sign}{whole}{point}{fraction}")))
}

fn moment(text: &str) -> Result<i64, Reason> {
    let text = text.to_ascii_uppercase();
    let (civil, rest) = text.split_at_checked(19).ok_or(Reason::BadFormat)?;
    shaped(civil, "0000-00-00T00:00:00")?;
    // jiff reads 60 as 59, so the missing second is added below.
    let leap = civil.ends_with(":60");
    let civil = civil.parse::<jiff::civil::DateTime>().map_err(|_| Reason::BadFormat)?;
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    let seconds = civil.duration_since(epoch).as_secs() + i64::from(leap);
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(['Z', '+', '-']).ok_or(Reason::BadFormat)?),
        None => ("0", rest),
    };
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::BadFormat);
    }
    let cut: i64 = format!("{fraction:0<6}")[..6].parse().unwrap();
    let minutes = match offset.strip_prefix(['+', '-']) {
        None if offset == "Z" => 0,
        None => return Err(Reason::BadFormat),
        Some(east) => {
            shaped(east, "00:00")?;
            let (hours, minutes): (i64, i64) =
                (east[..2].parse().unwrap(), east[3..].parse().unwrap());
            if hours > 23 || minutes > 59 {
                return Err(Reason::BadFormat);
            }
            (hours * 60 + minutes) * if offset.starts_with('-') { -1 } else { 1 }
        }
    };
    let seconds = seconds - minutes * 60;
    // After a leap second a new UTC day begins.
    if leap && seconds % 86_400 != 0 {
        return Err(Reason::BadFormat);
    }
    let micros = seconds * 1_000_000 + cut;
    let years = -62_135_596_800_000_000..253_402_300_800_000_000;
    if years.contains(&micros) { Ok(micros) } else { Err(Reason::OutOfRange) }
}

fn day(text: &str) -> Result<i64, Reason> {
    shaped(text, "0000-00-00")?;
    let date: jiff::civil::Date = text.parse().map_err(|_| Reason::BadFormat)?;
    if date.year() < 1 {
        return Err(Reason::OutOfRange);
    }
    Ok(jiff::civil::date(1970, 1, 1).until(date).unwrap().get_days().into())
}
