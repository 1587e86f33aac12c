//! Liveness and readiness, judged by progress: an instance that BigQuery throttles is alive, and
//! one that makes no progress is neither alive nor ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::contract::ContractStatus;

/// How long all brokers may be silent before the instance counts as not ready: longer than one of a
/// small cluster takes to restart, because nobody but them knows whether there is something to read.
const SILENT: Duration = Duration::from_secs(30);

/// How long work may make no progress before only a restart can help.
const STUCK: Duration = Duration::from_secs(600);

/// What the probes report. Clones share the same state.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
    contract: ContractStatus,
}

#[derive(Debug)]
struct State {
    disabled: bool,
    /// It publishes events, and neither joins a group nor writes to a sink.
    event_api: bool,
    broker_reached: bool,
    /// It keeps the latest reports of a topic, and neither joins a group nor writes to a sink.
    results: bool,
    /// It has read to where the topic ended when it started.
    caught_up: bool,
    draining: bool,
    /// Reading is paused, because too much waits for the sink.
    paused: bool,
    joined: bool,
    sink_reachable: bool,
    missing_topic: Option<String>,
    /// Since when no broker has answered.
    brokers_silent_since: Option<Instant>,
    /// Since when there has been work without a break.
    work_since: Option<Instant>,
    last_progress: Instant,
    /// Since when nothing gets through to the sink, and why.
    waits: Option<(Waits, Instant)>,
    turns: u64,
}

/// Why a writer retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// The sink says that it is used too much: a quota, a limit, a time to wait.
    Throttled,
    /// The sink takes requests and has not answered one in time.
    Unanswered,
    /// The sink refuses connections, or fails.
    Away,
}

impl Waits {
    pub const ALL: [Self; 3] = [Self::Throttled, Self::Unanswered, Self::Away];

    /// The label in metrics, and the word in `/readyz`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unanswered => "unanswered",
            Self::Away => "away",
        }
    }
}

/// What an instance is doing, in one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It does not read yet, or not at the moment.
    Starting(Unhealthy),
    Running,
    /// It does not read, because too much waits for the sink.
    Paused,
    Stuck(Unhealthy),
    /// It is switched off on purpose.
    Disabled,
    Stopping,
}

impl Condition {
    /// The word in `/status`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting(_) => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stuck(_) => "stuck",
            Self::Disabled => "disabled",
            Self::Stopping => "stopping",
        }
    }
}

/// Why a probe fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unhealthy {
    #[error("there is work, and it has made no progress for {} s", .0.as_secs())]
    Stuck(Duration),
    #[error("the sink was not reached yet")]
    SinkNotReached,
    #[error("topic {0} does not exist")]
    NoTopic(String),
    #[error("no broker has answered for {} s", .0.as_secs())]
    BrokersSilent(Duration),
    #[error("the consumer group is not joined")]
    NotJoined,
    #[error("the broker was not reached yet")]
    BrokerNotReached,
    #[error("the topic is not read to where it ended at the start yet")]
    NotCaughtUp,
    #[error("the process is stopping")]
    Stopping,
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
            event_api: false,
            broker_reached: false,
            results: false,
            caught_up: false,
            draining: false,
            paused: false,
            joined: false,
            sink_reachable: false,
            missing_topic: None,
            brokers_silent_since: None,
            work_since: None,
            last_progress: now,
            waits: None,
            turns: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), contract: ContractStatus::default() }
    }

    /// Which contract is used. It decides about neither probe: an instance with an older contract works.
    pub fn contract(&self) -> &ContractStatus {
        &self.contract
    }

    /// Records that the instance is switched off on purpose: alive and ready, doing nothing.
    pub fn disabled(&self) {
        self.with(|state| state.disabled = true);
    }

    /// Says that this instance is an event API: it is ready once the broker knows its topic.
    pub fn of_event_api(self) -> Self {
        self.with(|state| state.event_api = true);
        self
    }

    /// Records that the event API has reached the broker.
    pub fn broker_reached(&self) {
        self.with(|state| state.broker_reached = true);
    }

    /// Says that this instance keeps and serves the latest reports: it is ready once it has caught up.
    pub fn of_results(self) -> Self {
        self.with(|state| state.results = true);
        self
    }

    /// Records whether the topic was read to where it ended at the start, or is read anew.
    pub fn caught_up(&self, caught_up: bool) {
        self.with(|state| state.caught_up = caught_up);
    }

    /// Records that the process was asked to stop: it takes no more requests.
    pub fn draining(&self) {
        self.with(|state| state.draining = true);
    }

    /// Records whether reading is paused, because too much waits for the sink.
    pub fn paused(&self, paused: bool) {
        self.with(|state| state.paused = paused);
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

    /// Records progress: something was settled, committed or flushed.
    pub fn progress(&self) {
        self.with(|state| {
            state.last_progress = Instant::now();
            state.waits = None;
        });
    }

    /// Records that a request to the sink failed and will be repeated: the process is alive, and not
    /// stuck.
    pub fn waits(&self, why: Waits) {
        self.with(|state| {
            let now = Instant::now();
            state.last_progress = now;
            let since = state.waits.map_or(now, |(_, since)| since);
            state.waits = Some((why, since));
        });
    }

    /// Why nothing gets through to the sink, and for how long that has been so.
    pub fn waiting(&self) -> Option<(Waits, Duration)> {
        self.with(|state| {
            state.work_since?;
            state.waits.map(|(why, since)| (why, since.elapsed()))
        })
    }

    /// How long there has been work and nothing has come of it, not even a retry.
    pub fn without_progress(&self) -> Duration {
        self.with(|state| {
            let since = state.work_since.map(|since| since.max(state.last_progress));
            since.map_or(Duration::ZERO, |since| since.elapsed())
        })
    }

    /// Records since when no broker has answered; `None` while they do.
    pub fn brokers_silent(&self, since: Option<Instant>) {
        self.with(|state| state.brokers_silent_since = since);
    }

    /// Records that the thread that polls Kafka has come around once more, with or without work.
    pub fn turned(&self) {
        self.with(|state| state.turns += 1);
    }

    /// How often [`Self::turned`] was called: as long as this grows, the thread does not hang.
    pub fn turns(&self) -> u64 {
        self.with(|state| state.turns)
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
            State { event_api: true, draining: true, .. } => Err(Unhealthy::Stopping),
            State { event_api: true, missing_topic: Some(topic), .. } => {
                Err(Unhealthy::NoTopic(topic.clone()))
            }
            State { event_api: true, broker_reached: false, .. } => {
                Err(Unhealthy::BrokerNotReached)
            }
            State { event_api: true, .. } => Ok(()),
            State { results: true, draining: true, .. } => Err(Unhealthy::Stopping),
            State { results: true, caught_up: true, .. } => Ok(()),
            State { results: true, missing_topic: Some(topic), .. } => {
                Err(Unhealthy::NoTopic(topic.clone()))
            }
            State { results: true, .. } => Err(Unhealthy::NotCaughtUp),
            State { sink_reachable: false, .. } => Err(Unhealthy::SinkNotReached),
            State { missing_topic: Some(topic), .. } => Err(Unhealthy::NoTopic(topic.clone())),
            State { joined: false, .. } => Err(Unhealthy::NotJoined),
            State { brokers_silent_since: Some(since), .. } if since.elapsed() >= SILENT => {
                Err(Unhealthy::BrokersSilent(since.elapsed()))
            }
            State { .. } => Ok(()),
        })
    }

    /// What the instance is doing.
    pub fn condition(&self) -> Condition {
        let (live, ready) = (self.check_live(), self.check_ready());
        self.with(|state| match (live, ready) {
            _ if state.disabled => Condition::Disabled,
            _ if state.draining => Condition::Stopping,
            (Err(stuck), _) => Condition::Stuck(stuck),
            (Ok(()), Err(reason)) => Condition::Starting(reason),
            (Ok(()), Ok(())) if state.paused => Condition::Paused,
            (Ok(()), Ok(())) => Condition::Running,
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
        assert!(Unhealthy::SinkNotReached.to_string().contains("sink"));
        health.sink_reachable(true);
        assert_eq!(health.check_ready(), Err(Unhealthy::NotJoined));
        assert!(Unhealthy::NotJoined.to_string().contains("group"));
        health.joined(true);
        assert_eq!(health.check_ready(), Ok(()));
        health.missing_topic(Some("events".to_owned()));
        assert_eq!(health.check_ready(), Err(Unhealthy::NoTopic("events".to_owned())));
        health.missing_topic(None);
        assert_eq!(health.check_ready(), Ok(()));
        let ago = |time| Instant::now().checked_sub(time);
        health.brokers_silent(ago(SILENT - Duration::from_secs(5)));
        assert_eq!(health.check_ready(), Ok(()), "a restart of a broker is no outage");
        health.brokers_silent(ago(SILENT));
        let silent = health.check_ready().expect_err("nothing is read").to_string();
        assert_eq!(silent, "no broker has answered for 30 s");
        health.brokers_silent(None);
        assert_eq!(health.check_ready(), Ok(()));
        health.joined(false);
        assert_eq!(health.check_ready(), Err(Unhealthy::NotJoined));
    }

    #[test]
    fn the_condition_is_the_first_that_applies() {
        let health = Health::new();
        assert_eq!(health.condition(), Condition::Starting(Unhealthy::SinkNotReached));
        health.sink_reachable(true);
        health.joined(true);
        assert_eq!(health.condition(), Condition::Running);
        health.paused(true);
        assert_eq!(health.condition(), Condition::Paused);
        health.draining();
        assert_eq!(health.condition(), Condition::Stopping);
        assert_eq!(health.check_ready(), Ok(()), "a consumer that drains is still a member");
        health.disabled();
        assert_eq!(health.condition(), Condition::Disabled);
    }

    #[test]
    fn an_event_api_is_ready_once_the_broker_knows_its_topic() {
        let health = Health::new().of_event_api();
        assert_eq!(health.check_ready(), Err(Unhealthy::BrokerNotReached));
        health.missing_topic(Some("events".to_owned()));
        assert_eq!(health.check_ready(), Err(Unhealthy::NoTopic("events".to_owned())));
        health.missing_topic(None);
        health.broker_reached();
        assert_eq!(health.check_ready(), Ok(()));
        health.draining();
        assert_eq!((health.check_live(), health.check_ready()), (Ok(()), Err(Unhealthy::Stopping)));
    }

    #[test]
    fn results_are_ready_once_they_have_caught_up() {
        let health = Health::new().of_results();
        assert_eq!(health.check_ready(), Err(Unhealthy::NotCaughtUp));
        health.missing_topic(Some("reports".to_owned()));
        assert_eq!(health.check_ready(), Err(Unhealthy::NoTopic("reports".to_owned())));
        health.missing_topic(None);
        health.caught_up(true);
        assert_eq!(health.check_ready(), Ok(()));
        health.caught_up(false);
        assert_eq!(health.check_ready(), Err(Unhealthy::NotCaughtUp), "it is read anew");
        health.caught_up(true);
        health.draining();
        assert_eq!(health.check_ready(), Err(Unhealthy::Stopping));
    }

    #[test]
    fn disabled_is_live_and_ready() {
        let health = Health::new();
        health.disabled();
        assert_eq!((health.check_live(), health.check_ready()), (Ok(()), Ok(())));
    }

    #[test]
    fn what_is_retried_waits_until_something_gets_through() {
        let health = Health::new();
        health.waits(Waits::Away);
        assert_eq!(health.waiting(), None, "there is no work");
        health.work_pending(true);
        health.waits(Waits::Throttled);
        assert_eq!(health.waiting().map(|(why, _)| why), Some(Waits::Throttled));
        assert!(health.without_progress() < Duration::from_secs(60));
        health.progress();
        assert_eq!(health.waiting(), None);
        health.work_pending(false);
        assert_eq!(health.without_progress(), Duration::ZERO);
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
