//! Checks quickly whether a value satisfies the bounds of its field (`contract::Bounds`).
//!
//! The full JSON Schema validator costs about ten times as much as the transcoder. So simple rules
//! (`enum`, `minLength`, `minimum`, `maxItems`, …) are checked here on the value's text. The check
//! may answer "not sure", for example if a string has escapes or a number is a fraction close to
//! its limit; only then the validator decides.

use super::number::Integer;
use super::scan::Scanner;
use crate::contract::{Bounds, Schema};

/// The bounds of one place of the plan.
#[derive(Debug)]
pub(super) struct QuickBounds {
    pub(super) bounds: Bounds,
    /// A null satisfies the rules, or stands for an optional field that is absent.
    null_is_fine: bool,
}

impl QuickBounds {
    pub(super) fn of(schema: &Schema, required: bool) -> Option<Box<Self>> {
        let bounds = schema.bounds.clone()?;
        // Lengths, limits and counts say nothing about a null. Whether an `enum` allows it is for the
        // validator to say.
        let null_is_fine = !required || (schema.nullable && bounds.texts.is_none());
        Some(Box::new(Self { bounds, null_is_fine }))
    }
}

/// Returns true if the value that `rest` begins with certainly satisfies the bounds. False means
/// "not sure". The number of an array's items is not checked here: it is known only when the array
/// has been read (`walk`).
pub(super) fn certainly_satisfied(quick: &QuickBounds, rest: &[u8]) -> bool {
    let bounds = &quick.bounds;
    match rest.first() {
        Some(b'"') => match &bounds.texts {
            Some(texts) => {
                texts.iter().any(|text| rest.starts_with(text.as_bytes())) && length(bounds, rest)
            }
            None => length(bounds, rest),
        },
        Some(b'-' | b'0'..=b'9') => number(bounds, rest),
        Some(b'[') => true,
        Some(b'n') => quick.null_is_fine,
        _ => false,
    }
}

/// Only for texts without escapes.
fn length(bounds: &Bounds, rest: &[u8]) -> bool {
    if bounds.length == Default::default() {
        return true;
    }
    let end = rest[1..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0x80..));
    end.is_some_and(|end| match rest[1 + end] {
        b'"' => bounds.length.holds(end as i64),
        b'\\' => false,
        _ => characters(&rest[1..]).is_some_and(|count| bounds.length.holds(count)),
    })
}

/// The number of characters up to the quote; `None` if there are escapes. (Text that is not UTF-8 is
/// rejected anyway.)
#[cold]
fn characters(text: &[u8]) -> Option<i64> {
    let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let is_continuation = |byte: &&u8| (0x80..0xC0).contains(*byte);
    let count = end - text[..end].iter().filter(is_continuation).count();
    (text[end] == b'"').then_some(count as i64)
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
