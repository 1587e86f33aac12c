//! Encoded rows, framed as they are sent.

use crate::record::Position;

/// Rows one after another, each with the position of the record it came from.
///
/// The bytes are those of a protobuf message with one field, `repeated bytes rows = 1`: each row is
/// `0x0A`, its length as a varint, its own bytes. BigQuery's append request takes this message
/// (`ProtoRows`) as it is, so a row is written once and not copied.
#[derive(Debug, Default, Clone)]
pub struct RowBuffer {
    frames: Vec<u8>,
    /// End of each row in `frames`.
    ends: Vec<u32>,
    positions: Vec<Position>,
}

/// Bytes kept free for a row's length while the row is written. Two are enough for the lengths
/// from 128 to 16,383 that nearly all rows have; a row of any other length is moved once.
const LENGTH_BYTES: usize = 2;
/// Key of field 1, length-delimited.
const KEY: u8 = 0x0A;

impl RowBuffer {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { frames: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Appends the row that `encode` writes at the end of the vector it gets. If `encode` fails,
    /// the buffer stays as it was.
    pub fn push<E>(
        &mut self,
        at: Position,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let frame = self.frames.len();
        self.frames.extend_from_slice(&[KEY, 0, 0]);
        let body = self.frames.len();
        if let Err(error) = encode(&mut self.frames) {
            self.frames.truncate(frame);
            return Err(error);
        }
        let mut length = [0u8; 10];
        let used = varint(self.frames.len() - body, &mut length);
        let place = frame + 1;
        if used == LENGTH_BYTES {
            self.frames[place..body].copy_from_slice(&length[..used]);
        } else {
            self.frames.splice(place..body, length[..used].iter().copied());
        }
        self.ends.push(self.frames.len() as u32);
        self.positions.push(at);
        Ok(())
    }

    /// The rows with their frames: the whole message.
    pub fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Removes the last row.
    pub fn pop(&mut self) {
        self.ends.pop();
        self.positions.pop();
        self.frames.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    /// The last row, without its frame.
    pub fn last(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|index| body(self.frame(index)))
    }

    /// The rows in order, without their frames, each with its record's position.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (Position, &[u8])> {
        (0..self.len()).map(|index| (self.positions[index], body(self.frame(index))))
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.ends.clear();
        self.positions.clear();
    }

    /// Bytes of the rows with their frames.
    pub fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// Frees the memory beyond the rows if it is more than a quarter of theirs, so that the bytes
    /// that are counted are close to those that are held.
    pub fn shrink(&mut self) {
        if self.frames.capacity() <= self.frames.len() + self.frames.len() / 4 {
            return;
        }
        self.frames.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.positions.shrink_to_fit();
    }

    /// The positions of the rows' records, in the order of the rows.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// A copy without the rows at `indices`, which ascend.
    pub fn without(&self, indices: &[usize]) -> RowBuffer {
        let mut kept = RowBuffer::with_capacity(self.frames.len());
        for index in 0..self.len() {
            if indices.binary_search(&index).is_err() {
                kept.copy(self, index);
            }
        }
        kept
    }

    /// Splits the rows into buffers of at most `bytes` each, in order. A row that is larger by
    /// itself gets a buffer of its own.
    pub fn split(self, bytes: usize) -> Vec<RowBuffer> {
        if self.frames.len() <= bytes {
            return vec![self];
        }
        let mut parts = Vec::new();
        let mut part = RowBuffer::default();
        for index in 0..self.len() {
            if !part.is_empty() && part.frames.len() + self.frame(index).len() > bytes {
                parts.push(std::mem::take(&mut part));
            }
            part.copy(&self, index);
        }
        parts.push(part);
        parts
    }

    /// The bytes of one row with its frame.
    fn frame(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.frames[start as usize..self.ends[index] as usize]
    }

    /// Appends a copy of another buffer's row.
    fn copy(&mut self, other: &RowBuffer, index: usize) {
        self.frames.extend_from_slice(other.frame(index));
        self.ends.push(self.frames.len() as u32);
        self.positions.push(other.positions[index]);
    }
}

/// What follows a frame's key and length.
fn body(frame: &[u8]) -> &[u8] {
    let last_of_length = frame.iter().skip(1).position(|byte| *byte < 0x80).unwrap_or_default();
    frame.get(last_of_length + 2..).unwrap_or_default()
}

fn varint(mut value: usize, into: &mut [u8; 10]) -> usize {
    let mut used = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        into[used] = if value == 0 { low } else { low | 0x80 };
        used += 1;
        if value == 0 {
            return used;
        }
    }
}
