//! A stream of letters, whichever store they come from.

use std::ops::ControlFlow;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::letter::Letter;
use crate::stop::Stop;

/// Letters that wait for whoever takes them. Each may hold a MiB.
const WAITING: usize = 16;

/// Letters, in the order of the store. What reads them ends when this is dropped.
pub struct Letters(Receiver<Result<Letter, Stop>>);

/// Where a reader puts its letters.
pub(super) type To = Sender<Result<Letter, Stop>>;

impl Letters {
    pub(super) fn new() -> (To, Self) {
        let (to, from) = channel(WAITING);
        (to, Self(from))
    }

    /// The next letter; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Letter, Stop>> {
        self.0.recv().await
    }
}

/// Hands a letter on. A break: nobody takes any more.
pub(super) async fn put(to: &To, letter: Result<Letter, Stop>) -> ControlFlow<()> {
    match to.send(letter).await {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}
