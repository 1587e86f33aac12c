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

/// A member's key as it stands in most texts, `,"name":` without white space.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The first sixteen bytes, and which of them count.
    head: u128,
    mask: u128,
    /// The bytes behind those, where it is longer.
    tail: Box<[u8]>,
    length: usize,
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        let plain = !name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        let text = if plain { format!(",\"{name}\":") } else { String::new() };
        let (head, tail) = text.as_bytes().split_at(text.len().min(16));
        let mut block = [0; 16];
        block[..head.len()].copy_from_slice(head);
        let mask = u128::MAX.checked_shr(8 * (16 - head.len()) as u32).unwrap_or(0);
        Self { head: u128::from_le_bytes(block), mask, tail: tail.into(), length: text.len() }
    }

    /// How many bytes of the text it takes up, if the text begins with it; `comma`: with the comma
    /// before it. A name that no text has as it stands begins none.
    #[inline]
    pub(super) fn begins(&self, text: &[u8], comma: bool) -> Option<usize> {
        let left_out = usize::from(!comma);
        let found = u128::from_le_bytes(*text.first_chunk()?);
        let (head, mask) =
            if comma { (self.head, self.mask) } else { (self.head >> 8, self.mask >> 8) };
        if (found ^ head) & mask != 0 || self.length == 0 {
            return None;
        }
        let length = self.length - left_out;
        if !self.tail.is_empty() && text.get(16 - left_out..length)? != &*self.tail {
            return None;
        }
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_begins_what_it_stands_in(
            name in "[a-zé\"\\\\]{0,30}", other in "[a-zé]{0,30}", rest in "[ -~]{0,20}", comma: bool,
        ) {
            let key = Key::new(&name);
            for written in [&name, &other] {
                let member = format!("{}\"{written}\":", if comma { "," } else { "" });
                let text = format!("{member}{rest}");
                let plainly = !name.contains(['"', '\\']) && *written == name && text.len() >= 16;
                let begins = key.begins(text.as_bytes(), comma);
                prop_assert_eq!(begins, plainly.then_some(member.len()), "{} in {}", name, text);
            }
        }
    }

    #[test]
    fn a_name_cannot_pose_as_members() {
        let key = Key::new(r#"a":1,"b"#);
        assert_eq!(key.begins(br#","a":1,"b":2,"c":3,"d":4}"#, true), None);
    }
}
