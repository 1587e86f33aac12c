//! Reads the event type from a payload.

use memchr::memmem::Finder;

use crate::transcode::fault::Result;
use crate::transcode::json_string::JsonString;
use crate::transcode::key::Key;
use crate::transcode::scan::Scanner;

/// What stands where the event type should.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// The event type.
    String(JsonString<'a>),
    /// A value of another JSON type; its first byte.
    NotAString(u8),
    /// A key on the path is missing, or its value is not an object.
    Missing,
    /// The whole value is JSON but not an object.
    NotAnObject,
}

/// The keys that lead from the payload's root to the event type, each in three forms.
#[derive(Debug, Clone)]
pub(in super::super) struct PayloadPath {
    /// Without escapes, to compare with a key that has been read.
    keys: Box<[Box<str>]>,
    /// As most texts write them, to read them with one comparison.
    written: Box<[Key]>,
    /// In quotes, to search a text for them.
    quoted: Box<[Finder<'static>]>,
}

impl PayloadPath {
    pub(in super::super) fn new(keys: &[String]) -> Self {
        let quoted = |key: &String| Finder::new(&format!("\"{key}\"")).into_owned();
        Self {
            keys: keys.iter().map(|key| key.as_str().into()).collect(),
            written: keys.iter().map(|key| Key::new(key)).collect(),
            quoted: keys.iter().map(quoted).collect(),
        }
    }

    /// Reads the text up to the first occurrence of the event type. Also returns the rest of the
    /// text, which has not been read.
    pub(super) fn read_first<'a>(
        &self,
        text: &'a [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(Found<'a>, &'a [u8])> {
        let mut scanner = Scanner::new(text);
        let mut found = Found::NotAnObject;
        for (wanted, written) in self.keys.iter().zip(&self.written) {
            if scanner.peek()? != b'{' {
                return Ok((found, &[]));
            }
            found = Found::Missing;
            scanner.open()?;
            let mut first = true;
            loop {
                if !scanner.member(first)? {
                    return Ok((found, &[]));
                }
                first = false;
                if scanner.read_key_if(written, written.len()) {
                    break;
                }
                if scanner.skip_string_member(wanted) {
                    continue;
                }
                if scanner.read_key()?.resolve(scratch) == wanted.as_bytes() {
                    break;
                }
                scanner.skip()?;
            }
        }
        let found = read_leaf(&mut scanner)?;
        Ok((found, scanner.rest()))
    }

    /// Whether one of the keys may occur again in `rest`. A text with escapes may spell a key in
    /// another way, so any backslash counts.
    pub(super) fn may_occur_in(&self, rest: &[u8]) -> bool {
        memchr::memchr(b'\\', rest).is_some()
            || self.quoted.iter().any(|key| key.find(rest).is_some())
    }

    /// Reads the whole text and returns the event type that counts: with duplicate keys the last.
    pub(super) fn read_last<'a>(&self, text: &'a [u8], scratch: &mut Vec<u8>) -> Result<Found<'a>> {
        let mut scanner = Scanner::new(text);
        if scanner.peek()? != b'{' {
            scanner.skip()?;
            scanner.end()?;
            return Ok(Found::NotAnObject);
        }
        let found = read_last_under(&mut scanner, &self.keys, scratch)?;
        scanner.end()?;
        Ok(found)
    }
}

/// Reads one value and returns what stands in it at the end of `keys`.
fn read_last_under<'a>(
    scanner: &mut Scanner<'a>,
    keys: &[Box<str>],
    scratch: &mut Vec<u8>,
) -> Result<Found<'a>> {
    let Some((wanted, inner)) = keys.split_first() else { return read_leaf(scanner) };
    let mut found = Found::Missing;
    if scanner.peek()? != b'{' {
        scanner.skip()?;
        return Ok(found);
    }
    scanner.open()?;
    let mut first = true;
    while let Some(key) = scanner.key(first)? {
        first = false;
        if key.resolve(scratch) == wanted.as_bytes() {
            found = read_last_under(scanner, inner, scratch)?;
        } else {
            scanner.skip()?;
        }
    }
    Ok(found)
}

/// Reads the value that should be the event type.
fn read_leaf<'a>(scanner: &mut Scanner<'a>) -> Result<Found<'a>> {
    match scanner.peek()? {
        b'"' => Ok(Found::String(scanner.string()?)),
        first => {
            scanner.skip()?;
            Ok(Found::NotAString(first))
        }
    }
}
