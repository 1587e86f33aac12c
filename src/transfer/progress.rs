//! What a run has done so far, for whoever shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counts::Counts;

/// What a run has done so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    read: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Progress {
    /// Records, bytes of them, and rows.
    pub fn now(&self) -> (u64, u64, u64) {
        let Inner { read, bytes, rows } = &*self.inner;
        [read, bytes, rows].map(|one| one.load(Ordering::Relaxed)).into()
    }

    pub fn add(&self, counts: Counts, bytes: u64) {
        self.inner.read.fetch_add(counts.read, Ordering::Relaxed);
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.inner.rows.fetch_add(counts.rows, Ordering::Relaxed);
    }
}
