//! NUMERIC and BIGNUMERIC: digits within BigQuery's ranges, from text, bytes and floats.

use serde_json::{Value, json};

use super::super::columns::Kind;

/// 2^255 − 1 and 2^255: how far BIGNUMERIC reaches above and below zero, scaled by 10^38.
const BIG_MOST: &str =
    "57896044618658097711785492504343953926634992332820282019728792003956564819967";
const BIG_LEAST: &str =
    "57896044618658097711785492504343953926634992332820282019728792003956564819968";

/// Digits a NUMERIC has, scaled by 10^9: 29 before the point, 9 after it.
const NUMERIC_DIGITS: usize = 38;

/// An exponent beyond this is out of any range, and must not make us write that many zeros.
const LARGEST_EXPONENT: i32 = 1_000;

fn fraction_digits(kind: Kind) -> usize {
    if kind == Kind::BigNumeric { 38 } else { 9 }
}

/// From a literal such as `-12.50` or `1e3`.
pub fn from_text(text: &str, kind: Kind) -> Result<Value, String> {
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
    // The value is `significant × 10^power`; trailing zeros move into the power.
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

/// From little-endian two's complement, scaled by 10^9 or 10^38, as `BigDecimalByteStringEncoder`
/// of Google's Java client writes it.
pub fn from_bytes(bytes: &[u8], kind: Kind) -> Result<Value, String> {
    let most = if kind == Kind::BigNumeric { 32 } else { 16 };
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

/// From a float, rounded to what fits behind the point.
pub fn from_float(number: f64, kind: Kind) -> Result<Value, String> {
    if !number.is_finite() {
        return Err(format!("Invalid {} value: {number}", kind.name()));
    }
    from_text(&format!("{number:.*}", fraction_digits(kind)), kind)
}

fn out_of_range(text: &str, kind: Kind) -> String {
    format!("{} out of range: {text}", kind.name())
}

/// Little-endian bytes as decimal digits.
fn base_ten(magnitude: &[u8]) -> String {
    // Least significant first; each step is `digits × 256 + byte`.
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

/// Plain notation of a scaled integer, if it is in range.
fn finish(negative: bool, scaled: &str, kind: Kind) -> Option<Value> {
    let scaled = scaled.trim_start_matches('0');
    let fits = if kind == Kind::BigNumeric {
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
