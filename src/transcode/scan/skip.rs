//! Values passed over whole: of no interest, or kept as the text they are.

use super::Scanner;
use crate::record::Reason;
use crate::transcode::fault::{Fault, Walked};
use crate::transcode::names::digest;
use crate::transcode::text::Text;

/// Keys of the objects being skipped, to find one that repeats. Kept between events so that
/// nothing is allocated.
#[derive(Debug, Default)]
pub(in super::super) struct Keys {
    digests: Vec<u64>,
    text: Vec<u8>,
    /// The text is known to have no repeated key: do not look.
    pub(in super::super) distinct: bool,
}

impl Keys {
    /// Ready for the next event, whatever the last one left behind.
    pub(in super::super) fn reset(&mut self, distinct: bool) {
        self.digests.clear();
        self.distinct = distinct;
    }

    /// A new object begins; the answer is for [`Self::close`].
    pub(in super::super) fn open(&self) -> usize {
        self.digests.len()
    }

    #[inline]
    pub(in super::super) fn add(&mut self, key: Text<'_>) {
        if !self.distinct {
            let digest = digest(key.resolve(&mut self.text));
            self.digests.push(digest);
        }
    }

    /// The object ends. Two equal digests are nearly always one key twice.
    pub(in super::super) fn close(&mut self, opened: usize) -> Walked<()> {
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
    /// Passes over one value of which nothing is kept; only the grammar matters.
    #[inline]
    pub(in super::super) fn skip(&mut self) -> Walked<()> {
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

    /// Passes over one value that goes into a JSON column, and answers with its text.
    pub(in super::super) fn json(&mut self, keys: &mut Keys) -> Walked<&'a [u8]> {
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
}
