//! Liveness and readiness, judged by progress: an instance that BigQuery throttles is alive, and
//! one that makes no progress is neither alive nor ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long work may make no progress before only a restart can help.
const STUCK: Duration = Duration::from_secs(600);

/// What the probes report. Clones share the same state.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    disabled: bool,
    joined: bool,
    sink_reachable: bool,
    missing_topic: Option<String>,
    /// Since when there has been work without a break.
    work_since: Option<Instant>,
    last_progress: Instant,
}

/// Why a probe fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unhealthy {
    #[error("there is work, and it has made no progress for {} s", .0.as_secs())]
    Stuck(Duration),
    #[error("bigquery was not reached yet")]
    SinkNotReached,
    #[error("topic {0} does not exist")]
    NoTopic(String),
    #[error("the consumer group is not joined")]
    NotJoined,
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
            missing_topic: None,
            work_since: None,
            last_progress: now,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Records that the instance is switched off on purpose: alive and ready, doing nothing.
    pub fn disabled(&self) {
        self.with(|state| state.disabled = true);
    }

    /// Records whether the instance is a member of the group, with or without partitions.
    pub fn joined(&self, joined: bool) {
        self.with(|state| state.joined = joined);
    }

    /// Records the name of a topic that does not exist, or that it exists now.
    pub fn missing_topic(&self, topic: Option<String>) {
        self.with(|state| state.missing_topic = topic);
    }

    pub fn sink_reachable(&self, reachable: bool) {
        self.with(|state| state.sink_reachable = reachable);
    }

    /// Records whether anything waits to be settled, committed or flushed.
    pub fn work_pending(&self, pending: bool) {
        self.with(|state| match (pending, state.work_since) {
            (true, None) => state.work_since = Some(Instant::now()),
            (false, Some(_)) => state.work_since = None,
            (true, Some(_)) | (false, None) => {}
        });
    }

    /// Records progress: something was settled, committed or flushed, or the server answered that
    /// it has to be retried later.
    pub fn progress(&self) {
        self.with(|state| state.last_progress = Instant::now());
    }

    /// Fails if the process should be restarted.
    pub fn check_live(&self) -> Result<(), Unhealthy> {
        self.check_live_at(Instant::now())
    }

    fn check_live_at(&self, now: Instant) -> Result<(), Unhealthy> {
        self.with(|state| {
            let Some(since) = state.work_since else { return Ok(()) };
            let idle = now.saturating_duration_since(since.max(state.last_progress));
            if state.disabled || idle <= STUCK { Ok(()) } else { Err(Unhealthy::Stuck(idle)) }
        })
    }

    /// Fails if the process is not live, has not reached the sink or is not in the group.
    pub fn check_ready(&self) -> Result<(), Unhealthy> {
        self.check_live()?;
        self.with(|state| match state {
            State { disabled: true, .. } => Ok(()),
            State { sink_reachable: false, .. } => Err(Unhealthy::SinkNotReached),
            State { missing_topic: Some(topic), .. } => Err(Unhealthy::NoTopic(topic.clone())),
            State { joined: false, .. } => Err(Unhealthy::NotJoined),
            State { .. } => Ok(()),
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
    fn ready_once_the_sink_is_reached_and_the_group_joined() {
        let health = Health::new();
        assert_eq!(health.check_ready(), Err(Unhealthy::SinkNotReached));
        assert!(Unhealthy::SinkNotReached.to_string().contains("bigquery"));
        health.sink_reachable(true);
        assert_eq!(health.check_ready(), Err(Unhealthy::NotJoined));
        assert!(Unhealthy::NotJoined.to_string().contains("group"));
        health.joined(true);
        assert_eq!(health.check_ready(), Ok(()));
        health.missing_topic(Some("events".to_owned()));
        assert_eq!(health.check_ready(), Err(Unhealthy::NoTopic("events".to_owned())));
        health.missing_topic(None);
        assert_eq!(health.check_ready(), Ok(()));
        health.joined(false);
        assert_eq!(health.check_ready(), Err(Unhealthy::NotJoined));
    }

    #[test]
    fn disabled_is_live_and_ready() {
        let health = Health::new();
        health.disabled();
        assert_eq!((health.check_live(), health.check_ready()), (Ok(()), Ok(())));
    }

    #[test]
    fn stuck_only_with_work_and_without_progress() {
        let start = Instant::now();
        let health = Health::starting_at(start);
        let later = start + STUCK + Duration::from_secs(60);
        assert_eq!(health.check_live_at(later), Ok(()), "idle is not stuck");
        health.work_pending(true);
        assert!(health.check_live_at(later).is_err());
        health.work_pending(false);
        assert_eq!(health.check_live_at(later), Ok(()));
        health.work_pending(true);
        health.progress();
        let nearly = Instant::now() + STUCK - Duration::from_secs(1);
        assert_eq!(health.check_live_at(nearly), Ok(()), "throttled is not stuck");
        assert!(health.check_live_at(Instant::now() + STUCK * 2).is_err());
    }
}
