//! Readers: one that remembers its own failure, and one whose beginning can be looked at.

use std::io::{self, ErrorKind, Read};

use super::error::ArchiveError;

/// Tells errors of the reader from those that decoders above it find in what it read.
pub(super) struct Watched<R> {
    inner: R,
    pub failure: Option<io::Error>,
}

impl<R> Watched<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, failure: None }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into).map_err(|error| {
            if error.kind() == ErrorKind::Interrupted {
                return error;
            }
            let kind = error.kind();
            self.failure = Some(error);
            io::Error::from(kind)
        })
    }
}

/// A tar's header, by which it is known, has this many bytes.
pub(super) const BLOCK: usize = 512;

/// A reader of which the first bytes are known.
pub(super) struct Peeked<R> {
    inner: R,
    beginning: [u8; BLOCK],
    /// How many bytes the beginning has, and how many of them were read.
    length: usize,
    read: usize,
}

impl<R: Read> Peeked<R> {
    pub fn of(mut inner: R) -> Result<Self, ArchiveError> {
        let mut beginning = [0; BLOCK];
        let length = fill(&mut inner, &mut beginning)?;
        Ok(Self { inner, beginning, length, read: 0 })
    }

    /// The first bytes: a block, or all there are.
    pub fn beginning(&self) -> &[u8] {
        &self.beginning[..self.length]
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let known = &self.beginning[self.read..self.length];
        if known.is_empty() {
            return self.inner.read(into);
        }
        let count = known.len().min(into.len());
        into[..count].copy_from_slice(&known[..count]);
        self.read += count;
        Ok(count)
    }
}

/// Reads until the buffer is full or there is no more, and says how many bytes there were.
pub(super) fn fill(reader: &mut dyn Read, into: &mut [u8]) -> Result<usize, ArchiveError> {
    let mut length = 0;
    while length < into.len() {
        match some(reader, &mut into[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// Reads some bytes; none at the end.
pub(super) fn some(reader: &mut dyn Read, into: &mut [u8]) -> Result<usize, ArchiveError> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read.map_err(|error| ArchiveError::of_content(&error)),
        }
    }
}
