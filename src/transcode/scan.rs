//! The scanner: JSON's grammar (RFC 8259) over bytes, a token at a time, without a tree.
//!
//! It checks everything it passes, also what is only skipped: a row never carries text that is
//! not JSON. Whether it is UTF-8 is asked at the end, once ([`Scanner::utf8`]).

use super::fault::{Fault, Walked};
use super::lanes::{self, LANES};
use super::names::{Key, digest};
use super::number::{Number, Short};
use super::text::{Text, unicode_escape};
use crate::pipeline::Reason;

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

/// Keys of the objects being skipped, to find one that repeats. Kept between events so that
/// nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Keys {
    digests: Vec<u64>,
    text: Vec<u8>,
    /// The text is known to have no repeated key: do not look.
    pub(super) distinct: bool,
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

impl Keys {
    /// Ready for the next event, whatever the last one left behind.
    pub(super) fn reset(&mut self, distinct: bool) {
        self.digests.clear();
        self.distinct = distinct;
    }

    /// A new object begins; the answer is for [`Self::close`].
    pub(super) fn open(&self) -> usize {
        self.digests.len()
    }

    #[inline]
    pub(super) fn add(&mut self, key: Text<'_>) {
        if !self.distinct {
            let digest = digest(key.resolve(&mut self.text));
            self.digests.push(digest);
        }
    }

    /// The object ends. Two equal digests are nearly always one key twice.
    pub(super) fn close(&mut self, opened: usize) -> Walked<()> {
        let own = &mut self.digests[opened..];
        let repeated = match own {
            [] | [_] => false,
            own => {
                own.sort_unstable();
                own.windows(2).any(|pair| pair[0] == pair[1])
            }
        };
        self.digests.truncate(opened);
        if repeated { Err(Fault::repeated()) } else { Ok(()) }
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

    /// Reads the string whose quote was just peeked.
    #[inline]
    pub(super) fn string(&mut self) -> Walked<Text<'a>> {
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
    pub(super) fn copy_string(&mut self, row: &mut Vec<u8>) -> Walked<()> {
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

    /// Reads the number whose first byte was just peeked, which may turn out to be none.
    #[inline]
    pub(super) fn number(&mut self) -> Walked<Number<'a>> {
        let start = self.at;
        let negative = self.text.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let mut mantissa = 0;
        let mut digits = match self.text.get(self.at) {
            Some(b'0') => {
                self.at += 1;
                1
            }
            _ => self.digits(&mut mantissa)?,
        };
        let mut scale = 0;
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            scale = self.digits(&mut mantissa)?;
            digits += scale;
        }
        let mut short = digits <= Short::DIGITS;
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            short = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits(&mut mantissa)?;
        }
        let short = short.then_some(Short { negative, mantissa, scale });
        Ok(Number { text: &self.text[start..self.at], short })
    }

    /// Reads digits, at least one, behind those of the mantissa; answers how many. Too many for it
    /// leave nonsense there.
    #[inline]
    fn digits(&mut self, mantissa: &mut u64) -> Walked<usize> {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.text.get(self.at) {
            *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        if self.at == start { Err(Fault::syntax(start, "a value")) } else { Ok(self.at - start) }
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

    /// Passes over one value of which nothing is kept; only the grammar matters.
    #[inline]
    pub(super) fn skip(&mut self) -> Walked<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            first => self.skip_other(first),
        }
    }

    fn skip_other(&mut self, first: u8) -> Walked<()> {
        match first {
            b'{' => {
                self.open()?;
                let mut first = true;
                while self.key(first)?.is_some() {
                    first = false;
                    self.skip()?;
                }
                Ok(())
            }
            b'[' => {
                self.open()?;
                let mut first = true;
                while self.item(first)? {
                    first = false;
                    self.skip()?;
                }
                Ok(())
            }
            first => self.scalar(first),
        }
    }

    /// Passes over the member that follows if its key and its value are plain strings without
    /// white space around the colon, unless the key is this one; answers whether it did. Quicker
    /// than a key and [`Self::skip`] where only one member is looked for.
    #[inline]
    pub(super) fn skip_strings(&mut self, unless: &str) -> bool {
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

    /// Passes over one value that goes into a JSON column, and answers with its text.
    pub(super) fn json(&mut self, keys: &mut Keys) -> Walked<&'a [u8]> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'{' => {
                self.open()?;
                let opened = keys.open();
                let mut first = true;
                while let Some(key) = self.key(first)? {
                    first = false;
                    keys.add(key);
                    self.json(keys)?;
                }
                keys.close(opened)?;
            }
            b'[' => {
                self.open()?;
                let mut first = true;
                while self.item(first)? {
                    first = false;
                    self.json(keys)?;
                }
            }
            b'-' | b'0'..=b'9' => self.json_number()?,
            first => self.scalar(first)?,
        }
        Ok(&self.text[start..self.at])
    }

    /// A number in JSON text: BigQuery's JSON holds what FLOAT64 holds.
    fn json_number(&mut self) -> Walked<()> {
        if !self.number()?.is_float() {
            return Err(Fault::new(Reason::OutOfRange, "a number beyond FLOAT64"));
        }
        Ok(())
    }

    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Where a key or string that this scanner read stands in the text, behind its quote.
    pub(super) fn start_of(&self, text: Text<'a>) -> usize {
        text.raw.as_ptr() as usize - self.text.as_ptr() as usize
    }
}
