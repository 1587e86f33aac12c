//! Sets of names that are looked up by their bytes: the fields of an object, the event types of a
//! contract.

use std::ops::Range;

/// A fixed set of names; each is known by its index.
///
/// It is a hash table with open addressing. Three of four slots are empty, so nearly every name is
/// found at the first slot, however many there are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// All names, one after the other, so that hundreds of them take few cache lines.
    text: Box<str>,
    /// Where each name begins in `text`, and where the last one ends.
    starts: Box<[u32]>,
    /// A name's index + 1, or 0 if the slot is empty.
    slots: Box<[u32]>,
}

impl Names {
    /// `names` must be distinct.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut text, mut starts) = (String::new(), vec![0]);
        for name in names {
            text.push_str(name);
            starts.push(text.len() as u32);
        }
        let count = starts.len() - 1;
        let slots = vec![0; (count * 4).next_power_of_two()].into_boxed_slice();
        let mask = slots.len() - 1;
        let mut table = Self { text: text.into(), starts: starts.into(), slots };
        for index in 0..count {
            let mut slot = digest(table.name(index).as_bytes()) as usize & mask;
            while table.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            table.slots[slot] = index as u32 + 1;
        }
        table
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.text[self.range(index)]
    }

    /// The place of a name in `text`.
    #[inline]
    fn range(&self, index: usize) -> Range<usize> {
        self.starts[index] as usize..self.starts[index + 1] as usize
    }

    /// Returns the index of a name.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = digest(name) as usize & mask;
        loop {
            let index = self.slots[slot].checked_sub(1)? as usize;
            if same(&self.text.as_bytes()[self.range(index)], name) {
                return Some(index);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// A fast hash of a name: eight bytes at a time are multiplied and folded. Correctness never
/// depends on it: where two digests are equal, the names are compared or the text is read again.
#[inline]
pub(super) fn digest(name: &[u8]) -> u64 {
    // Odd constants with evenly spread bits: the fractional parts of the golden ratio and of √2.
    const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
    const MIX: u64 = 0x6A09_E667_F3BC_C909;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut hash = SEED ^ name.len() as u64;
    // The last eight bytes include those that the whole words do not, and overlap the words.
    let last = name.last_chunk().map_or_else(|| short(name), |last| u64::from_le_bytes(*last));
    for word in name.as_chunks().0 {
        hash = fold(hash ^ u64::from_le_bytes(*word), MIX);
    }
    fold(hash ^ last, MIX | 1 << 63)
}

/// Packs up to seven bytes into a word. Different names of the same length give different words.
#[inline]
fn short(name: &[u8]) -> u64 {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Whether two names are equal. Names are short, so comparing a few words in place is faster than
/// the call to `memcmp` that `a == b` becomes.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return short(a) == short(b);
    };
    // The last eight bytes include those that the whole words do not. The words are compared one
    // by one because comparing slices of them would be a call too.
    a_end == b_end && a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).all(|(a, b)| a == b)
}
