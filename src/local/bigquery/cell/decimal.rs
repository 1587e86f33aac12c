//! NUMERIC and BIGNUMERIC, from text, bytes and floats, within BigQuery's ranges.

use serde_json::{Value, json};

use super::super::field_schema::FieldType;

/// The magnitudes of the largest and the smallest BIGNUMERIC, scaled by 10^38: 2^255 − 1 and 2^255.
const BIG_MOST: &str =
    "57896044618658097711785492504343953926634992332820282019728792003956564819967";
const BIG_LEAST: &str =
    "57896044618658097711785492504343953926634992332820282019728792003956564819968";

/// The most digits of a NUMERIC: 29 before the point and 9 after it.
const NUMERIC_DIGITS: usize = 38;

/// A value with a larger exponent is out of range, and is refused before its zeros are written.
const LARGEST_EXPONENT: i32 = 1_000;

fn fraction_digits(kind: FieldType) -> usize {
    if kind == FieldType::BigNumeric { 38 } else { 9 }
}

/// Parses a literal such as `-12.50` or `1e3`.
pub fn from_text(text: &str, kind: FieldType) -> Result<Value, String> {
    let invalid = || format!("Invalid {} value: {text}", kind.name());
    let trimmed = text.trim();
    let (negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| invalid())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(invalid());
    }
    let significant = format!("{whole}{fraction}");
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(json!("0"));
    }
    // The value is `kept × 10^power`: trailing zeros are moved into the power.
    let kept = significant.trim_end_matches('0');
    let power = exponent
        .saturating_sub(fraction.len() as i32)
        .saturating_add((significant.len() - kept.len()) as i32);
    let places = fraction_digits(kind) as i32;
    if power < -places || power > LARGEST_EXPONENT {
        return Err(out_of_range(text, kind));
    }
    let scaled = format!("{kept}{}", "0".repeat((power + places) as usize));
    finish(negative, &scaled, kind).ok_or_else(|| out_of_range(text, kind))
}

/// Reads a little-endian two's complement integer, scaled by 10^9 or 10^38, as
/// `BigDecimalByteStringEncoder` of Google's Java client writes it.
pub fn from_bytes(bytes: &[u8], kind: FieldType) -> Result<Value, String> {
    let most = if kind == FieldType::BigNumeric { 32 } else { 16 };
    if bytes.is_empty() || bytes.len() > most {
        return Err(format!("Invalid {} value: {} bytes", kind.name(), bytes.len()));
    }
    let negative = bytes[bytes.len() - 1] & 0x80 != 0;
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            let (flipped, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (flipped, over);
        }
    }
    let scaled = base_ten(&magnitude);
    finish(negative, &scaled, kind).ok_or_else(|| out_of_range(&scaled, kind))
}

/// Converts a float, rounded to the digits that the type has after the point.
pub fn from_float(number: f64, kind: FieldType) -> Result<Value, String> {
    if !number.is_finite() {
        return Err(format!("Invalid {} value: {number}", kind.name()));
    }
    from_text(&format!("{number:.*}", fraction_digits(kind)), kind)
}

fn out_of_range(text: &str, kind: FieldType) -> String {
    format!("{} out of range: {text}", kind.name())
}

/// Little-endian bytes as decimal digits.
fn base_ten(magnitude: &[u8]) -> String {
    // The digits are least significant first. Each step computes `digits × 256 + byte`.
    let mut digits = vec![0_u8];
    for byte in magnitude.iter().rev() {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let sum = u32::from(*digit) * 256 + carry;
            (*digit, carry) = ((sum % 10) as u8, sum / 10);
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

/// The plain notation of a scaled integer; `None` if it is out of range.
fn finish(negative: bool, scaled: &str, kind: FieldType) -> Option<Value> {
    let scaled = scaled.trim_start_matches('0');
    let fits = if kind == FieldType::BigNumeric {
        let limit = if negative { BIG_LEAST } else { BIG_MOST };
        (scaled.len(), scaled) <= (limit.len(), limit)
    } else {
        scaled.len() <= NUMERIC_DIGITS
    };
    if !fits {
        return None;
    }
    if scaled.is_empty() {
        return Some(json!("0"));
    }
    let places = fraction_digits(kind);
    let padded = format!("{scaled:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let sign = if negative { "-" } else { "" };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(json!(format!("{sign}{whole}{point}{fraction}")))
}
