//! Checks quickly whether a value satisfies the bounds of its field (`contract::Bounds`).
//!
//! The full JSON Schema validator costs about ten times as much as the transcoder. So simple rules
//! (`enum`, `minLength`, `minimum`, `maxItems`, …) are checked here on the value's text. The check
//! may answer "not sure", for example if a string has escapes or a number is a fraction close to
//! its limit; only then the validator decides.

use super::number::Integer;
use super::scan::Scanner;
use crate::contract::Bounds;

/// Returns true if the value that `rest` begins with certainly satisfies the bounds. False means
/// "not sure". The number of an array's items is not checked here: it is known only when the array
/// has been read (`walk`).
pub(super) fn certainly_satisfied(bounds: &Bounds, rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'"') => match &bounds.texts {
            Some(texts) => {
                texts.iter().any(|text| rest.starts_with(text.as_bytes())) && length(bounds, rest)
            }
            None => length(bounds, rest),
        },
        Some(b'-' | b'0'..=b'9') => number(bounds, rest),
        Some(b'[') => true,
        // For a null, the validator has to decide whether the rules allow it.
        _ => false,
    }
}

/// Counts characters as bytes, so only for ASCII without escapes.
fn length(bounds: &Bounds, rest: &[u8]) -> bool {
    if bounds.length == Default::default() {
        return true;
    }
    let end = rest[1..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0x80..));
    end.is_some_and(|end| rest[1 + end] == b'"' && bounds.length.holds(end as i64))
}

fn number(bounds: &Bounds, rest: &[u8]) -> bool {
    // If this is not a number, reading the value fails anyway.
    let Ok(number) = Scanner::new(rest).number() else { return false };
    match number.integer() {
        Integer::Fits(value) => bounds.number.holds(value),
        Integer::TooLarge => false,
        Integer::Fraction => number.float().is_some_and(|value| {
            value > bounds.number.least as f64 && value < bounds.number.most as f64
        }),
    }
}
