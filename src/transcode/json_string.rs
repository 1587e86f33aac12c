//! Strings as they are written in JSON text, and their escapes.

/// A string or key of the JSON text, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonString<'a> {
    /// The bytes between the quotes, with escapes unresolved.
    pub(super) raw: &'a [u8],
    /// Whether `raw` has escapes. The scanner has checked that they are valid.
    pub(super) escaped: bool,
}

impl<'a> JsonString<'a> {
    /// Returns the string with its escapes resolved: `raw` itself if there are none, else written
    /// to `scratch`.
    #[inline]
    pub(super) fn resolve<'b>(&self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.raw;
        }
        scratch.clear();
        self.unescape(scratch);
        scratch
    }

    /// Appends the string with its escapes resolved.
    pub(super) fn unescape(&self, into: &mut Vec<u8>) {
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            into.extend_from_slice(&rest[..at]);
            let escape = &rest[at..];
            let (byte, used) = match escape.get(1) {
                Some(b'b') => (0x08, 2),
                Some(b'f') => (0x0c, 2),
                Some(b'n') => (b'\n', 2),
                Some(b'r') => (b'\r', 2),
                Some(b't') => (b'\t', 2),
                Some(b'u') => {
                    // The scanner accepts only valid escapes, so the replacement is never used.
                    let (char, used) =
                        unicode_escape(escape).unwrap_or((char::REPLACEMENT_CHARACTER, 2));
                    into.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &escape[used..];
                    continue;
                }
                // `\"`, `\\` and `\/` stand for the character itself.
                Some(same) => (*same, 2),
                None => break,
            };
            into.push(byte);
            rest = &escape[used..];
        }
        into.extend_from_slice(rest);
    }
}

/// Reads the `\uXXXX`, or the surrogate pair of two of them, that `text` begins with. Returns the
/// character and the length of the escape; `None` if it is not valid, which half a pair is not.
pub(super) fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let [b'\\', b'u', digits @ ..] = text.get(at..at + 6)? else { return None };
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))
    };
    match unit(0)? {
        high @ 0xD800..=0xDBFF => match unit(6)? {
            low @ 0xDC00..=0xDFFF => {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                Some((char::from_u32(code)?, 12))
            }
            _ => None,
        },
        code => Some((char::from_u32(code)?, 6)),
    }
}
