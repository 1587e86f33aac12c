//! The parts of a line of line protocol.
//!
//! InfluxDB 1 and 2 read a backslash as an escape only where a character follows that has a meaning
//! there, and as itself anywhere else. So a backslash can be written, except in a tag before such a
//! character or at the end. See `models/points.go` of InfluxDB.

use std::io::Write;

/// The value of a tag cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwritable;

/// A measurement as it stands at the beginning of a line. It has neither control characters nor
/// backslashes.
pub fn measurement(name: &str) -> Vec<u8> {
    let mut to = Vec::with_capacity(name.len());
    escape(name, b", ", &mut to);
    to
}

/// The key of a tag or a field, which has neither control characters nor backslashes.
pub fn key(name: &str) -> Vec<u8> {
    let mut to = Vec::with_capacity(name.len());
    escape(name, b",= ", &mut to);
    to
}

/// Appends the value of a tag, which is not empty. On an error `to` may have a part of it.
pub fn tag_value(value: &str, to: &mut Vec<u8>) -> Result<(), Unwritable> {
    let bytes = value.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let next = bytes.get(index + 1);
        let is_misread =
            *byte == b'\\' && next.is_none_or(|next| matches!(next, b',' | b'=' | b' '));
        if is_misread || matches!(byte, b'\n' | b'\r') {
            return Err(Unwritable);
        }
    }
    escape(value, b",= ", to);
    Ok(())
}

/// Appends a text as the value of a field.
pub fn string(value: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    escape(value, b"\"\\", to);
    to.push(b'"');
}

/// Appends an integer as the value of a field.
pub fn integer(value: i64, to: &mut Vec<u8>) {
    number(value, to);
    to.push(b'i');
}

/// Appends a finite floating-point number as the value of a field, so that the same number is read.
pub fn float(value: f64, to: &mut Vec<u8>) {
    // `Debug` is the shortest form that is read as the same number, with an exponent where it is short.
    let _ = write!(to, "{value:?}");
}

/// Appends an integer without the letter that a field has: a timestamp, or part of a tag.
pub fn number(value: i64, to: &mut Vec<u8>) {
    let _ = write!(to, "{value}");
}

fn escape(text: &str, special: &[u8], to: &mut Vec<u8>) {
    for byte in text.bytes() {
        if special.contains(&byte) {
            to.push(b'\\');
        }
        to.push(byte);
    }
}
