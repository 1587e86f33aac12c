//! Gathers rows and dead letters into batches: one open batch a lane, which ends by bytes, rows or
//! age.

use std::collections::HashMap;
use std::ops::Add;
use std::time::{Duration, Instant};

use super::dead_share::Counted;
use super::traces::Origin;
use crate::config::Limits;
use crate::record::{DeadLetter, Event, Offset, Partition, Reached};
use crate::row::RowBuffer;
use crate::sink::{Batch, BatchId, DeadLimit, Durability, Span};

/// The open batches of all lanes.
pub struct Assembler {
    per_partition: bool,
    /// Limits of one batch.
    bytes: usize,
    rows: usize,
    age: Duration,
    /// By partition where each has its lane; index 0 alone where one lane serves all.
    lanes: Vec<Option<OpenBatch>>,
    /// Bytes of each lane's last batch. The next batch begins with this capacity, so that a steady
    /// flow neither copies while its batches grow nor fragments the heap.
    sizes: Vec<usize>,
    next: u64,
    /// Whether batches have spans.
    is_traced: bool,
    /// Where closed batches come from, and when they were opened. Empty where batches have no spans.
    origins: HashMap<BatchId, (Origin, Instant)>,
}

/// A batch that still takes records.
pub struct OpenBatch {
    batch: Batch,
    opened: Instant,
    letter_bytes: usize,
    /// Index of each partition's span in `batch.spans`: with a thousand partitions a search for
    /// every record would cost too much.
    span_of: Vec<u32>,
    /// `None` where batches have no spans.
    origin: Option<Box<Origin>>,
}

const NO_SPAN: u32 = u32::MAX;

impl Assembler {
    pub fn new(durability: Durability, limits: &Limits) -> Self {
        Self {
            per_partition: durability.has_lane_per_partition(),
            bytes: limits.batch_bytes,
            rows: limits.batch_rows,
            age: limits.batch_age,
            lanes: Vec::new(),
            sizes: Vec::new(),
            next: 0,
            is_traced: false,
            origins: HashMap::new(),
        }
    }

    /// Has batches keep where they come from.
    #[must_use]
    pub fn traced(self, is_traced: bool) -> Self {
        Self { is_traced, ..self }
    }

    /// Returns, once, where a closed batch comes from, and when it was opened.
    pub fn take_origin(&mut self, batch: BatchId) -> Option<(Origin, Instant)> {
        self.origins.remove(&batch)
    }

    /// The open batch for records of this partition.
    pub fn batch_for(&mut self, partition: Partition, now: Instant) -> &mut OpenBatch {
        let index = self.index(partition);
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, || None);
            self.sizes.resize(index + 1, 0);
        }
        let room = self.sizes[index] + self.sizes[index] / 8;
        self.lanes[index].get_or_insert_with(|| {
            self.next += 1;
            OpenBatch {
                batch: Batch {
                    id: BatchId(self.next),
                    spans: Vec::new(),
                    rows: RowBuffer::with_capacity(room),
                    letters: Vec::new(),
                    oldest_ms: None,
                    note: String::new(),
                    limit: DeadLimit::default(),
                },
                opened: now,
                letter_bytes: 0,
                span_of: Vec::new(),
                origin: self.is_traced.then(Box::default),
            }
        })
    }

    /// A batch that only moves the offset.
    pub fn without_records(&mut self, span: Span) -> Batch {
        self.next += 1;
        Batch {
            id: BatchId(self.next),
            spans: vec![span],
            rows: RowBuffer::default(),
            letters: Vec::new(),
            oldest_ms: None,
            note: String::new(),
            limit: DeadLimit::default(),
        }
    }

    /// Removes and returns the partition's batch if it is full.
    pub fn take_full(&mut self, partition: Partition) -> Option<Batch> {
        let index = self.index(partition);
        let (bytes, rows) = (self.bytes, self.rows);
        let lane = self.lanes.get_mut(index)?;
        let full = lane.as_ref().is_some_and(|open| {
            open.bytes() >= bytes || open.batch.rows.len() + open.batch.letters.len() >= rows
        });
        if !full {
            return None;
        }
        let batch = lane.take()?.close(&mut self.origins);
        self.sizes[index] = batch.rows.bytes();
        Some(batch)
    }

    /// Removes and returns the batches that have reached the age limit.
    pub fn take_due(&mut self, now: Instant) -> Vec<Batch> {
        let age = self.age;
        let due = |open: &OpenBatch| now - open.opened >= age;
        let origins = &mut self.origins;
        self.lanes
            .iter_mut()
            .zip(&mut self.sizes)
            .filter(|(lane, _)| lane.as_ref().is_some_and(due))
            .filter_map(|(lane, size)| {
                let batch = lane.take()?.close(origins);
                *size = batch.rows.bytes();
                Some(batch)
            })
            .collect()
    }

    /// Removes and returns all open batches.
    pub fn take_all(&mut self) -> Vec<Batch> {
        let open = self.lanes.iter_mut().filter_map(Option::take);
        open.map(|open| open.close(&mut self.origins)).collect()
    }

    /// Removes and returns the open batch of the partition's lane, if there is one.
    pub fn take(&mut self, partition: Partition) -> Option<Batch> {
        let index = self.index(partition);
        Some(self.lanes.get_mut(index)?.take()?.close(&mut self.origins))
    }

    /// Whether records of the partition wait in an open batch.
    pub fn holds(&self, partition: Partition) -> bool {
        self.lanes
            .get(self.index(partition))
            .and_then(Option::as_ref)
            .is_some_and(|open| open.span(partition).is_some())
    }

    /// Bytes in open batches.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().flatten().map(OpenBatch::bytes).sum()
    }

    /// Rows and dead letters in open batches.
    pub fn counted(&self) -> Counted {
        let open = self.lanes.iter().flatten().map(|open| Counted::of(&open.batch));
        open.fold(Counted::default(), Counted::add)
    }

    /// When the oldest open batch reaches the age limit.
    pub fn deadline(&self) -> Option<Instant> {
        self.lanes.iter().flatten().map(|open| open.opened + self.age).min()
    }

    fn index(&self, partition: Partition) -> usize {
        if self.per_partition { partition.0.max(0) as usize } else { 0 }
    }
}

impl OpenBatch {
    pub fn rows(&mut self) -> &mut RowBuffer {
        &mut self.batch.rows
    }

    /// The last row is of a record with this timestamp, in milliseconds since the epoch.
    pub fn row_of(&mut self, timestamp_ms: Option<i64>) {
        let oldest = &mut self.batch.oldest_ms;
        *oldest = match (*oldest, timestamp_ms) {
            (Some(oldest), Some(this)) => Some(oldest.min(this)),
            (oldest, this) => oldest.or(this),
        };
    }

    pub fn reject(&mut self, letter: DeadLetter) {
        self.letter_bytes += letter.bytes();
        self.batch.letters.push(letter);
    }

    /// Extends the partition's span to what is reached with the record at `offset`, whatever became
    /// of the record.
    pub fn cover(&mut self, partition: Partition, offset: Offset, reached: Reached) {
        match self.span(partition) {
            Some(index) => self.batch.spans[index].reached = reached,
            None => self.open_span(Span { partition, first: offset, reached }),
        }
    }

    /// Notes where the batch comes from, where batches have spans.
    #[inline]
    pub fn comes_from(&mut self, event: &Event<'_>) {
        if let Some(origin) = &mut self.origin {
            origin.add(event);
        }
    }

    fn close(self, origins: &mut HashMap<BatchId, (Origin, Instant)>) -> Batch {
        if let Some(origin) = self.origin {
            origins.insert(self.batch.id, (*origin, self.opened));
        }
        self.batch
    }

    fn bytes(&self) -> usize {
        self.batch.rows.bytes() + self.letter_bytes
    }

    fn span(&self, partition: Partition) -> Option<usize> {
        let index = *self.span_of.get(partition.0 as usize)?;
        (index != NO_SPAN).then_some(index as usize)
    }

    fn open_span(&mut self, span: Span) {
        let slot = span.partition.0.max(0) as usize;
        if self.span_of.len() <= slot {
            self.span_of.resize(slot + 1, NO_SPAN);
        }
        self.span_of[slot] = self.batch.spans.len() as u32;
        self.batch.spans.push(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Position;

    const AGE: Duration = Duration::from_millis(20);

    fn limits() -> Limits {
        Limits {
            in_flight_bytes: 1 << 20,
            batch_bytes: 100,
            batch_rows: 3,
            batch_age: AGE,
            commit_interval: Duration::ZERO,
            freshness: None,
            drain: Duration::from_secs(1),
            most_dead: None,
        }
    }

    fn put(assembler: &mut Assembler, partition: i32, offset: i64, bytes: usize, now: Instant) {
        let at = Position::new(partition, offset);
        let open = assembler.batch_for(at.partition, now);
        let written: Result<(), ()> = open.rows().push(at, |row| {
            row.resize(row.len() + bytes, 7);
            Ok(())
        });
        written.expect("pushed");
        open.cover(at.partition, at.offset, Reached::at(at.offset.next()));
    }

    #[test]
    fn partitions_share_a_batch_only_where_they_share_a_lane() {
        let now = Instant::now();
        for (durability, batches) in
            [(Durability::Promised, 2), (Durability::Stored, 2), (Durability::Visible, 1)]
        {
            let mut assembler = Assembler::new(durability, &limits());
            put(&mut assembler, 5, 10, 1, now);
            put(&mut assembler, 0, 3, 1, now);
            put(&mut assembler, 5, 12, 1, now);
            let taken = assembler.take_due(now + AGE);
            assert_eq!(taken.len(), batches);
            let mut spans: Vec<Span> = taken.into_iter().flat_map(|batch| batch.spans).collect();
            spans.sort_by_key(|span| span.partition);
            let span = |partition, first, next| Span {
                partition: Partition(partition),
                first: Offset(first),
                reached: Reached::at(Offset(next)),
            };
            assert_eq!(spans, [span(0, 3, 4), span(5, 10, 13)]);
            assert!(!assembler.holds(Partition(5)));
        }
    }

    #[test]
    fn a_batch_ends_by_rows_bytes_or_age() {
        let now = Instant::now();
        let mut assembler = Assembler::new(Durability::Promised, &limits());
        put(&mut assembler, 0, 0, 1, now);
        put(&mut assembler, 0, 1, 1, now);
        assert!(assembler.take_full(Partition(0)).is_none());
        put(&mut assembler, 0, 2, 1, now);
        assert_eq!(assembler.take_full(Partition(0)).expect("rows").rows.len(), 3);
        put(&mut assembler, 0, 3, 120, now);
        assert!(assembler.take_full(Partition(0)).is_some());
        put(&mut assembler, 1, 0, 1, now);
        assert!(assembler.take_due(now).is_empty());
        assert_eq!(assembler.take_due(now + AGE).len(), 1);
    }
}
