//! Liveness and readiness by progress: throttled is not stuck, and stuck is not ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Work that has not moved for this long means a process that only a restart can help.
const STUCK: Duration = Duration::from_secs(600);

/// What the probes are told; cloning shares it.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    disabled: bool,
    joined: bool,
    sink_reachable: bool,
    work_since: Option<Instant>,
    progress: Instant,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    pub fn new() -> Self {
        Self::starting_at(Instant::now())
    }

    fn starting_at(now: Instant) -> Self {
        let state = State {
            disabled: false,
            joined: false,
            sink_reachable: false,
            work_since: None,
            progress: now,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Switched off on purpose: live and ready, doing nothing.
    pub fn disabled(&self) {
        self.with(|state| state.disabled = true);
    }

    /// A member of the group, with or without partitions.
    pub fn joined(&self, joined: bool) {
        self.with(|state| state.joined = joined);
    }

    pub fn sink_reachable(&self, reachable: bool) {
        self.with(|state| state.sink_reachable = reachable);
    }

    /// Whether records wait to be settled, committed or flushed.
    pub fn work_pending(&self, pending: bool) {
        self.with(|state| match (pending, state.work_since) {
            (true, None) => state.work_since = Some(Instant::now()),
            (false, Some(_)) => state.work_since = None,
            _ => {}
        });
    }

    /// Something was settled, committed, flushed, or answered with "later" (backoff).
    pub fn progress(&self) {
        self.with(|state| state.progress = Instant::now());
    }

    /// Why the process should be restarted, if it should.
    pub fn not_live(&self) -> Option<String> {
        self.not_live_at(Instant::now())
    }

    fn not_live_at(&self, now: Instant) -> Option<String> {
        self.with(|state| {
            let since = state.work_since?.max(state.progress);
            let still = now.saturating_duration_since(since);
            (!state.disabled && still > STUCK)
                .then(|| format!("there is work, and nothing moved for {} s", still.as_secs()))
        })
    }

    /// Why the process is not ready, if it is not.
    pub fn not_ready(&self) -> Option<String> {
        if let Some(stuck) = self.not_live() {
            return Some(stuck);
        }
        self.with(|state| match state {
            State { disabled: true, .. } => None,
            State { sink_reachable: false, .. } => Some("bigquery was not reached yet".to_owned()),
            State { joined: false, .. } => Some("the consumer group is not joined".to_owned()),
            _ => None,
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_joined_and_the_sink_was_reached() {
        let health = Health::new();
        assert!(health.not_ready().expect("not ready").contains("bigquery"));
        health.sink_reachable(true);
        assert!(health.not_ready().expect("not ready").contains("group"));
        health.joined(true);
        assert_eq!(health.not_ready(), None);
        health.joined(false);
        assert!(health.not_ready().is_some());
    }

    #[test]
    fn disabled_is_live_and_ready() {
        let health = Health::new();
        health.disabled();
        assert_eq!((health.not_live(), health.not_ready()), (None, None));
    }

    #[test]
    fn stuck_only_with_work_and_without_progress() {
        let start = Instant::now();
        let health = Health::starting_at(start);
        let later = start + STUCK + Duration::from_secs(60);
        assert_eq!(health.not_live_at(later), None, "idle is not stuck");
        health.work_pending(true);
        assert!(health.not_live_at(later).is_some());
        health.work_pending(false);
        assert_eq!(health.not_live_at(later), None);
        health.work_pending(true);
        health.progress();
        let nearly = Instant::now() + STUCK - Duration::from_secs(1);
        assert_eq!(health.not_live_at(nearly), None, "throttled is not stuck");
        assert!(health.not_live_at(Instant::now() + STUCK * 2).is_some());
    }
}
