//! The bytes of a file or of an object, read by ranges.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::transfer::source::objects::ObjectRanges;

/// Where ranges are read from.
#[derive(Clone)]
pub enum Blob {
    Local(Arc<File>),
    Object(Arc<ObjectRanges>),
}

impl Blob {
    /// Exactly these bytes.
    fn read(&self, start: u64, into: &mut [u8]) -> Result<()> {
        match self {
            Self::Local(file) => Ok(file.read_exact_at(into, start)?),
            Self::Object(object) => {
                let bytes = object.read(start..start + into.len() as u64);
                let bytes = bytes.map_err(|error| ParquetError::External(Box::new(error)))?;
                if bytes.len() != into.len() {
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(ParquetError::External(Box::new(error)));
                }
                into.copy_from_slice(&bytes);
                Ok(())
            }
        }
    }
}

/// A part of a blob that is read from its beginning to its end, each byte once, and some bytes ahead.
/// Clones share what was read ahead.
#[derive(Clone)]
pub struct Ranges {
    blob: Blob,
    /// Bytes of the whole blob.
    size: u64,
    /// Where the part ends.
    end: u64,
    /// Bytes that are read at once, if no more are needed.
    ahead: usize,
    shared: Arc<Mutex<Window>>,
}

#[derive(Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    /// Bytes that were read since the last time.
    fetched: u64,
}

impl Ranges {
    pub fn new(blob: Blob, size: u64, end: u64, ahead: usize) -> Self {
        Self { blob, size, end: end.min(size), ahead, shared: Arc::default() }
    }

    /// The bytes that were read since the last time.
    pub fn take_fetched(&self) -> u64 {
        let mut window = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut window.fetched)
    }

    /// At least `least` bytes from `start`, and what was read ahead.
    fn at_least(&self, least: usize, start: u64) -> Result<Bytes> {
        let mut window = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = start.checked_sub(window.start).and_then(|skip| usize::try_from(skip).ok());
        let known = skipped.and_then(|skip| window.bytes.get(skip..)).unwrap_or_default();
        if known.len() >= least {
            return Ok(window.bytes.slice_ref(known));
        }
        let last = start.checked_add(least as u64).filter(|last| *last <= self.size);
        let Some(last) = last else {
            let problem = format!("bytes {start} to {start} + {least} of {} bytes", self.size);
            return Err(ParquetError::EOF(problem));
        };
        let end = last.max(self.end.min(start.saturating_add(self.ahead as u64)));
        let length = usize::try_from(end - start)?;
        // Not more than the blob has, whatever a damaged file asks for.
        let mut bytes = BytesMut::zeroed(length);
        let (before, after) = bytes.split_at_mut(known.len());
        before.copy_from_slice(known);
        self.blob.read(start + before.len() as u64, after)?;
        window.fetched += after.len() as u64;
        window.start = start;
        window.bytes = bytes.freeze();
        Ok(window.bytes.clone())
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Ranges {
    type T = RangeReader;

    fn get_read(&self, start: u64) -> Result<RangeReader> {
        Ok(RangeReader { ranges: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.at_least(length, start)?.slice(..length))
    }
}

/// Reads on from a place.
pub struct RangeReader {
    ranges: Ranges,
    at: u64,
}

impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.ranges.size {
            return Ok(0);
        }
        let bytes = self.ranges.at_least(1, self.at).map_err(io::Error::other)?;
        let length = buffer.len().min(bytes.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        self.at += length as u64;
        Ok(length)
    }
}
