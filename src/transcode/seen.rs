//! Which fields of the open objects have come: one bit each.

/// A stack of bit sets, kept from event to event.
#[derive(Debug, Default)]
pub(super) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    pub(super) fn reset(&mut self) {
        self.words.clear();
    }

    /// Enters an object with `words` words of fields; the answer stands for it from here on.
    pub(super) fn open(&mut self, words: usize) -> usize {
        let opened = self.words.len();
        self.words.resize(opened + words, 0);
        opened
    }

    /// Notes a field; false where it has come before.
    #[inline]
    pub(super) fn mark(&mut self, opened: usize, field: usize) -> bool {
        let word = &mut self.words[opened + field / 64];
        let bit = 1 << (field % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Leaves the object, and answers with the first required field that has not come.
    pub(super) fn close(&mut self, opened: usize, required: &[u64]) -> Option<usize> {
        let missing = self.words[opened..]
            .iter()
            .zip(required)
            .enumerate()
            .find(|(_, (seen, required))| *required & !*seen != 0)
            .map(|(at, (seen, required))| at * 64 + (required & !seen).trailing_zeros() as usize);
        self.words.truncate(opened);
        missing
    }
}
