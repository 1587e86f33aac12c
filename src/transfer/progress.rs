//! What a run is doing and has done so far, for whoever shows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::counts::Counts;

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    PreExecutionCleansing,
    /// A statement of the user's own.
    Statement,
    Staging,
    Checking,
    Moving,
    PostExecutionCleanup,
}

impl Phase {
    pub const ALL: [Self; 6] = [
        Self::PreExecutionCleansing,
        Self::Statement,
        Self::Staging,
        Self::Checking,
        Self::Moving,
        Self::PostExecutionCleanup,
    ];

    /// The step that it is a part of.
    pub fn step(self) -> &'static str {
        match self {
            Self::PreExecutionCleansing => "pre_execution_cleansing",
            Self::Statement | Self::Staging | Self::Checking | Self::Moving => "pipeline",
            Self::PostExecutionCleanup => "post_execution_cleanup",
        }
    }

    /// What is done in it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreExecutionCleansing => "cleansing",
            Self::Statement => "own SQL",
            Self::Staging => "staging",
            Self::Checking => "checking",
            Self::Moving => "moving",
            Self::PostExecutionCleanup => "cleanup",
        }
    }
}

/// What a run is doing and has done so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: Counts,
    bytes: u64,
    now: Option<(Phase, Instant)>,
    /// The file or the job of the phase.
    about: String,
    /// The phases that have ended, in order.
    took: Vec<(Phase, Duration)>,
}

/// What a run is doing at a moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub counts: Counts,
    /// Bytes of files that were read.
    pub bytes: u64,
    /// Since when it is in which phase; `None` before the first and after the last.
    pub phase: Option<(Phase, Duration)>,
    /// The file or the job of the phase; may be empty.
    pub about: String,
}

impl Progress {
    pub fn now(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            counts: inner.counts,
            bytes: inner.bytes,
            phase: inner.now.map(|(phase, since)| (phase, since.elapsed())),
            about: inner.about.clone(),
        }
    }

    /// How long each phase that was begun has taken so far, in the order in which they came first.
    pub fn took(&self) -> Vec<(Phase, Duration)> {
        let inner = self.lock();
        let now = inner.now.map(|(phase, since)| (phase, since.elapsed()));
        let mut took: Vec<(Phase, Duration)> = Vec::new();
        for (phase, time) in inner.took.iter().copied().chain(now) {
            match took.iter_mut().find(|(of, _)| *of == phase) {
                Some((_, sum)) => *sum += time,
                None => took.push((phase, time)),
            }
        }
        took
    }

    /// A phase begins, and the one before it ends. `about` is its file or its job.
    pub fn begin(&self, phase: Phase, about: &str) {
        let mut inner = self.lock();
        inner.end();
        inner.now = Some((phase, Instant::now()));
        about.clone_into(&mut inner.about);
        if phase == Phase::Staging {
            // Rows may be staged again, without those that were refused.
            (inner.counts, inner.bytes) = (Counts::default(), 0);
        }
    }

    /// The last phase ends.
    pub fn end(&self) {
        self.lock().end();
    }

    pub fn add(&self, counts: Counts, bytes: u64) {
        let mut inner = self.lock();
        inner.counts.add(counts);
        inner.bytes += bytes;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end(&mut self) {
        if let Some((phase, since)) = self.now.take() {
            self.took.push((phase, since.elapsed()));
        }
        self.about.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_comes_again_is_one_and_rows_that_are_staged_again_count_once() {
        let progress = Progress::default();
        let counts = Counts { read: 10, rows: 10, ..Counts::default() };
        progress.begin(Phase::PreExecutionCleansing, "");
        for _ in 0..2 {
            progress.begin(Phase::Staging, "");
            progress.add(counts, 100);
        }
        progress.begin(Phase::Moving, "job");
        let now = progress.now();
        assert_eq!((now.counts, now.bytes, now.about.as_str()), (counts, 100, "job"));
        assert_eq!(now.phase.map(|(phase, _)| phase), Some(Phase::Moving));
        progress.end();
        assert_eq!(progress.now().phase, None);
        let took: Vec<Phase> = progress.took().into_iter().map(|(phase, _)| phase).collect();
        assert_eq!(took, [Phase::PreExecutionCleansing, Phase::Staging, Phase::Moving]);
    }
}
