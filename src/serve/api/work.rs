//! What waits for the broker, as the liveness probe sees it.

use std::sync::{Arc, Mutex, PoisonError};

use super::room::Reservation;
use crate::telemetry::Health;

/// Counts the batches that librdkafka has.
#[derive(Debug)]
pub(super) struct Work {
    batches: Mutex<usize>,
    health: Health,
}

/// One batch, until all of its records have an outcome.
#[derive(Debug)]
pub(super) struct Batch {
    work: Arc<Work>,
    _room: Reservation,
}

impl Work {
    pub fn new(health: Health) -> Arc<Self> {
        Arc::new(Self { batches: Mutex::new(0), health })
    }

    /// Counts a batch, and keeps its room, until the returned value is dropped.
    pub fn begin(self: &Arc<Self>, room: Reservation) -> Batch {
        self.count(|batches| batches + 1);
        Batch { work: self.clone(), _room: room }
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        *batches = change(*batches);
        // Under the lock, so that the last one to end does not hide one that has just begun.
        self.health.work_pending(*batches > 0);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.work.health.progress();
        self.work.count(|batches| batches.saturating_sub(1));
    }
}
