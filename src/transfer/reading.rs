//! Reads a source on a thread of its own and hands its chunks over.

use std::ops::ControlFlow;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::intake::{Chunk, Intake};
use super::source::{Source, SourceError};

/// Chunks that may wait: the reader goes on while rows are sent.
const WAITING: usize = 4;

/// A source that is being read.
pub struct Reading {
    chunks: mpsc::Receiver<Chunk>,
    thread: JoinHandle<(Source, Result<(), SourceError>)>,
}

impl Reading {
    /// Starts the thread.
    pub fn start(mut source: Source, mut intake: Intake) -> Self {
        let (sender, chunks) = mpsc::channel(WAITING);
        let thread = tokio::task::spawn_blocking(move || {
            // Nobody takes chunks any more where the run has failed.
            let mut hand_on = |chunk: Chunk| match sender.blocking_send(chunk) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            let read = source.read(&mut intake, &mut hand_on);
            (source, read)
        });
        Self { chunks, thread }
    }

    /// The next chunk; `None` after the last, also where reading has failed.
    pub async fn next(&mut self) -> Option<Chunk> {
        self.chunks.recv().await
    }

    /// The source, which may be read again, and how reading ended.
    pub async fn end(
        mut self,
    ) -> Result<(Source, Result<(), SourceError>), tokio::task::JoinError> {
        self.chunks.close();
        self.thread.await
    }
}
