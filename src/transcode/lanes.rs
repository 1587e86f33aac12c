//! Sixteen bytes looked at together: where a string's plain run ends, whether one is beyond ASCII,
//! how many are those of a key. With SSE2, which every x86-64 has, and without; the tests hold the
//! two together.

pub(super) const LANES: usize = 16;

/// What a block holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Index of the first quote, backslash or control character; [`LANES`] where there is none.
    pub(super) end: usize,
    /// Not 0 where any byte is beyond ASCII: bits are gathered more cheaply than answers.
    pub(super) beyond_ascii: u64,
}

#[cfg(target_arch = "x86_64")]
pub(super) use sse2::{alike, look};

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::{alike, look};

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    use super::{LANES, Look};

    #[inline]
    #[expect(unsafe_code, reason = "a target feature is named, not seen")]
    pub(in super::super) fn look(block: &[u8; LANES]) -> Look {
        // SAFETY: SSE2 belongs to every x86-64; sixteen bytes are read, at any alignment.
        unsafe { with_sse2(_mm_loadu_si128(block.as_ptr().cast())) }
    }

    /// How many of the first bytes are the same.
    #[inline]
    #[expect(unsafe_code, reason = "a target feature is named, not seen")]
    pub(in super::super) fn alike(a: &[u8; LANES], b: &[u8; LANES]) -> usize {
        // SAFETY: as above.
        let same = unsafe {
            let (a, b) = (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast()));
            _mm_movemask_epi8(_mm_cmpeq_epi8(a, b))
        };
        (!same).trailing_zeros() as usize
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn with_sse2(bytes: __m128i) -> Look {
        let equal = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
        // Unsigned bytes up to 0x1f are their own minimum with it.
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        let ends = _mm_or_si128(_mm_or_si128(equal(b'"'), equal(b'\\')), control);
        // One more bit stands for the end of the block.
        let end = (_mm_movemask_epi8(ends) | 1 << LANES).trailing_zeros() as usize;
        Look { end, beyond_ascii: _mm_movemask_epi8(bytes) as u64 }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{LANES, Look};

    const ONES: u64 = 0x0101_0101_0101_0101;
    /// The high bit of each byte of a word: set in bytes beyond ASCII.
    const HIGH: u64 = 0x8080_8080_8080_8080;

    #[inline]
    pub(in super::super) fn look(block: &[u8; LANES]) -> Look {
        let mut halves = [0; 2];
        for (half, bytes) in halves.iter_mut().zip(block.as_chunks().0) {
            *half = u64::from_le_bytes(*bytes);
        }
        let [low, high] = halves;
        let end = match (ends(low), ends(high)) {
            (0, 0) => LANES,
            (0, high) => LANES / 2 + first(high),
            (low, _) => first(low),
        };
        Look { end, beyond_ascii: (low | high) & HIGH }
    }

    pub(in super::super) fn alike(a: &[u8; LANES], b: &[u8; LANES]) -> usize {
        (u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b)).trailing_zeros() as usize / 8
    }

    fn first(found: u64) -> usize {
        found.trailing_zeros() as usize / 8
    }

    /// Subtracting borrows from the high bit of bytes that are small enough. Turning bit 1 over
    /// brings the quote (0x22) down beside the control characters and the space (0x20) up out of
    /// them, so that one subtraction finds both. A borrow may make the bytes above a hit look like
    /// hits; the lowest counts.
    fn ends(word: u64) -> u64 {
        let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        (quote_or_control | backslash) & !word & HIGH
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where the plain run ends, and whether a byte is beyond ASCII.
    fn plainly(block: &[u8; LANES]) -> (usize, bool) {
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        (block.iter().position(ends).unwrap_or(LANES), !block.is_ascii())
    }

    fn seen(look: Look) -> (usize, bool) {
        (look.end, look.beyond_ascii != 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn both_ways_see_what_is_plainly_there(
            block in prop::array::uniform16(prop_oneof![
                any::<u8>(), b' '..=b'~', Just(b'"'), Just(b'\\'), 0..0x22u8, 0x7e..0x82u8
            ]),
        ) {
            prop_assert_eq!(seen(look(&block)), plainly(&block));
            prop_assert_eq!(seen(portable::look(&block)), plainly(&block));
        }
    }

    proptest! {
        #[test]
        fn both_ways_count_what_is_alike(
            block in any::<[u8; LANES]>(), other in any::<[u8; LANES]>(), from in 0..=LANES,
        ) {
            let mut mixed = block;
            mixed[from..].copy_from_slice(&other[from..]);
            let plainly = block.iter().zip(&mixed).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(alike(&block, &mixed), plainly);
            prop_assert_eq!(portable::alike(&block, &mixed), plainly);
        }
    }

    #[test]
    fn every_byte_in_every_lane() {
        for byte in 0..=u8::MAX {
            for lane in 0..LANES {
                let mut block = [b'a'; LANES];
                block[lane] = byte;
                assert_eq!(seen(look(&block)), plainly(&block), "{byte:#x} in lane {lane}");
                assert_eq!(
                    seen(portable::look(&block)),
                    plainly(&block),
                    "{byte:#x} in lane {lane}"
                );
            }
        }
    }
}
