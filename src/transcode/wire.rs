//! The few pieces of protobuf's wire format that a row needs.

/// What follows a field's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
}

/// A field's key, encoded once when the plan is compiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    // A column's index is below 2^24 (BigQuery allows 10,000 columns), so four bytes hold it.
    bytes: [u8; 4],
    used: u8,
}

impl Tag {
    /// `column` counts from 0; protobuf's field number is one more.
    pub(super) fn new(column: usize, wire: WireType) -> Self {
        let mut bytes = [0; 4];
        let mut used = 0;
        let mut key = ((column as u32 + 1) << 3) | wire as u32;
        while key >= 0x80 && used < 3 {
            bytes[used] = key as u8 | 0x80;
            key >>= 7;
            used += 1;
        }
        bytes[used] = key as u8 & 0x7f;
        Self { bytes, used: used as u8 + 1 }
    }

    #[inline]
    pub(super) fn write(self, row: &mut Vec<u8>) {
        put(row, self.bytes, self.used.into());
    }

    /// The key and a varint; a short one, as lengths are, in one store.
    #[inline]
    pub(super) fn varint(self, value: u64, row: &mut Vec<u8>) {
        if value < 0x80 {
            let key = u64::from(u32::from_le_bytes(self.bytes));
            let both = key | value << (8 * self.used);
            put(row, both.to_le_bytes(), usize::from(self.used) + 1);
        } else {
            self.longer_varint(value, row);
        }
    }

    #[inline(never)]
    fn longer_varint(self, value: u64, row: &mut Vec<u8>) {
        if value < 1 << 56 {
            let (spread, used) = middle_varint(value);
            self.with(spread, used, row);
        } else {
            self.write(row);
            long_varint(value, row);
        }
    }

    /// The key and the first `used` bytes of a word.
    #[inline]
    fn with(self, word: u64, used: usize, row: &mut Vec<u8>) {
        let key = u128::from(u32::from_le_bytes(self.bytes));
        let both = key | u128::from(word) << (8 * self.used);
        put(row, both.to_le_bytes(), usize::from(self.used) + used);
    }

    #[inline]
    pub(super) fn int64(self, value: i64, row: &mut Vec<u8>) {
        self.varint(value as u64, row);
    }

    pub(super) fn double(self, value: f64, row: &mut Vec<u8>) {
        self.with(value.to_bits(), 8, row);
    }

    #[inline]
    pub(super) fn bytes(self, value: &[u8], row: &mut Vec<u8>) {
        self.varint(value.len() as u64, row);
        row.extend_from_slice(value);
    }

    /// Writes a field whose length is known only once `body` has written it. One byte is kept free
    /// for the length, enough below 128; a longer body is moved up once. Answers as `body` does:
    /// on an error the field is left unfinished, and the row is given up.
    #[inline]
    pub(super) fn delimited<T>(self, row: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.varint(0, row);
        let start = row.len();
        let answer = body(row);
        let length = row.len() - start;
        match row.get_mut(start - 1) {
            Some(place) if length < 0x80 => *place = length as u8,
            _ => insert_length(row, start),
        }
        answer
    }
}

/// Puts the length of what begins at `start` before it, where one byte was kept free.
#[inline(never)]
fn insert_length(row: &mut Vec<u8>, start: usize) {
    let (spread, used) = middle_varint((row.len() - start) as u64);
    row.splice(start - 1..start, spread.to_le_bytes().into_iter().take(used));
}

/// Appends the first `used` of these bytes: all of them are one store, and what is too much goes
/// again.
#[inline]
fn put<const N: usize>(row: &mut Vec<u8>, bytes: [u8; N], used: usize) {
    let end = row.len() + used;
    row.extend_from_slice(&bytes);
    row.truncate(end);
}

/// A varint of two to eight bytes, as a time in microseconds is, and how many it has; without a
/// loop: the seven-bit groups are spread over the bytes of a word by halves, quarters and eighths,
/// and all bytes but the last are marked as not the last.
#[inline]
fn middle_varint(value: u64) -> (u64, usize) {
    let halves = (value & 0x0fff_ffff) | ((value & 0x00ff_ffff_f000_0000) << 4);
    let quarters = (halves & 0x0000_3fff_0000_3fff) | ((halves & 0x0fff_c000_0fff_c000) << 2);
    let spread = (quarters & 0x007f_007f_007f_007f) | ((quarters & 0x3f80_3f80_3f80_3f80) << 1);
    let used = varint_len(value);
    let more = 0x8080_8080_8080_8080 & ((1 << (8 * (used - 1))) - 1);
    (spread | more, used)
}

#[cold]
#[inline(never)]
fn long_varint(mut value: u64, row: &mut Vec<u8>) {
    while value >= 0x80 {
        row.push(value as u8 | 0x80);
        value >>= 7;
    }
    row.push(value as u8);
}

/// A seventh of the bits that the value has, rounded up; protobuf's own way to divide.
#[inline]
fn varint_len(value: u64) -> usize {
    (640 - 9 * (value | 1).leading_zeros() as usize) / 64
}
