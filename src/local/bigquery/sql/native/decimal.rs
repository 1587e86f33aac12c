//! NUMERIC as an integer of billionths, and the order of NUMERIC and BIGNUMERIC.

use std::cmp::Ordering;

/// Billionths in one.
pub const ONE: i128 = 1_000_000_000;

/// The largest NUMERIC, in billionths.
const MOST: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// The billionths of a stored NUMERIC.
pub fn parse(text: &str) -> Result<i128, String> {
    let wrong = || format!("Invalid NUMERIC value: {text}");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: i128 = format!("{whole}{fraction:0<9}").parse().map_err(|_| wrong())?;
    if fraction.len() > 9 {
        return Err(wrong());
    }
    Ok(if negative { -all } else { all })
}

/// The stored form of a number of billionths; `None` if it is out of NUMERIC's range.
pub fn show(billionths: i128) -> Option<String> {
    if !(-MOST..=MOST).contains(&billionths) {
        return None;
    }
    let sign = if billionths < 0 { "-" } else { "" };
    let (whole, fraction) = (billionths.abs() / ONE, billionths.abs() % ONE);
    let fraction = format!("{fraction:09}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// `one × other ÷ by`, rounded half away from zero; `None` if it is too large.
pub fn multiply_divide(one: i128, other: i128, by: i128) -> Option<i128> {
    let negative = (one < 0) ^ (other < 0) ^ (by < 0);
    let (one, other, by) = (one.unsigned_abs(), other.unsigned_abs(), by.unsigned_abs());
    let (mut high, mut low) = product(one, other);
    // Half of the divisor is added, so that cutting off rounds.
    let (sum, carried) = low.overflowing_add(by / 2);
    (low, high) = (sum, high + u128::from(carried));
    let quotient = i128::try_from(divide(high, low, by)?).ok()?;
    Some(if negative { -quotient } else { quotient })
}

/// The upper and the lower half of a product.
fn product(one: u128, other: u128) -> (u128, u128) {
    const HALF: u128 = u64::MAX as u128;
    let [a, b] = [one >> 64, one & HALF];
    let [c, d] = [other >> 64, other & HALF];
    let low = b * d;
    let (middle, over) = (a * d).overflowing_add(b * c);
    let (low, carried) = low.overflowing_add(middle << 64);
    let high = a * c + (middle >> 64) + (u128::from(over) << 64) + u128::from(carried);
    (high, low)
}

/// Divides 256 bits bit by bit; `None` if the quotient needs more than 128.
fn divide(high: u128, low: u128, by: u128) -> Option<u128> {
    if by == 0 || high >= by {
        return None;
    }
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128).rev() {
        // The divisor has at most 127 bits, so the rest does not overflow.
        rest = (rest << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if rest >= by {
            rest -= by;
            quotient |= 1;
        }
    }
    Some(quotient)
}

/// The order of two stored NUMERIC or BIGNUMERIC values.
pub fn compare(one: &str, other: &str) -> Ordering {
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (None, None) => compare_digits(one, other),
        (Some(one), Some(other)) => compare_digits(other, one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// The store keeps no leading zeros, so more digits before the point are a larger number.
fn compare_digits(one: &str, other: &str) -> Ordering {
    let (whole, fraction) = one.split_once('.').unwrap_or((one, ""));
    let (other_whole, other_fraction) = other.split_once('.').unwrap_or((other, ""));
    let by_whole = (whole.len(), whole).cmp(&(other_whole.len(), other_whole));
    by_whole.then_with(|| fraction.cmp(other_fraction))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_ordered_by_size_and_shown_as_they_were(one: i64, other: i64) {
            let [one, other] = [one, other].map(i128::from);
            let [one_shown, other_shown] = [one, other].map(|all| show(all).expect("in range"));
            prop_assert_eq!(parse(&one_shown), Ok(one));
            prop_assert_eq!(compare(&one_shown, &other_shown), one.cmp(&other));
        }

        #[test]
        fn a_product_is_divided_exactly(one: i32, other: i64, by in 1..i64::MAX) {
            let [one, other, by] = [i128::from(one), i128::from(other), i128::from(by)];
            let product = one * other;
            let rounded = (product.abs() + by / 2) / by * product.signum();
            prop_assert_eq!(multiply_divide(one, other, by), Some(rounded));
            // Beyond 128 bits: the same factor on both sides changes nothing.
            let scaled = multiply_divide(one * ONE * ONE, other * ONE, by * ONE);
            prop_assert_eq!(scaled, multiply_divide(product, ONE * ONE, by));
        }
    }
}
