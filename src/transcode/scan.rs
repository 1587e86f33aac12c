//! The scanner: JSON's grammar (RFC 8259) over bytes, a token at a time, without a tree.
//!
//! It checks everything it passes, also what is only skipped: a row never carries text that is
//! not JSON. Whether it is UTF-8 is asked at the end, once ([`Scanner::utf8`]).

mod number;
mod skip;
mod string;

pub(super) use self::skip::Keys;

use super::fault::{Fault, Walked};
use super::names::Key;
use super::text::Text;
use crate::record::Reason;

/// Arrays and objects may nest this deep; the next level is one too many. serde_json has the same
/// limit, so whatever one of the two reads the other reads too.
pub(super) const MAX_DEPTH: usize = 127;

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// Not 0 where a string, or what stands close behind it, has a byte beyond ASCII.
    beyond_ascii: u64,
}

pub(super) fn utf8(text: &[u8]) -> Walked<()> {
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
        Self { text, at: 0, depth: 0, beyond_ascii: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// The first byte of the next token, which is left where it is.
    #[inline]
    pub(super) fn peek(&mut self) -> Walked<u8> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Ok(*byte),
            }
        }
        Err(Fault::syntax(self.at, "more, the text ends"))
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Walked<()> {
        match self.rest().iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
            None => Ok(()),
            Some(more) => Err(Fault::syntax(self.at + more, "the end of the text")),
        }
    }

    /// Whether what was read is UTF-8; to be asked at the end. Only strings can have bytes beyond
    /// ASCII, and most texts have none at all.
    pub(super) fn utf8(&self) -> Walked<()> {
        if self.beyond_ascii == 0 { Ok(()) } else { utf8(self.text) }
    }

    /// Enters the array or object whose first byte was just peeked.
    #[inline]
    pub(super) fn open(&mut self) -> Walked<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let detail = format!("byte {}: more than {MAX_DEPTH} levels deep", self.at - 1);
            return Err(Fault::new(Reason::TooDeep, detail));
        }
        Ok(())
    }

    /// In an object: the next key, its colon read too; `None` where the object ends.
    #[inline]
    pub(super) fn key(&mut self, first: bool) -> Walked<Option<Text<'a>>> {
        if self.member(first)? { self.key_here().map(Some) } else { Ok(None) }
    }

    /// In an object: whether another member follows.
    #[inline]
    pub(super) fn member(&mut self, first: bool) -> Walked<bool> {
        self.more(first, b'}')
    }

    /// Reads the key and colon of the member that follows.
    #[inline]
    pub(super) fn key_here(&mut self) -> Walked<Text<'a>> {
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

    /// Reads the key and colon of the member that follows if it is this one, of this length, and no
    /// white space is there.
    #[inline]
    pub(super) fn take(&mut self, key: &Key, length: usize) -> bool {
        let taken = key.begins(self.rest(), length);
        if taken {
            self.at += length;
        }
        taken
    }

    /// How much has been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// In an array: whether another item follows.
    #[inline]
    pub(super) fn item(&mut self, first: bool) -> Walked<bool> {
        self.more(first, b']')
    }

    #[inline]
    fn more(&mut self, first: bool, close: u8) -> Walked<bool> {
        // What stands before a member of nearly every text.
        let plain = if first { b'"' } else { b',' };
        if self.text.get(self.at) == Some(&plain) {
            self.at += usize::from(!first);
            return Ok(true);
        }
        self.more_or_end(first, close)
    }

    fn more_or_end(&mut self, first: bool, close: u8) -> Walked<bool> {
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

    /// Reads `true`, `false` or `null`, of which the first byte was just peeked.
    #[inline]
    pub(super) fn literal(&mut self, word: &'static str) -> Walked<()> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::syntax(self.at, "a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over one value that is neither array nor object, its first byte just peeked.
    pub(super) fn scalar(&mut self, first: u8) -> Walked<()> {
        match first {
            b'"' => self.string().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number().map(drop),
        }
    }

    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Where a key or string that this scanner read stands in the text, behind its quote.
    pub(super) fn start_of(&self, text: Text<'a>) -> usize {
        text.raw.as_ptr() as usize - self.text.as_ptr() as usize
    }
}
