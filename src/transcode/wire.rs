//! The parts of protobuf's wire format that a row needs.
//!
//! A field is its tag (field number and wire type, as a varint) followed by its content. A varint
//! holds seven bits of a number in each byte, lowest first; the high bit of a byte says that
//! another byte follows.

use crate::row::{Column, ColumnType, TableSchema};

/// How a field's content is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireType {
    Varint = 0,
    /// Eight bytes, little-endian.
    Fixed64 = 1,
    /// A length as a varint, then that many bytes.
    Bytes = 2,
}

/// The wire type of the protobuf field that carries this type of column.
fn wire_type(kind: &ColumnType) -> WireType {
    match kind {
        ColumnType::Int64 | ColumnType::Bool | ColumnType::Timestamp | ColumnType::Date => {
            WireType::Varint
        }
        ColumnType::Float64 => WireType::Fixed64,
        ColumnType::String
        | ColumnType::Bytes
        | ColumnType::Datetime
        | ColumnType::Time
        | ColumnType::Numeric
        | ColumnType::BigNumeric
        | ColumnType::Json
        | ColumnType::Record(_) => WireType::Bytes,
    }
}

/// A field's tag, encoded when the plan is compiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    // Four bytes hold a column's index up to 2^24; a table has at most 10,000 columns.
    bytes: [u8; 4],
    used: u8,
}

impl Tag {
    /// The tag of the column with this index, which is 0 for a table's first column; protobuf's
    /// field number is one more.
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

    /// The tag of a column of this type.
    pub(super) fn of(column: usize, kind: &ColumnType) -> Self {
        Self::new(column, wire_type(kind))
    }

    /// The tag of the table's column with this name, if there is one and it has this type.
    pub(super) fn find(table: &TableSchema, name: &str, kind: &ColumnType) -> Option<Self> {
        let found =
            |column: &Column| column.name.eq_ignore_ascii_case(name) && column.kind == *kind;
        table.columns.iter().position(found).map(|index| Self::of(index, kind))
    }

    /// Writes the tag alone.
    #[inline]
    pub(super) fn write(self, row: &mut Vec<u8>) {
        append_prefix(row, self.bytes, self.used.into());
    }

    /// Writes a varint field. A value below 128 is written together with the tag in one store.
    #[inline]
    pub(super) fn varint(self, value: u64, row: &mut Vec<u8>) {
        if value < 0x80 {
            let tag = u64::from(u32::from_le_bytes(self.bytes));
            let both = tag | value << (8 * self.used);
            append_prefix(row, both.to_le_bytes(), usize::from(self.used) + 1);
        } else {
            self.longer_varint(value, row);
        }
    }

    #[inline(never)]
    fn longer_varint(self, value: u64, row: &mut Vec<u8>) {
        if value < 1 << 56 {
            let (bytes, used) = spread_varint(value);
            self.with_word(bytes, used, row);
        } else {
            self.write(row);
            long_varint(value, row);
        }
    }

    /// Writes the tag and the first `used` bytes of a word.
    #[inline]
    fn with_word(self, word: u64, used: usize, row: &mut Vec<u8>) {
        let tag = u128::from(u32::from_le_bytes(self.bytes));
        let both = tag | u128::from(word) << (8 * self.used);
        append_prefix(row, both.to_le_bytes(), usize::from(self.used) + used);
    }

    #[inline]
    pub(super) fn int64(self, value: i64, row: &mut Vec<u8>) {
        self.varint(value as u64, row);
    }

    pub(super) fn double(self, value: f64, row: &mut Vec<u8>) {
        self.with_word(value.to_bits(), 8, row);
    }

    #[inline]
    pub(super) fn bytes(self, value: &[u8], row: &mut Vec<u8>) {
        self.varint(value.len() as u64, row);
        row.extend_from_slice(value);
    }

    /// Writes a field whose content is written by `body` and whose length is known only afterwards.
    ///
    /// The length stands before the content. One byte is reserved for it, which is enough if the
    /// content has less than 128 bytes, as it usually has. Longer content is moved afterwards to
    /// make room for the longer length.
    ///
    /// Returns what `body` returns. If that is an error, the field is incomplete and the caller has
    /// to discard the row.
    #[inline]
    pub(super) fn delimited<T>(self, row: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.varint(0, row);
        let start = row.len();
        let result = body(row);
        let length = row.len() - start;
        match row.get_mut(start - 1) {
            Some(reserved) if length < 0x80 => *reserved = length as u8,
            _ => insert_length(row, start),
        }
        result
    }
}

/// Replaces the one byte reserved before `start` by the length of what follows it.
#[inline(never)]
fn insert_length(row: &mut Vec<u8>, start: usize) {
    let (bytes, used) = spread_varint((row.len() - start) as u64);
    row.splice(start - 1..start, bytes.to_le_bytes().into_iter().take(used));
}

/// Appends the first `used` bytes. All of them are written and the rest is cut off again, because
/// one store of a fixed size is cheaper than a copy of a variable one.
#[inline]
fn append_prefix<const N: usize>(row: &mut Vec<u8>, bytes: [u8; N], used: usize) {
    let end = row.len() + used;
    row.extend_from_slice(&bytes);
    row.truncate(end);
}

/// Encodes a value from 2^7 to 2^56 - 1 as a varint of two to eight bytes; returns them as a
/// little-endian word, and how many there are. Times in microseconds are such values.
///
/// Instead of a loop over groups of seven bits, the 56 bits are spread over the eight bytes of a
/// word in three steps: first 28 bits to each half, then 14 to each quarter, then 7 to each byte.
/// Then the high bit of every byte but the last is set, which says that another byte follows.
#[inline]
fn spread_varint(value: u64) -> (u64, usize) {
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

/// Returns the number of bytes of a varint: the number of significant bits divided by seven,
/// rounded up. protobuf's own libraries compute it with this formula.
#[inline]
fn varint_len(value: u64) -> usize {
    (640 - 9 * (value | 1).leading_zeros() as usize) / 64
}
