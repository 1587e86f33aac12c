//! Decimal numbers in PostgreSQL's binary form: digits to the base 10,000.

use bytes::{BufMut, BytesMut};

/// Digits of the decimal system in one of PostgreSQL's.
const GROUP: usize = 4;

/// Appends a decimal number (`-12.50`) as the payload of a `numeric`. False, with nothing appended, if
/// the text is none.
pub(super) fn append(text: &str, to: &mut BytesMut) -> bool {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let all_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let lengths = i16::try_from(whole.len()).ok().zip(u16::try_from(fraction.len()).ok());
    let Some((_, scale)) = lengths.filter(|_| !whole.is_empty()) else { return false };
    if !all_digits(whole) || !all_digits(fraction) {
        return false;
    }
    let whole = whole.rchunks(GROUP).rev().map(|group| value(group, group.len()));
    let fraction = fraction.chunks(GROUP).map(|group| value(group, GROUP));
    // One allocation for each number, of a few bytes.
    let weights = whole.len() as i16;
    let groups: Vec<i16> = whole.chain(fraction).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let kept = groups.get(leading..groups.len() - trailing).unwrap_or_default();
    let weight = if kept.is_empty() { 0 } else { weights - 1 - leading as i16 };
    to.put_i16(kept.len() as i16);
    to.put_i16(weight);
    to.put_u16(if negative && !kept.is_empty() { 0x4000 } else { 0 });
    to.put_u16(scale);
    kept.iter().for_each(|group| to.put_i16(*group));
    true
}

/// The number that these digits are, with zeros behind them up to `length`.
fn value(digits: &[u8], length: usize) -> i16 {
    let value = digits.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0'));
    value * [1, 10, 100, 1_000][length - digits.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads what PostgreSQL would.
    fn read(mut bytes: &[u8]) -> String {
        let mut next = || {
            let (head, tail) = bytes.split_at(2);
            bytes = tail;
            i16::from_be_bytes([head[0], head[1]])
        };
        let (count, weight, sign, scale) = (next(), next(), next(), next() as usize);
        let groups: Vec<i16> = (0..count).map(|_| next()).collect();
        assert!(bytes.is_empty());
        let at = |place: i16| {
            let index = weight - place;
            usize::try_from(index).ok().and_then(|index| groups.get(index).copied()).unwrap_or(0)
        };
        let whole: String =
            (0..=weight.max(0)).rev().map(|place| format!("{:04}", at(place))).collect();
        let fraction: String = (1..200).map(|place| format!("{:04}", at(-place))).collect();
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let sign = if sign == 0x4000 { "-" } else { "" };
        let point = if scale == 0 { "" } else { "." };
        format!("{sign}{whole}{point}{}", &fraction[..scale])
    }

    proptest! {
        #[test]
        fn a_number_keeps_its_digits(
            negative: bool, whole in "0|[1-9][0-9]{0,37}", fraction in "[0-9]{0,38}",
        ) {
            let point = if fraction.is_empty() { "" } else { "." };
            let number = format!("{whole}{point}{fraction}");
            let is_zero = number.bytes().all(|byte| matches!(byte, b'0' | b'.'));
            let text = format!("{}{number}", if negative && !is_zero { "-" } else { "" });
            let mut bytes = BytesMut::new();
            prop_assert!(append(&text, &mut bytes));
            prop_assert_eq!(read(&bytes), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "-", ".5", "1e5", "NaN", "1.2.3", "+1", " 1"] {
            let mut bytes = BytesMut::new();
            assert!(!append(text, &mut bytes) && bytes.is_empty(), "{text:?}");
        }
    }
}
