//! Lines of line protocol for one or more batches, of which ranges are sent.

use std::ops::Range;

/// Points as text, one a line.
#[derive(Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    /// End of each line in `text`.
    ends: Vec<usize>,
    origins: Vec<Origin>,
}

/// What a line was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Place of the batch among those of the lines.
    pub batch: usize,
    /// Place of the row in its batch.
    pub row: usize,
}

impl Lines {
    /// Appends the line that `write` writes at the end of the vector it gets. If `write` fails, the
    /// lines stay as they were.
    pub fn push<E>(
        &mut self,
        origin: Origin,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(before);
            return Err(error);
        }
        self.text.push(b'\n');
        self.ends.push(self.text.len());
        self.origins.push(origin);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn origin(&self, line: usize) -> Origin {
        self.origins[line]
    }

    /// The text of a range of lines.
    pub fn text(&self, lines: Range<usize>) -> &[u8] {
        let end = |line: usize| line.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[end(lines.start)..end(lines.end)]
    }
}
