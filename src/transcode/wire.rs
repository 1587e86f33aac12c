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
        put(row, u32::from_le_bytes(self.bytes).into(), self.used.into());
    }

    /// The key and a varint; a short one, as lengths are, in one store.
    #[inline]
    pub(super) fn varint(self, value: u64, row: &mut Vec<u8>) {
        if value < 0x80 {
            let key = u64::from(u32::from_le_bytes(self.bytes));
            put(row, key | value << (8 * self.used), usize::from(self.used) + 1);
        } else {
            self.longer_varint(value, row);
        }
    }

    #[inline(never)]
    fn longer_varint(self, value: u64, row: &mut Vec<u8>) {
        self.write(row);
        if value < 1 << 56 {
            let (spread, used) = middle_varint(value);
            put(row, spread, used);
        } else {
            long_varint(value, row);
        }
    }

    #[inline]
    pub(super) fn int64(self, value: i64, row: &mut Vec<u8>) {
        self.varint(value as u64, row);
    }

    pub(super) fn double(self, value: f64, row: &mut Vec<u8>) {
        self.write(row);
        row.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn bytes(self, value: &[u8], row: &mut Vec<u8>) {
        self.varint(value.len() as u64, row);
        row.extend_from_slice(value);
    }

    /// Writes a field whose length is known only once `body` has written it. One byte is kept free
    /// for the length, enough below 128; a longer body is moved up once. Answers as `body` does:
    /// on an error the field is left unfinished, and the row is given up.
    pub(super) fn delimited<T>(self, row: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.write(row);
        let length_at = row.len();
        row.push(0);
        let answer = body(row);
        close(row, length_at);
        answer
    }
}

/// Puts the length of what follows the byte at `length_at` before it.
fn close(row: &mut Vec<u8>, length_at: usize) {
    let start = length_at + 1;
    let end = row.len();
    let length = (end - start) as u64;
    if length < 0x80 {
        row[length_at] = length as u8;
        return;
    }
    let extra = varint_len(length) - 1;
    row.resize(end + extra, 0);
    row.copy_within(start..end, start + extra);
    let mut rest = length;
    for byte in &mut row[length_at..start + extra] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    row[length_at + extra] &= 0x7f;
}

/// Appends the first `used` bytes of a word: all of them are one store, and what is too much goes
/// again.
#[inline]
fn put(row: &mut Vec<u8>, word: u64, used: usize) {
    let end = row.len() + used;
    row.extend_from_slice(&word.to_le_bytes());
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

fn long_varint(mut value: u64, row: &mut Vec<u8>) {
    while value >= 0x80 {
        row.push(value as u8 | 0x80);
        value >>= 7;
    }
    row.push(value as u8);
}

#[inline]
fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
