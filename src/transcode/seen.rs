//! Which fields of an object have come: one bit each.

/// The bits of an object's first 64 fields, which is all that most have; and where those of the
/// others stand.
#[derive(Debug)]
pub(super) struct Seen {
    first: u64,
    more: usize,
}

/// Which fields of an object must come. The bits of the first 64 stand here, not in memory of
/// their own.
#[derive(Debug)]
pub(super) struct Required {
    first: u64,
    more: Box<[u64]>,
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

    /// Enters an object of which these fields must come.
    #[inline]
    pub(super) fn open(&mut self, required: &Required) -> Seen {
        let more = self.words.len();
        if !required.more.is_empty() {
            self.words.resize(more + required.more.len(), 0);
        }
        Seen { first: 0, more }
    }

    /// Leaves the object, and answers with the first required field that has not come.
    #[inline]
    pub(super) fn close(&mut self, seen: Seen, required: &Required) -> Option<usize> {
        let mut missing = lowest(required.first & !seen.first);
        if !required.more.is_empty() {
            let words = self.words[seen.more..].iter().zip(&required.more).enumerate();
            for (at, (seen, required)) in words {
                let here = lowest(required & !seen).map(|bit| (at + 1) * 64 + bit);
                missing = missing.or(here);
            }
            self.words.truncate(seen.more);
        }
        missing
    }
}

impl Required {
    /// One answer a field, in their order.
    pub(super) fn of(fields: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut words = vec![0; fields.len().div_ceil(64).max(1)];
        for (at, required) in fields.enumerate() {
            words[at / 64] |= u64::from(required) << (at % 64);
        }
        Self { first: words[0], more: words[1..].into() }
    }

    pub(super) fn has(&self, field: usize) -> bool {
        let word = match field / 64 {
            0 => self.first,
            word => self.more[word - 1],
        };
        word >> (field % 64) & 1 == 1
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
