//! A stream of letters, whichever store they come from.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::letter::Letter;
use crate::stop::Stop;

/// Letters that wait for whoever takes them. Each may hold a MiB.
const WAITING: usize = 16;

/// Letters, in the order of the store. What reads them ends when this is dropped.
pub struct Letters {
    from: Receiver<Result<Letter, Stop>>,
    billed: Arc<AtomicU64>,
}

/// Where a reader puts its letters.
pub(super) struct To {
    to: Sender<Result<Letter, Stop>>,
    billed: Arc<AtomicU64>,
}

impl Letters {
    pub(super) fn new() -> (To, Self) {
        let ((to, from), billed) = (channel(WAITING), Arc::<AtomicU64>::default());
        (To { to, billed: billed.clone() }, Self { from, billed })
    }

    /// The next letter; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Letter, Stop>> {
        self.from.recv().await
    }

    /// The same on a thread that may wait.
    pub fn next_blocking(&mut self) -> Option<Result<Letter, Stop>> {
        self.from.blocking_recv()
    }

    /// Bytes that BigQuery has billed for reading them.
    pub fn bytes_billed(&self) -> u64 {
        self.billed.load(Ordering::Relaxed)
    }
}

impl To {
    pub fn billed(&self, bytes: u64) {
        self.billed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Hands a letter on from a thread that may wait. A break: nobody takes any more.
    pub fn put_blocking(&self, letter: Result<Letter, Stop>) -> ControlFlow<()> {
        match self.to.blocking_send(letter) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Hands a letter on. A break: nobody takes any more.
pub(super) async fn put(to: &To, letter: Result<Letter, Stop>) -> ControlFlow<()> {
    match to.to.send(letter).await {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// A task that reads letters has panicked.
pub(super) fn ended(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Stop {
    Stop::new("read the dead letters", "please report this", error)
}
