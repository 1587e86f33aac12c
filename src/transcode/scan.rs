//! The scanner reads JSON text (RFC 8259) token by token, without building a tree.
//!
//! It checks the grammar of everything it reads, also of values that are only skipped, so a row
//! never carries text that is not JSON. UTF-8 is checked once, at the end ([`Scanner::utf8`]).
//!
//! Most methods expect the scanner to be at the token's first byte, which [`Scanner::peek`] returns
//! after it has skipped white space.

mod number;
mod skip;
mod string;

use super::fault::{Fault, Result};
use super::json_string::JsonString;
use super::key::Key;
use crate::record::Reason;

/// How deep arrays and objects may be nested. serde_json has the same limit, so that both accept
/// the same texts.
pub(super) const MAX_DEPTH: usize = 127;

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    /// Index of the next byte to read.
    at: usize,
    /// Number of arrays and objects around the next byte.
    depth: usize,
    /// Not 0 if a byte outside ASCII was seen in a string, or close behind one.
    non_ascii: u64,
}

/// Fails if the text is not UTF-8.
pub(super) fn utf8(text: &[u8]) -> Result<()> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let detail = format!("byte {}: not UTF-8", error.valid_up_to());
            Err(Fault::new(Reason::NotUtf8, detail))
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0, non_ascii: 0 }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The part of the text that has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// How many bytes have been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Index in the text of a key or string that this scanner has read, behind its quote.
    pub(super) fn start_of(&self, string: JsonString<'a>) -> usize {
        string.raw.as_ptr() as usize - self.text.as_ptr() as usize
    }

    /// Skips white space and returns the next byte without reading it.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Ok(*byte),
            }
        }
        Err(Fault::syntax(self.at, "more, but the text ends"))
    }

    /// Checks that only white space follows.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.rest().iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
            None => Ok(()),
            Some(more) => Err(Fault::syntax(self.at + more, "the end of the text")),
        }
    }

    /// Checks that the text is UTF-8; to be called at its end. The grammar allows bytes outside
    /// ASCII only in strings, and most texts have none, which is known by then.
    pub(super) fn utf8(&self) -> Result<()> {
        if self.non_ascii == 0 { Ok(()) } else { utf8(self.text) }
    }

    /// Enters the array or object that the scanner is at.
    #[inline]
    pub(super) fn open(&mut self) -> Result<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let detail = format!("byte {}: more than {MAX_DEPTH} levels deep", self.at - 1);
            return Err(Fault::new(Reason::TooDeep, detail));
        }
        Ok(())
    }

    /// In an object: reads the next member's key and colon. `None` if the object ends.
    #[inline]
    pub(super) fn key(&mut self, first: bool) -> Result<Option<JsonString<'a>>> {
        if self.member(first)? { self.read_key().map(Some) } else { Ok(None) }
    }

    /// In an object: returns whether another member follows; if not, leaves the object. `first` is
    /// true before the first member.
    #[inline]
    pub(super) fn member(&mut self, first: bool) -> Result<bool> {
        self.more(first, b'}')
    }

    /// In an array: returns whether another item follows; if not, leaves the array. `first` is true
    /// before the first item.
    #[inline]
    pub(super) fn item(&mut self, first: bool) -> Result<bool> {
        self.more(first, b']')
    }

    /// Reads a member's key and colon.
    #[inline]
    pub(super) fn read_key(&mut self) -> Result<JsonString<'a>> {
        if self.peek()? != b'"' {
            return Err(Fault::syntax(self.at, "a key"));
        }
        let key = self.string()?;
        if self.peek()? != b':' {
            return Err(Fault::syntax(self.at, "`:`"));
        }
        self.at += 1;
        Ok(key)
    }

    /// Reads this key and its colon if the text continues with exactly them, without white space.
    /// Returns whether it did. `length` must be the key's.
    #[inline]
    pub(super) fn read_key_if(&mut self, key: &Key, length: usize) -> bool {
        let read = key.begins(self.rest(), length);
        if read {
            self.at += length;
        }
        read
    }

    #[inline]
    fn more(&mut self, first: bool, close: u8) -> Result<bool> {
        // The byte that nearly every text has here: no white space, and an object's key.
        let usual = if first { b'"' } else { b',' };
        if self.text.get(self.at) == Some(&usual) {
            self.at += usize::from(!first);
            return Ok(true);
        }
        self.more_or_end(first, close)
    }

    fn more_or_end(&mut self, first: bool, close: u8) -> Result<bool> {
        let byte = self.peek()?;
        if byte == close {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if first {
            return Ok(true);
        }
        if byte != b',' {
            let expected = if close == b'}' { "`,` or `}`" } else { "`,` or `]`" };
            return Err(Fault::syntax(self.at, expected));
        }
        self.at += 1;
        Ok(true)
    }

    /// Reads `true`, `false` or `null`; the scanner is at the first letter.
    #[inline]
    pub(super) fn literal(&mut self, word: &'static str) -> Result<()> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::syntax(self.at, "a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Skips a value that is neither an array nor an object and begins with the byte `first`.
    pub(super) fn scalar(&mut self, first: u8) -> Result<()> {
        match first {
            b'"' => self.string().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number().map(drop),
        }
    }
}
