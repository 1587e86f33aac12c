//! Numbers as text: which integers they are, and their canonical decimal form, exactly.

use std::ops::Range;

/// A JSON number, as the scanner leaves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    pub(super) text: &'a [u8],
    /// Its value, where it is short, as nearly all numbers are; read digit by digit on the way.
    pub(super) short: Option<Short>,
}

/// `±mantissa / 10^scale`, of a number with few digits and no exponent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    pub(super) negative: bool,
    pub(super) mantissa: u64,
    pub(super) scale: usize,
}

impl Short {
    /// Digits of a short number at most: INT64 holds them, whatever they are.
    pub(super) const DIGITS: usize = 18;
}

/// What a JSON number is as an INT64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Fits(i64),
    /// An integer beyond INT64.
    Beyond,
    /// Not an integer: something is left after the point.
    Fraction,
}

impl Number<'_> {
    /// Its integer value; `1.0` and `1e2` are integers, as JSON Schema says.
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

    /// Its value as a FLOAT64; `None` where that is beyond (rounding to infinity).
    #[inline]
    pub(super) fn float(&self) -> Option<f64> {
        match self.short {
            // One division of two numbers that FLOAT64 holds exactly, so the quotient is rounded
            // once, correctly (Clinger's quick way).
            Some(Short { negative, mantissa, scale }) if mantissa <= 1 << f64::MANTISSA_DIGITS => {
                let value = mantissa as f64 / TENS[scale];
                Some(if negative { -value } else { value })
            }
            _ => float(self.text),
        }
    }

    /// Whether it is one of FLOAT64, without reading it where that is plain.
    #[inline]
    pub(super) fn is_float(&self) -> bool {
        self.short.is_some() || is_float(self.text)
    }
}

const TENS: [f64; Short::DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];

/// The integer value of any decimal text.
pub(super) fn integer(text: &[u8]) -> Integer {
    Decimal::parse(text).map_or(Integer::Fraction, |decimal| decimal.integer())
}

/// The FLOAT64 of any decimal text.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

fn is_float(text: &[u8]) -> bool {
    // Without an exponent it takes 309 digits to leave FLOAT64.
    let suspect = text.len() > 300 || text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    !suspect || float(text).is_some()
}

/// A decimal number taken apart: `±digits × 10^exponent`, the digits still in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    negative: bool,
    /// Digits before and after the point, as written.
    whole: &'a [u8],
    fraction: &'a [u8],
    /// First and one past the last digit that is not 0, counted over both; equal for zero.
    first: usize,
    end: usize,
    /// Place of the point, counted from the first digit as written; saturated.
    point: i64,
}

impl<'a> Decimal<'a> {
    /// Accepts JSON's numbers and beyond them a leading `+` and leading zeros, as decimals in
    /// strings have them. `None`: not a number.
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

    /// Digits before the point, 0 or less where the number is below 1.
    fn before(&self) -> i64 {
        self.point.saturating_sub(self.first as i64)
    }

    /// Digits after the point, trailing zeros not counted; 0 or less for an integer.
    fn after(&self) -> i64 {
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
        if self.after() > 0 {
            return Integer::Fraction;
        }
        // 19 digits hold every INT64; more are beyond it.
        if self.before() > 19 {
            return Integer::Beyond;
        }
        let mut value = 0i128;
        for at in 0..self.before() as usize {
            let at = self.first + at;
            let digit = if at < self.end { self.digit(at) - b'0' } else { 0 };
            value = value * 10 + i128::from(digit);
        }
        let value = if self.negative { -value } else { value };
        i64::try_from(value).map_or(Integer::Beyond, Integer::Fits)
    }

    /// Whether at most `before` digits stand before the point and `after` behind it.
    pub(super) fn fits(&self, before: i64, after: i64) -> bool {
        self.is_zero() || (self.before() <= before && self.after() <= after)
    }

    /// Writes the one canonical form: no sign on zero, no `+`, no exponent, no needless zero. Only
    /// for a number that [`Self::fits`] a column: otherwise an exponent would write at length.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        if self.is_zero() {
            text.push(b'0');
            return;
        }
        if self.negative {
            text.push(b'-');
        }
        let (before, after) = (self.before(), self.after());
        if before <= 0 {
            text.push(b'0');
        }
        let split = usize::try_from(self.point).unwrap_or(0).clamp(self.first, self.end);
        self.digits(self.first..split, text);
        text.extend((split as i64..self.point).map(|_| b'0'));
        if after > 0 {
            text.push(b'.');
            text.extend((before..0).map(|_| b'0'));
            self.digits(split..self.end, text);
        }
    }

    /// Appends the digits at these places.
    fn digits(&self, places: Range<usize>, text: &mut Vec<u8>) {
        let point = self.whole.len();
        let (start, end) = (places.start, places.end);
        text.extend_from_slice(&self.whole[start.min(point)..end.min(point)]);
        text.extend_from_slice(&self.fraction[start.max(point) - point..end.max(point) - point]);
    }
}

/// At least one digit, and what follows.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}

/// An exponent, saturated: a text cannot have so many digits that more would matter.
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
