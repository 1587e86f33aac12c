//! Which fields of an object have been read, as a bit set: to detect duplicates while reading and
//! missing required fields at the end.

/// The fields of one object that have been read so far. The bits of its first 64 fields are stored
/// here, which is all that most objects have; those of further fields are in [`SeenStack`].
#[derive(Debug)]
pub(super) struct Seen {
    first: u64,
    /// Where this object's words begin in [`SeenStack`].
    start: usize,
}

/// The required fields of an object, with the bits of the first 64 stored in place so that they
/// need no further memory access.
#[derive(Debug)]
pub(super) struct Required {
    first: u64,
    rest: Box<[u64]>,
}

/// The bits of all fields after an object's first 64, of all objects that are being read: nested
/// objects add theirs at the end. Kept between events so that it is not allocated again.
#[derive(Debug, Default)]
pub(super) struct SeenStack {
    words: Vec<u64>,
}

impl SeenStack {
    /// Prepares for the next event.
    pub(super) fn reset(&mut self) {
        self.words.clear();
    }

    /// Begins an object with these required fields; none of its fields has been read.
    #[inline]
    pub(super) fn open(&mut self, required: &Required) -> Seen {
        let start = self.words.len();
        if !required.rest.is_empty() {
            self.words.resize(start + required.rest.len(), 0);
        }
        Seen { first: 0, start }
    }

    /// Ends the object. Returns the index of the first required field that is missing.
    #[inline]
    pub(super) fn close(&mut self, seen: Seen, required: &Required) -> Option<usize> {
        let mut missing = lowest(required.first & !seen.first);
        if !required.rest.is_empty() {
            let words = self.words[seen.start..].iter().zip(&required.rest).enumerate();
            for (at, (seen, required)) in words {
                let here = lowest(required & !seen).map(|bit| (at + 1) * 64 + bit);
                missing = missing.or(here);
            }
            self.words.truncate(seen.start);
        }
        missing
    }
}

impl Required {
    /// `fields` says of each field, in order, whether it is required.
    pub(super) fn of(fields: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut words = vec![0; fields.len().div_ceil(64).max(1)];
        for (at, required) in fields.enumerate() {
            words[at / 64] |= u64::from(required) << (at % 64);
        }
        Self { first: words[0], rest: words[1..].into() }
    }
}

impl Seen {
    /// Records that a field has been read. Returns false if it was read before.
    #[inline]
    pub(super) fn mark(&mut self, stack: &mut SeenStack, field: usize) -> bool {
        let word = match field / 64 {
            0 => &mut self.first,
            word => &mut stack.words[self.start + word - 1],
        };
        let bit = 1 << (field % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// Index of the lowest bit that is set.
fn lowest(bits: u64) -> Option<usize> {
    (bits != 0).then(|| bits.trailing_zeros() as usize)
}
