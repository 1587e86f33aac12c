//! What a run goes on with between two sessions, while it runs: another plan and another sink, for the
//! same topic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sink::Sink;
use crate::transcode::Plan;

/// What follows a plan and its sink, ready to be written with.
pub struct Successor {
    pub plan: Plan,
    pub sink: Arc<dyn Sink>,
    /// Called when rows are written by it from then on.
    pub taken: Box<dyn FnOnce() + Send>,
}

/// Where a successor waits until the session has ended in order. Clones share the place.
#[derive(Clone, Default)]
pub struct Succession {
    waiting: Arc<Mutex<Option<Successor>>>,
    /// So that a session that looks once a turn takes no lock.
    is_waiting: Arc<AtomicBool>,
}

impl Succession {
    /// Has the run go on with `successor` as soon as its session has ended. One that still waits is
    /// replaced.
    pub fn offer(&self, successor: Successor) {
        let mut waiting = self.lock();
        *waiting = Some(successor);
        self.is_waiting.store(true, Ordering::Release);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<Successor> {
        let mut waiting = self.lock();
        self.is_waiting.store(false, Ordering::Release);
        waiting.take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Successor>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
