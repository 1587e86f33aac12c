//! Which fields of an object have come: one bit each.

/// The bits of an object's first 64 fields, which is all that most have; and where those of the
/// others stand.
#[derive(Debug)]
pub(super) struct Seen {
    first: u64,
    more: usize,
}

/// Bits of the fields beyond 64 of all objects open; kept from event to event.
#[derive(Debug, Default)]
pub(super) struct More {
    words: Vec<u64>,
}

impl More {
    pub(super) fn reset(&mut self) {
        self.words.clear();
    }

    /// Enters an object whose fields have `words` words of bits.
    #[inline]
    pub(super) fn open(&mut self, words: usize) -> Seen {
        let more = self.words.len();
        if words > 1 {
            self.words.resize(more + words - 1, 0);
        }
        Seen { first: 0, more }
    }

    /// Leaves the object, and answers with the first required field that has not come.
    #[inline]
    pub(super) fn close(&mut self, seen: Seen, required: &[u64]) -> Option<usize> {
        let (first, more) = required.split_first()?;
        let mut missing = lowest(first & !seen.first);
        if !more.is_empty() {
            let words = self.words[seen.more..].iter().zip(more).enumerate();
            for (at, (seen, required)) in words {
                let here = lowest(required & !seen).map(|bit| (at + 1) * 64 + bit);
                missing = missing.or(here);
            }
            self.words.truncate(seen.more);
        }
        missing
    }
}

impl Seen {
    /// Notes a field; false where it has come before.
    #[inline]
    pub(super) fn mark(&mut self, more: &mut More, field: usize) -> bool {
        let word = match field / 64 {
            0 => &mut self.first,
            word => &mut more.words[self.more + word - 1],
        };
        let bit = 1 << (field % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

fn lowest(bits: u64) -> Option<usize> {
    (bits != 0).then(|| bits.trailing_zeros() as usize)
}
