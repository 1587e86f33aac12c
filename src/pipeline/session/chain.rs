//! The chain of rows: each row names the row before it in its partition.

use crate::record::{Offset, Partition, Position};

/// The last row of each partition, across batches and, by the commit metadata, across owners.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Indexed by partition number.
    last: Vec<Option<Offset>>,
}

impl Chain {
    /// Goes on where an earlier owner stopped; `None` where a chain begins.
    pub fn resume(&mut self, partition: Partition, last_row: Option<Offset>) {
        let Ok(index) = usize::try_from(partition.0) else { return };
        if self.last.len() <= index {
            self.last.resize(index + 1, None);
        }
        self.last[index] = last_row;
    }

    #[inline]
    pub fn last(&self, partition: Partition) -> Option<Offset> {
        self.last.get(partition.0 as usize).copied().flatten()
    }

    /// A record became a row.
    #[inline]
    pub fn add(&mut self, at: Position) {
        if let Some(last) = self.last.get_mut(at.partition.0 as usize) {
            *last = Some(at.offset);
        }
    }
}
