//! Strings: sixteen bytes at a time while they are plain, their escapes checked one by one.

use super::Scanner;
use crate::transcode::fault::{Fault, Walked};
use crate::transcode::lanes::{self, LANES};
use crate::transcode::text::{Text, unicode_escape};

impl<'a> Scanner<'a> {
    /// Reads the string whose quote was just peeked.
    #[inline]
    pub(in super::super) fn string(&mut self) -> Walked<Text<'a>> {
        let start = self.at + 1;
        self.at = start;
        self.string_from(start)
    }

    /// Goes on with a string that begins at `start` and is plain so far.
    #[inline]
    fn string_from(&mut self, start: usize) -> Walked<Text<'a>> {
        self.plain();
        if self.text.get(self.at) != Some(&b'"') {
            return self.escaped_string(start);
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(Text { raw, escaped: false })
    }

    /// Reads the string whose quote was just peeked, and writes it behind `row`.
    #[inline]
    pub(in super::super) fn copy_string(&mut self, row: &mut Vec<u8>) -> Walked<()> {
        let (start, written) = (self.at + 1, row.len());
        let mut at = start;
        // Every block is copied whole, and what was too much goes again: no second pass, no call.
        while let Some(block) = self.text.get(at..).and_then(|rest| rest.first_chunk::<LANES>()) {
            row.extend_from_slice(block);
            let look = lanes::look(block);
            self.beyond_ascii |= look.beyond_ascii;
            at += look.end;
            if look.end < LANES {
                row.truncate(row.len() + look.end - LANES);
                if block[look.end] == b'"' {
                    self.at = at + 1;
                    return Ok(());
                }
                break;
            }
        }
        self.at = at;
        self.copy_rest_of_string(start, written, row)
    }

    #[inline(never)]
    fn copy_rest_of_string(
        &mut self,
        start: usize,
        written: usize,
        row: &mut Vec<u8>,
    ) -> Walked<()> {
        let text = self.string_from(start)?;
        row.truncate(written);
        if text.escaped {
            text.unescape(row);
        } else {
            row.extend_from_slice(text.raw);
        }
        Ok(())
    }

    /// Passes over the member that follows if its key and its value are plain strings without
    /// white space around the colon, unless the key is this one; answers whether it did. Quicker
    /// than a key and [`Self::skip`] where only one member is looked for.
    #[inline]
    pub(in super::super) fn skip_strings(&mut self, unless: &str) -> bool {
        let start = self.at;
        if self.text.get(start) == Some(&b'"') {
            self.at += 1;
            self.plain();
            let key = &self.text[start + 1..self.at];
            if self.rest().starts_with(b"\":\"") && key != unless.as_bytes() {
                self.at += 3;
                self.plain();
                if self.text.get(self.at) == Some(&b'"') {
                    self.at += 1;
                    return true;
                }
            }
        }
        self.at = start;
        false
    }

    /// Goes on with a string at what its plain beginning ended with.
    #[inline(never)]
    fn escaped_string(&mut self, start: usize) -> Walked<Text<'a>> {
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(Fault::syntax(self.at, "no raw control character")),
                None => return Err(Fault::syntax(self.at, "the end of a string")),
            }
            self.plain();
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(Text { raw, escaped: true })
    }

    /// Moves to the next quote, backslash or control character.
    #[inline]
    fn plain(&mut self) {
        let mut at = self.at;
        while let Some(block) = self.text.get(at..).and_then(|rest| rest.first_chunk()) {
            let look = lanes::look(block);
            self.beyond_ascii |= look.beyond_ascii;
            at += look.end;
            if look.end < LANES {
                self.at = at;
                return;
            }
        }
        self.at = at;
        self.plain_to_the_end();
    }

    /// The same for what is left behind the last whole block.
    fn plain_to_the_end(&mut self) {
        let rest = &self.text[self.at..];
        let mut block = [b'"'; LANES];
        block[..rest.len()].copy_from_slice(rest);
        let look = lanes::look(&block);
        self.beyond_ascii |= look.beyond_ascii;
        self.at += look.end;
    }

    /// Checks one escape, a surrogate pair as one: half a pair is no character.
    fn escape(&mut self) -> Walked<()> {
        let fault = |at| Err(Fault::syntax(at, "a valid escape"));
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match unicode_escape(&self.text[self.at..]) {
                Some((_, used)) => self.at += used,
                None => return fault(self.at),
            },
            _ => return fault(self.at),
        }
        Ok(())
    }
}
