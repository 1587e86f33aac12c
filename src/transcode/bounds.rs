//! Whether a value plainly keeps what its place asks for: a look at its text, cheaper than reading
//! it. Escapes, other spellings and fractions at the limit are not plain.

use super::number::Integer;
use super::scan::Scanner;
use crate::contract::Bounds;

/// `rest` begins with the value. Of an array only the type is seen here: the walk counts its items.
pub(super) fn kept(bounds: &Bounds, rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'"') => match &bounds.texts {
            Some(texts) => {
                texts.iter().any(|text| rest.starts_with(text.as_bytes())) && length(bounds, rest)
            }
            None => length(bounds, rest),
        },
        Some(b'-' | b'0'..=b'9') => number(bounds, rest),
        Some(b'[') => true,
        // A null: whether it counts as absent is for the validator to see.
        _ => false,
    }
}

fn length(bounds: &Bounds, rest: &[u8]) -> bool {
    if bounds.length == Default::default() {
        return true;
    }
    let end = rest[1..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0x80..));
    end.is_some_and(|end| rest[1 + end] == b'"' && bounds.length.holds(end as i64))
}

fn number(bounds: &Bounds, rest: &[u8]) -> bool {
    // What is no number is found by the walk.
    let Ok(number) = Scanner::new(rest).number() else { return false };
    match number.integer() {
        Integer::Fits(value) => bounds.number.holds(value),
        Integer::Beyond => false,
        Integer::Fraction => number.float().is_some_and(|value| {
            value > bounds.number.least as f64 && value < bounds.number.most as f64
        }),
    }
}
