//! Encoded rows, framed for the wire as they are written.

use crate::record::Position;

/// Rows as the body of a `ProtoRows` message: each is `0x0A`, its length as a varint, its bytes.
/// The append request takes `frames` as it stands, so a row is written once and never copied.
#[derive(Debug, Default, Clone)]
pub struct RowBuffer {
    frames: Vec<u8>,
    /// End of each row in `frames`.
    ends: Vec<u32>,
    positions: Vec<Position>,
}

/// Two bytes hold the length of rows from 128 to 16,383 bytes, which nearly all are; others move.
const LENGTH_BYTES: usize = 2;
const TAG: u8 = 0x0A;

impl RowBuffer {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { frames: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Appends the row that `encode` writes behind what is there; on an error nothing stays.
    pub fn push<E>(
        &mut self,
        at: Position,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let frame = self.frames.len();
        self.frames.extend_from_slice(&[TAG, 0, 0]);
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

    /// The framed rows, as they go into the request.
    pub fn frames(&self) -> &[u8] {
        &self.frames
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Without rows again, in the memory it has.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.ends.clear();
        self.positions.clear();
    }

    /// Bytes on the wire.
    pub fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// Gives back what growing by doubling took beyond the rows, so that bytes counted are bytes held.
    pub fn shrink(&mut self) {
        // A quarter too much is not worth a hole in the heap.
        if self.frames.capacity() <= self.frames.len() + self.frames.len() / 4 {
            return;
        }
        self.frames.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.positions.shrink_to_fit();
    }

    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// The same rows without those at `indices` (ascending).
    pub fn without(&self, indices: &[usize]) -> RowBuffer {
        let mut kept = RowBuffer::with_capacity(self.frames.len());
        let mut start = 0;
        for (index, end) in self.ends.iter().enumerate() {
            let end = *end as usize;
            if indices.binary_search(&index).is_err() {
                kept.frames.extend_from_slice(&self.frames[start..end]);
                kept.ends.push(kept.frames.len() as u32);
                kept.positions.push(self.positions[index]);
            }
            start = end;
        }
        kept
    }

    /// Cuts the rows into buffers of at most `bytes` each, in order; a single larger row stands alone.
    pub fn split(self, bytes: usize) -> Vec<RowBuffer> {
        if self.frames.len() <= bytes {
            return vec![self];
        }
        let mut parts = Vec::new();
        let mut part = RowBuffer::default();
        let mut start = 0;
        for (index, end) in self.ends.iter().enumerate() {
            let frame = &self.frames[start..*end as usize];
            if !part.is_empty() && part.frames.len() + frame.len() > bytes {
                parts.push(std::mem::take(&mut part));
            }
            part.frames.extend_from_slice(frame);
            part.ends.push(part.frames.len() as u32);
            part.positions.push(self.positions[index]);
            start = *end as usize;
        }
        parts.push(part);
        parts
    }
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
