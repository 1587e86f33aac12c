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
    // What the whole words leave over is in the last one, which overlaps them.
    let last = match name.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => name.iter().fold(0, |last, byte| last << 8 | u64::from(*byte)),
    };
    for word in name.as_chunks().0 {
        hash = fold(hash ^ u64::from_le_bytes(*word), MIX);
    }
    fold(hash ^ last, MIX | 1 << 63)
}

/// Whether two texts are the same, without a call: names are a few words long.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a == b;
    };
    // What the whole words leave over is in the last one, which overlaps them.
    a_end == b_end && a.as_chunks::<8>().0 == b.as_chunks::<8>().0
}

/// A member's key as it stands in most texts, `"name":` without white space.
#[derive(Debug, Clone)]
pub(super) struct Key {
    text: Box<[u8]>,
    /// Its first sixteen bytes, and which of them count.
    head: u128,
    mask: u128,
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        // As serde_json spells it. A name with a quote cannot pose as members that way.
        let text = format!("{}:", serde_json::Value::from(name)).into_bytes().into_boxed_slice();
        let head = &text[..text.len().min(16)];
        let mut block = [0; 16];
        block[..head.len()].copy_from_slice(head);
        let mask = u128::MAX >> (8 * (16 - head.len()));
        Self { head: u128::from_le_bytes(block), mask, text }
    }

    /// Its bytes in a text.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the text begins with it.
    #[inline]
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        // One comparison decides; the rest of a longer key, and a text's last bytes, are rare.
        match text.first_chunk() {
            Some(block) => {
                (u128::from_le_bytes(*block) ^ self.head) & self.mask == 0
                    && (self.text.len() <= 16 || text.starts_with(&self.text))
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
                prop_assert_eq!(key.begins(text.as_bytes()), *written == name, "{} in {}", name, text);
            }
        }
    }

    #[test]
    fn a_name_cannot_pose_as_members() {
        let key = Key::new(r#"a":1,"b"#);
        assert!(!key.begins(br#""a":1,"b":2,"c":3,"d":4}"#));
    }
}
