//! Names looked up by their bytes: fields of an object, event types of a contract.

use std::ops::Range;

use super::lanes::{self, LANES};

/// A fixed set of names, each known by its index. Open addressing with three slots of four free:
/// one probe finds nearly every name, however many there are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// One behind the other: hundreds of them are few lines of a cache.
    text: Box<str>,
    /// Where each begins, and where the last one ends.
    starts: Box<[u32]>,
    /// Index + 1 of a name, or 0.
    slots: Box<[u32]>,
}

impl Names {
    /// `names` are distinct.
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
        &self.text[self.place(index)]
    }

    #[inline]
    fn place(&self, index: usize) -> Range<usize> {
        self.starts[index] as usize..self.starts[index + 1] as usize
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = digest(name) as usize & mask;
        loop {
            let index = self.slots[slot].checked_sub(1)? as usize;
            if same(&self.text.as_bytes()[self.place(index)], name) {
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
    // What the whole words leave over is in the last one, which overlaps them.
    let last = name.last_chunk().map_or_else(|| short(name), |last| u64::from_le_bytes(*last));
    for word in name.as_chunks().0 {
        hash = fold(hash ^ u64::from_le_bytes(*word), MIX);
    }
    fold(hash ^ last, MIX | 1 << 63)
}

/// Up to seven bytes as a word: different ones of one length make different words.
#[inline]
fn short(name: &[u8]) -> u64 {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Whether two texts are the same, without a call: names are a few words long.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return short(a) == short(b);
    };
    // What the whole words leave over is in the last one, which overlaps them.
    // One by one: slices of words are compared by a call.
    a_end == b_end && a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).all(|(a, b)| a == b)
}

/// A member's key as it stands in most texts, `"name":` without white space.
#[derive(Debug, Clone)]
pub(super) struct Key {
    text: Box<[u8]>,
    /// Its first sixteen bytes.
    head: [u8; LANES],
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        // As serde_json spells it. A name with a quote cannot pose as members that way.
        let text = format!("{}:", serde_json::Value::from(name)).into_bytes().into_boxed_slice();
        let start = &text[..text.len().min(LANES)];
        let mut head = [0; LANES];
        head[..start.len()].copy_from_slice(start);
        Self { head, text }
    }

    /// Its bytes in a text.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the text begins with it; `length` is its own.
    #[inline]
    pub(super) fn begins(&self, text: &[u8], length: usize) -> bool {
        // One comparison decides; the rest of a longer key, and a text's last bytes, are rare.
        match text.first_chunk() {
            Some(block) => {
                let alike = lanes::alike(block, &self.head);
                alike >= length || (alike == LANES && text.starts_with(&self.text))
            }
            None => text.starts_with(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_begins_what_it_stands_in(
            name in "[a-zé\"\\\\\u{1}]{0,30}", other in "[a-zé]{0,30}", rest in "[ -~]{0,20}",
        ) {
            let key = Key::new(&name);
            for written in [&name, &other] {
                let text = format!("{}:{rest}", serde_json::to_string(written).unwrap());
                let begins = key.begins(text.as_bytes(), key.len());
                prop_assert_eq!(begins, *written == name, "{} in {}", name, text);
            }
        }
    }

    #[test]
    fn a_name_cannot_pose_as_members() {
        let key = Key::new(r#"a":1,"b"#);
        assert!(!key.begins(br#""a":1,"b":2,"c":3,"d":4}"#, key.len()));
    }
}
