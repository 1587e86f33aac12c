//! Reads strings: sixteen bytes at a time up to a quote, backslash or control character; escapes
//! one by one.
//!
//! "Plain" bytes are those that can stand in a string as they are: all but these three.

use super::Scanner;
use crate::transcode::block::{self, BLOCK};
use crate::transcode::fault::{Fault, Result};
use crate::transcode::json_string::{JsonString, unicode_escape};

impl<'a> Scanner<'a> {
    /// Reads the string that the scanner is at.
    #[inline]
    pub(in super::super) fn string(&mut self) -> Result<JsonString<'a>> {
        let start = self.at + 1;
        self.at = start;
        self.string_from(start)
    }

    /// Reads the rest of a string that begins at `start` and has no escape so far.
    #[inline]
    fn string_from(&mut self, start: usize) -> Result<JsonString<'a>> {
        self.skip_plain();
        if self.text.get(self.at) != Some(&b'"') {
            return self.escaped_string(start);
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(JsonString { raw, escaped: false })
    }

    /// Reads the string that the scanner is at and appends it to `row`, escapes resolved.
    #[inline]
    pub(in super::super) fn copy_string(&mut self, row: &mut Vec<u8>) -> Result<()> {
        let (start, written) = (self.at + 1, row.len());
        let mut at = start;
        // Each block is copied whole while it is scanned, and what belongs to the text behind the
        // string is cut off again. That saves a second pass and a call to `memcpy`.
        while let Some(block) = self.text.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
            row.extend_from_slice(block);
            let scan = block::scan(block);
            self.non_ascii |= scan.non_ascii;
            at += scan.plain;
            if scan.plain < BLOCK {
                row.truncate(row.len() + scan.plain - BLOCK);
                if block[scan.plain] == b'"' {
                    self.at = at + 1;
                    return Ok(());
                }
                break;
            }
        }
        self.at = at;
        self.copy_rest_of_string(start, written, row)
    }

    /// Finishes [`Self::copy_string`] if the string has an escape or ends in the last bytes of the
    /// text: replaces what has been written since `written` by the string that begins at `start`.
    #[inline(never)]
    fn copy_rest_of_string(
        &mut self,
        start: usize,
        written: usize,
        row: &mut Vec<u8>,
    ) -> Result<()> {
        let string = self.string_from(start)?;
        row.truncate(written);
        if string.escaped {
            string.unescape(row);
        } else {
            row.extend_from_slice(string.raw);
        }
        Ok(())
    }

    /// Skips the next member if its key is not `wanted`, and if key and value are strings without
    /// escapes and without white space around the colon. Returns whether it did. This is faster
    /// than reading the key and skipping the value when only one member is searched for.
    #[inline]
    pub(in super::super) fn skip_string_member(&mut self, wanted: &str) -> bool {
        let start = self.at;
        if self.text.get(start) == Some(&b'"') {
            self.at += 1;
            self.skip_plain();
            let key = &self.text[start + 1..self.at];
            if self.rest().starts_with(b"\":\"") && key != wanted.as_bytes() {
                self.at += 3;
                self.skip_plain();
                if self.text.get(self.at) == Some(&b'"') {
                    self.at += 1;
                    return true;
                }
            }
        }
        self.at = start;
        false
    }

    /// Reads the rest of a string that begins at `start`; the scanner is at the first byte in it
    /// that is not plain.
    #[inline(never)]
    fn escaped_string(&mut self, start: usize) -> Result<JsonString<'a>> {
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(Fault::syntax(self.at, "no raw control character")),
                None => return Err(Fault::syntax(self.at, "the end of a string")),
            }
            self.skip_plain();
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(JsonString { raw, escaped: true })
    }

    /// Moves to the next quote, backslash or control character.
    #[inline]
    fn skip_plain(&mut self) {
        let mut at = self.at;
        while let Some(block) = self.text.get(at..).and_then(|rest| rest.first_chunk()) {
            let scan = block::scan(block);
            self.non_ascii |= scan.non_ascii;
            at += scan.plain;
            if scan.plain < BLOCK {
                self.at = at;
                return;
            }
        }
        self.at = at;
        self.skip_plain_at_end();
    }

    /// [`Self::skip_plain`] for the last bytes of the text, which are fewer than a block: they are
    /// copied to one that is filled up with quotes.
    fn skip_plain_at_end(&mut self) {
        let rest = &self.text[self.at..];
        let mut block = [b'"'; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let scan = block::scan(&block);
        self.non_ascii |= scan.non_ascii;
        self.at += scan.plain;
    }

    /// Reads one escape. A surrogate pair is read as one; half a pair is not valid.
    fn escape(&mut self) -> Result<()> {
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
