//! Bytes with a few of them changed, for the tests of everything that reads bytes.

use proptest::prelude::*;
use proptest::sample::Index;

/// One change: a byte is replaced, a byte is removed, or the rest is cut off.
#[derive(Debug, Clone)]
pub struct Damage {
    at: Index,
    byte: u8,
    kind: u8,
}

/// Generates one to three changes.
pub fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = (any::<Index>(), any::<u8>(), 0..3u8);
    prop::collection::vec(damage.prop_map(|(at, byte, kind)| Damage { at, byte, kind }), 1..4)
}

/// Makes the changes, in order, until nothing is left to change.
pub fn damage(bytes: &mut Vec<u8>, damages: &[Damage]) {
    for Damage { at, byte, kind } in damages {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] = *byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
}
