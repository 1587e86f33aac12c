//! Scans and compares sixteen bytes at a time.
//!
//! Most of the transcoder's time goes into finding the ends of strings and comparing keys. Doing
//! both in blocks of sixteen bytes, the width of an SSE2 register, is several times faster than
//! byte by byte. Every x86-64 processor has SSE2, so nothing is detected at run time. Other
//! processors use `portable`, which does the same with integers. The tests check both against a
//! byte-by-byte reference.

/// Bytes in a block.
pub(super) const BLOCK: usize = 16;

/// The result of [`scan`].
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockScan {
    /// Number of bytes before the first quote, backslash or control character; [`BLOCK`] if the
    /// block has none of them.
    pub(super) plain: usize,
    /// Not 0 if any byte of the block is outside ASCII. It is a bit set and not a `bool` because
    /// the caller combines many blocks: OR is cheaper than a comparison for each.
    pub(super) non_ascii: u64,
}

#[cfg(target_arch = "x86_64")]
pub(super) use sse2::{common_prefix, scan};

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::{common_prefix, scan};

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    use super::{BLOCK, BlockScan};

    /// Finds where the block stops being plain string content, and whether it is ASCII.
    #[inline]
    #[expect(unsafe_code, reason = "a caller without the `target_feature` attribute")]
    pub(in super::super) fn scan(block: &[u8; BLOCK]) -> BlockScan {
        // SAFETY: every x86-64 processor has SSE2. The load reads the sixteen bytes of `block` and
        // does not need them aligned.
        unsafe { scan_register(_mm_loadu_si128(block.as_ptr().cast())) }
    }

    /// Returns how many bytes at the start of both blocks are equal.
    #[inline]
    #[expect(unsafe_code, reason = "a caller without the `target_feature` attribute")]
    pub(in super::super) fn common_prefix(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> usize {
        // SAFETY: as in `scan`.
        let equal = unsafe {
            let (a, b) = (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast()));
            _mm_movemask_epi8(_mm_cmpeq_epi8(a, b))
        };
        (!equal).trailing_zeros() as usize
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn scan_register(bytes: __m128i) -> BlockScan {
        let equal = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
        // There is no unsigned `<=`: a byte is at most 0x1f if min(byte, 0x1f) is the byte.
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        let special = _mm_or_si128(_mm_or_si128(equal(b'"'), equal(b'\\')), control);
        // A seventeenth bit, always set, makes the result `BLOCK` if no other bit is.
        let plain = (_mm_movemask_epi8(special) | 1 << BLOCK).trailing_zeros() as usize;
        BlockScan { plain, non_ascii: _mm_movemask_epi8(bytes) as u64 }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{BLOCK, BlockScan};

    const ONES: u64 = 0x0101_0101_0101_0101;
    /// The high bit of each byte, which is set in bytes outside ASCII.
    const HIGH: u64 = 0x8080_8080_8080_8080;

    /// Finds where the block stops being plain string content, and whether it is ASCII.
    #[inline]
    pub(in super::super) fn scan(block: &[u8; BLOCK]) -> BlockScan {
        let mut halves = [0; 2];
        for (half, bytes) in halves.iter_mut().zip(block.as_chunks().0) {
            *half = u64::from_le_bytes(*bytes);
        }
        let [low, high] = halves;
        let plain = match (special_bytes(low), special_bytes(high)) {
            (0, 0) => BLOCK,
            (0, high) => BLOCK / 2 + first_marked(high),
            (low, _) => first_marked(low),
        };
        BlockScan { plain, non_ascii: (low | high) & HIGH }
    }

    /// Returns how many bytes at the start of both blocks are equal.
    pub(in super::super) fn common_prefix(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> usize {
        (u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b)).trailing_zeros() as usize / 8
    }

    /// Index of the lowest byte whose high bit is set.
    fn first_marked(marks: u64) -> usize {
        marks.trailing_zeros() as usize / 8
    }

    /// Sets the high bit of each byte that is a quote, a backslash or a control character.
    ///
    /// Subtracting `n` from a byte below `n` borrows, which sets its high bit. To find the quote
    /// (0x22) together with the control characters (below 0x20), bit 1 is flipped first: that
    /// turns the quote into 0x20 and the space (0x20) into 0x22, so the bytes to find are those
    /// below 0x21. A borrow can also mark bytes above a hit by mistake, so only the lowest mark is
    /// reliable.
    fn special_bytes(word: u64) -> u64 {
        let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        (quote_or_control | backslash) & !word & HIGH
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The length of the plain prefix, and whether a byte is outside ASCII, byte by byte.
    fn reference(block: &[u8; BLOCK]) -> (usize, bool) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        (block.iter().position(special).unwrap_or(BLOCK), !block.is_ascii())
    }

    fn found(scan: BlockScan) -> (usize, bool) {
        (scan.plain, scan.non_ascii != 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn both_versions_scan_as_the_reference(
            block in prop::array::uniform16(prop_oneof![
                any::<u8>(), b' '..=b'~', Just(b'"'), Just(b'\\'), 0..0x22u8, 0x7e..0x82u8
            ]),
        ) {
            prop_assert_eq!(found(scan(&block)), reference(&block));
            prop_assert_eq!(found(portable::scan(&block)), reference(&block));
        }
    }

    proptest! {
        #[test]
        fn both_versions_find_the_common_prefix(
            block in any::<[u8; BLOCK]>(), other in any::<[u8; BLOCK]>(), from in 0..=BLOCK,
        ) {
            let mut mixed = block;
            mixed[from..].copy_from_slice(&other[from..]);
            let expected = block.iter().zip(&mixed).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(common_prefix(&block, &mixed), expected);
            prop_assert_eq!(portable::common_prefix(&block, &mixed), expected);
        }
    }

    #[test]
    fn every_byte_at_every_index_of_a_block() {
        for byte in 0..=u8::MAX {
            for index in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[index] = byte;
                let expected = reference(&block);
                assert_eq!(found(scan(&block)), expected, "{byte:#x} at {index}");
                assert_eq!(found(portable::scan(&block)), expected, "{byte:#x} at {index}");
            }
        }
    }
}
