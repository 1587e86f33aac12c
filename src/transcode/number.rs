//! Numbers as text: their exact integer value, their FLOAT64, and their canonical decimal form.

use std::ops::Range;

/// A JSON number that the scanner has read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    pub(super) text: &'a [u8],
    /// The number's value if it is short, as nearly all are. The scanner computes it while it reads
    /// the digits, so that they need not be parsed again.
    pub(super) short: Option<Short>,
}

/// A number with at most [`Short::DIGITS`] digits and no exponent: `±mantissa / 10^scale`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    pub(super) negative: bool,
    pub(super) mantissa: u64,
    /// Digits after the point.
    pub(super) scale: usize,
}

impl Short {
    /// Eighteen digits always fit INT64.
    pub(super) const DIGITS: usize = 18;
}

/// The integer value of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Fits(i64),
    /// An integer that INT64 cannot hold.
    TooLarge,
    /// Not an integer.
    Fraction,
}

impl Number<'_> {
    /// Returns the integer value. `1.0` and `1e2` are integers, as in JSON Schema.
    #[inline]
    pub(super) fn integer(&self) -> Integer {
        match self.short {
            Some(Short { negative, mantissa, scale: 0 }) => {
                let value = mantissa as i64;
                Integer::Fits(if negative { -value } else { value })
            }
            _ => integer(self.text),
        }
    }

    /// Returns the FLOAT64 value; `None` if the number is too large for one.
    #[inline]
    pub(super) fn float(&self) -> Option<f64> {
        match self.short {
            // FLOAT64 holds mantissa and power of ten exactly, so a single division rounds once
            // and gives the correct result (Clinger's fast path).
            Some(Short { negative, mantissa, scale }) if mantissa <= 1 << f64::MANTISSA_DIGITS => {
                let value = mantissa as f64 / TENS[scale];
                Some(if negative { -value } else { value })
            }
            _ => float(self.text),
        }
    }

    /// Whether FLOAT64 can hold the number. Parses it only if its length leaves that open.
    #[inline]
    pub(super) fn is_float(&self) -> bool {
        self.short.is_some() || is_float(self.text)
    }
}

const TENS: [f64; Short::DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];

/// Returns the integer value of a decimal text.
pub(super) fn integer(text: &[u8]) -> Integer {
    Decimal::parse(text).map_or(Integer::Fraction, |decimal| decimal.integer())
}

/// Returns the FLOAT64 value of a decimal text; `None` if it is too large for one.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

fn is_float(text: &[u8]) -> bool {
    // Without an exponent a number needs 309 digits to be too large.
    let may_be_too_large = text.len() > 300 || text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    !may_be_too_large || float(text).is_some()
}

/// A parsed decimal number: `±digits × 10^exponent`. The digits stay in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    negative: bool,
    /// The digits before and after the point, as written.
    whole: &'a [u8],
    fraction: &'a [u8],
    /// The digits from the first to the last one that is not 0: index of the first, and one past
    /// the last, counted through `whole` and `fraction`. Equal if the number is zero.
    first: usize,
    end: usize,
    /// Index of the first digit after the point once the exponent is applied; saturated.
    point: i64,
}

impl<'a> Decimal<'a> {
    /// Parses a JSON number, or one with a leading `+` or leading zeros, which decimals in strings
    /// may have. `None` if it is not a number.
    pub(super) fn parse(token: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match token {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (whole, rest) = digits(rest)?;
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest)?,
            rest => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        let not_zero = |digit: &u8| *digit != b'0';
        let in_fraction = |at: usize| at + whole.len();
        let first = whole
            .iter()
            .position(not_zero)
            .or_else(|| fraction.iter().position(not_zero).map(in_fraction));
        let last = fraction.iter().rposition(not_zero).map(in_fraction);
        let last = last.or_else(|| whole.iter().rposition(not_zero));
        let (first, end) = first.zip(last).map_or((0, 0), |(first, last)| (first, last + 1));
        let point = (whole.len() as i64).saturating_add(exponent);
        Some(Self { negative, whole, fraction, first, end, point })
    }

    fn is_zero(&self) -> bool {
        self.first == self.end
    }

    /// Number of digits before the point; 0 or less if the number is below 1.
    fn integer_digits(&self) -> i64 {
        self.point.saturating_sub(self.first as i64)
    }

    /// Number of digits after the point without trailing zeros; 0 or less for an integer.
    fn fraction_digits(&self) -> i64 {
        (self.end as i64).saturating_sub(self.point)
    }

    fn digit(&self, at: usize) -> u8 {
        match at.checked_sub(self.whole.len()) {
            None => self.whole[at],
            Some(at) => self.fraction[at],
        }
    }

    pub(super) fn integer(&self) -> Integer {
        if self.is_zero() {
            return Integer::Fits(0);
        }
        if self.fraction_digits() > 0 {
            return Integer::Fraction;
        }
        // Every INT64 has at most 19 digits.
        if self.integer_digits() > 19 {
            return Integer::TooLarge;
        }
        let mut value = 0i128;
        for at in 0..self.integer_digits() as usize {
            let at = self.first + at;
            let digit = if at < self.end { self.digit(at) - b'0' } else { 0 };
            value = value * 10 + i128::from(digit);
        }
        let value = if self.negative { -value } else { value };
        i64::try_from(value).map_or(Integer::TooLarge, Integer::Fits)
    }

    /// Whether the number has at most `integer_digits` before and `fraction_digits` after the
    /// point.
    pub(super) fn fits(&self, integer_digits: i64, fraction_digits: i64) -> bool {
        self.is_zero()
            || (self.integer_digits() <= integer_digits
                && self.fraction_digits() <= fraction_digits)
    }

    /// Appends the canonical form: no `+`, no exponent, no unneeded zeros, and zero without a sign.
    /// Call it only if [`Self::fits`] a column: a large exponent would write as many zeros.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        if self.is_zero() {
            text.push(b'0');
            return;
        }
        if self.negative {
            text.push(b'-');
        }
        let (integer_digits, fraction_digits) = (self.integer_digits(), self.fraction_digits());
        if integer_digits <= 0 {
            text.push(b'0');
        }
        let split = usize::try_from(self.point).unwrap_or(0).clamp(self.first, self.end);
        self.digits(self.first..split, text);
        text.extend((split as i64..self.point).map(|_| b'0'));
        if fraction_digits > 0 {
            text.push(b'.');
            text.extend((integer_digits..0).map(|_| b'0'));
            self.digits(split..self.end, text);
        }
    }

    /// Appends the digits with these indices.
    fn digits(&self, indices: Range<usize>, text: &mut Vec<u8>) {
        let point = self.whole.len();
        let (start, end) = (indices.start, indices.end);
        text.extend_from_slice(&self.whole[start.min(point)..end.min(point)]);
        text.extend_from_slice(&self.fraction[start.max(point) - point..end.max(point) - point]);
    }
}

/// Splits the text behind its leading digits; `None` if there are none.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}

/// Parses an exponent, saturated: no text has so many digits that a larger one would differ.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (digits, rest) = digits(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Some(if negative { -value } else { value })
}
