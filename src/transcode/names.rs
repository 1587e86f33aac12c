//! Names looked up by their bytes: fields of an object, event types of a contract.

/// A fixed set of names, each known by its index. Open addressing with half the slots free: one
/// probe finds nearly every name, however many there are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    names: Box<[Box<[u8]>]>,
    /// Index + 1 of a name, or 0.
    slots: Box<[u32]>,
}

impl Names {
    /// `names` are distinct.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Box<[Box<[u8]>]> = names.into_iter().map(|n| n.as_bytes().into()).collect();
        let mut slots = vec![0; (names.len() * 2 + 1).next_power_of_two()].into_boxed_slice();
        let mask = slots.len() - 1;
        for (index, name) in names.iter().enumerate() {
            let mut slot = digest(name) as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = index as u32 + 1;
        }
        Self { names, slots }
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = digest(name) as usize & mask;
        loop {
            let index = self.slots[slot].checked_sub(1)? as usize;
            if same(&self.names[index], name) {
                return Some(index);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// A quick hash of a name: multiply and fold, eight bytes at a time. Nothing trusts it: equal
/// digests are compared or looked at again.
#[inline]
pub(super) fn digest(name: &[u8]) -> u64 {
    // Odd constants with well spread bits, from the fractional part of the golden ratio and √2.
    const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
    const MIX: u64 = 0x6A09_E667_F3BC_C909;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut hash = SEED ^ name.len() as u64;
    let mut rest = name;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        hash = fold(hash ^ u64::from_le_bytes(*chunk), MIX);
        rest = after;
    }
    let mut last = 0;
    for byte in rest {
        last = last << 8 | u64::from(*byte);
    }
    fold(hash ^ last, MIX | 1 << 63)
}

/// Whether two texts are the same, without a call: names are a few words long.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a == b;
    };
    // What the whole words leave over is in the last one, which overlaps them.
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    words.chain([(a_end, b_end)]).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
}
