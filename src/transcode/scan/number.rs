//! Reads numbers.

use super::Scanner;
use crate::transcode::fault::{Fault, Result};
use crate::transcode::number::{Number, Short};

impl<'a> Scanner<'a> {
    /// Reads the number that the scanner is at. Fails if there is none.
    #[inline]
    pub(in super::super) fn number(&mut self) -> Result<Number<'a>> {
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

    /// Reads one digit or more, appends them to the mantissa and returns how many there were. With
    /// more than [`Short::DIGITS`] in all the mantissa overflows and must not be used.
    #[inline]
    fn digits(&mut self, mantissa: &mut u64) -> Result<usize> {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.text.get(self.at) {
            *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        if self.at == start { Err(Fault::syntax(start, "a value")) } else { Ok(self.at - start) }
    }
}
