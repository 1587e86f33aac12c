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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever becomes of records, and wherever an owner stops and the next one resumes at a
        /// committed offset, each row names the row before it.
        #[test]
        fn each_row_names_the_row_before_it_across_owners(
            rows in prop::collection::vec(any::<bool>(), 1..60),
            // How far an owner reads, and how much of that it has committed when it ends.
            owners in prop::collection::vec((1..20usize, 0..20usize), 1..12),
        ) {
            let partition = Partition(1);
            let at = |offset: usize| Position::new(1, offset as i64);
            let mut named = vec![None; rows.len()];
            let (mut next, mut last_row) = (0, None);
            for (reads, commits) in owners.into_iter().chain([(rows.len(), rows.len())]) {
                let mut chain = Chain::default();
                chain.resume(partition, last_row);
                let end = (next + reads).min(rows.len());
                let committed = (next + commits).min(end);
                for offset in next..end {
                    if rows[offset] {
                        let previous = chain.last(partition);
                        // A record that is read again names the same row.
                        prop_assert!(named[offset].is_none_or(|before| before == previous));
                        named[offset] = Some(previous);
                        chain.add(at(offset));
                    }
                    if offset + 1 == committed {
                        last_row = chain.last(partition);
                    }
                }
                next = committed;
            }
            let mut before = None;
            for (offset, previous) in named.into_iter().enumerate().filter(|(it, _)| rows[*it]) {
                prop_assert_eq!(previous, Some(before));
                before = Some(Offset(offset as i64));
            }
        }
    }
}
