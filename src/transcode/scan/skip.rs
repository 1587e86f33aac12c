//! Reads whole values of which only the text is needed, or nothing.

use super::Scanner;
use crate::record::Reason;
use crate::transcode::fault::{Fault, Result};
use crate::transcode::key_digests::KeyDigests;

impl<'a> Scanner<'a> {
    /// Skips one value; only its grammar is checked.
    #[inline]
    pub(in super::super) fn skip(&mut self) -> Result<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            first => self.skip_other(first),
        }
    }

    fn skip_other(&mut self, first: u8) -> Result<()> {
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

    /// Reads one value that goes into a JSON column and returns its text. Fails on duplicate keys
    /// and on numbers that FLOAT64 cannot hold.
    pub(in super::super) fn json(&mut self, keys: &mut KeyDigests) -> Result<&'a [u8]> {
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

    /// Reads a number of a JSON column, which holds numbers as FLOAT64.
    fn json_number(&mut self) -> Result<()> {
        if !self.number()?.is_float() {
            return Err(Fault::new(Reason::OutOfRange, "a number beyond FLOAT64"));
        }
        Ok(())
    }
}
