//! Numbers as text: which integers they are, and their canonical decimal form, exactly.

/// What a JSON number is as an INT64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Fits(i64),
    /// An integer beyond INT64.
    Beyond,
    /// Not an integer: something is left after the point.
    Fraction,
}

/// Reads a number's integer value; `1.0` and `1e2` are integers, as JSON Schema says.
pub(super) fn integer(token: &[u8]) -> Integer {
    // 18 digits fit in 63 bits whatever they are; nearly every integer in an event is that short.
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() <= 18 {
        let mut value = 0i64;
        let mut plain = true;
        for digit in digits {
            let digit = digit.wrapping_sub(b'0');
            plain &= digit < 10;
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        }
        if plain {
            return Integer::Fits(if negative { -value } else { value });
        }
    }
    Decimal::parse(token).map_or(Integer::Fraction, |decimal| decimal.integer())
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
        let count = whole.len() + fraction.len();
        let at = |i: usize| if i < whole.len() { whole[i] } else { fraction[i - whole.len()] };
        let first = (0..count).find(|i| at(*i) != b'0').unwrap_or(count);
        let end = (first..count).rev().find(|i| at(*i) != b'0').map_or(first, |last| last + 1);
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

    fn integer(&self) -> Integer {
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
        if self.before() <= 0 {
            text.push(b'0');
        }
        for place in 0..self.before() {
            let at = self.first + place as usize;
            text.push(if at < self.end { self.digit(at) } else { b'0' });
        }
        if self.after() > 0 {
            text.push(b'.');
            for _ in self.before()..0 {
                text.push(b'0');
            }
            let start = self.first.max(usize::try_from(self.point).unwrap_or(0));
            for at in start..self.end {
                text.push(self.digit(at));
            }
        }
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

/// The number as a FLOAT64; `None` where it is beyond (rounding to infinity).
pub(super) fn float(token: &[u8]) -> Option<f64> {
    if let Some(value) = short_float(token) {
        return Some(value);
    }
    let value: f64 = std::str::from_utf8(token).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// A number of at most 15 digits and no exponent, which is one division of two numbers that
/// FLOAT64 holds exactly, so the quotient is rounded once, correctly (Clinger's quick way).
fn short_float(token: &[u8]) -> Option<f64> {
    const TENS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 15 digits and a point.
    if digits.len() > 16 {
        return None;
    }
    let mut mantissa = 0u64;
    let mut point = None;
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let fraction = point.map_or(0, |at| digits.len() - at - 1);
    if digits.len() - usize::from(point.is_some()) > 15 {
        return None;
    }
    let value = mantissa as f64 / TENS[fraction];
    Some(if negative { -value } else { value })
}

/// Whether the number is one of FLOAT64, without reading it where that is plain.
pub(super) fn is_float(token: &[u8]) -> bool {
    // Without an exponent it takes 309 digits to leave FLOAT64.
    let suspect = token.len() > 300 || token.iter().any(|b| matches!(b, b'e' | b'E'));
    !suspect || float(token).is_some()
}
