//! Tells the payload tracker how far each event is, in the messages that Insights Core Messaging's
//! `PayloadTrackerWatcher` sends: <https://github.com/RedHatInsights/payload-tracker-go>.
//!
//! The messages are for people who look for one upload. Losing one loses no event, so nothing waits for
//! them: what the brokers do not take in time is counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;

use super::value_at;
use super::watchers::Watcher;
use crate::clock::Clock;
use crate::config::TrackerSettings;
use crate::json_tree;
use crate::record::{Offset, Partition, Position, Rejection};
use crate::rules::Report;
use crate::source::{Outcome, Outgoing, Publisher};
use crate::telemetry::StepMetrics;
use crate::telemetry::metrics::OutcomeLabel;

/// Later than the client gives a message up.
const OVERDUE: Duration = Duration::from_secs(60);

/// How long the end of a run may wait for the brokers.
const PATIENCE: Duration = Duration::from_secs(3);

/// A watcher that publishes messages.
pub struct PayloadTracker {
    settings: TrackerSettings,
    publisher: Publisher,
    runtime: Handle,
    clock: Clock,
    metrics: StepMetrics,
    /// The requests that are under way.
    requests: Mutex<BTreeMap<Partition, BTreeMap<Offset, Request>>>,
}

/// Whose request an event belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    id: String,
    org: Option<String>,
    account: Option<String>,
}

/// A message as the payload tracker reads it.
#[derive(Serialize)]
struct Message<'a> {
    service: &'a str,
    request_id: &'a str,
    status: Status,
    /// RFC 3339, UTC.
    date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_msg: Option<&'a str>,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Status {
    Received,
    Processing,
    Success,
    Error,
}

impl PayloadTracker {
    /// The outcomes of messages are counted on the current tokio runtime.
    pub fn new(settings: TrackerSettings, publisher: Publisher, metrics: StepMetrics) -> Self {
        let (runtime, requests) = (Handle::current(), Mutex::default());
        Self { settings, publisher, runtime, clock: Clock::System, metrics, requests }
    }

    /// The request of an event, if its payload says one.
    fn request(&self, payload: &[u8]) -> Option<Request> {
        let payload = json_tree::read(payload).ok()?;
        let said = |path: &[String]| match value_at(&payload, path)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Request {
            id: said(&self.settings.request)?,
            org: self.settings.org.as_deref().and_then(said),
            account: self.settings.account.as_deref().and_then(said),
        })
    }

    fn requests(&self) -> MutexGuard<'_, BTreeMap<Partition, BTreeMap<Offset, Request>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, at: Position) -> Option<Request> {
        self.requests().get(&at.partition)?.get(&at.offset).cloned()
    }

    fn forget(&self, at: Position) -> Option<Request> {
        self.requests().get_mut(&at.partition)?.remove(&at.offset)
    }

    fn message(&self, request: &Request, status: Status, status_msg: Option<&str>) -> Vec<u8> {
        let now = Timestamp::from_microsecond(self.clock.now_micros()).unwrap_or_default();
        let message = Message {
            service: &self.settings.service,
            request_id: &request.id,
            status,
            date: now.to_string(),
            org_id: request.org.as_deref(),
            account: request.account.as_deref(),
            status_msg,
        };
        // Texts are always JSON.
        serde_json::to_vec(&message).unwrap_or_default()
    }

    fn send(&self, request: &Request, status: Status, status_msg: Option<&str>) {
        let value = self.message(request, status, status_msg);
        // The messages of a request stay in their order.
        let key = Some(request.id.as_bytes());
        let outgoing = Outgoing { key, value: &value, headers: None };
        let pending = self.publisher.publish(std::iter::once(outgoing), ());
        let metrics = self.metrics.clone();
        self.runtime.spawn(async move {
            for outcome in pending.outcomes(OVERDUE).await {
                let label = match outcome {
                    Outcome::Published(_) => "published",
                    Outcome::NotPublished(_) => "not_published",
                    Outcome::Unknown(_) => "unknown",
                };
                count(&metrics, label);
            }
        });
    }
}

fn count(metrics: &StepMetrics, outcome: &'static str) {
    metrics.tracked.get_or_create(&OutcomeLabel { outcome }).inc();
}

impl Watcher for PayloadTracker {
    fn received(&self, at: Position, payload: &[u8]) {
        let Some(request) = self.request(payload) else {
            count(&self.metrics, "no_request");
            return;
        };
        self.send(&request, Status::Received, None);
        self.requests().entry(at.partition).or_default().insert(at.offset, request);
    }

    fn evaluated(&self, at: Position, _: Duration, _: &Report) {
        if let Some(request) = self.known(at) {
            self.send(&request, Status::Processing, None);
        }
    }

    fn published(&self, at: Position) {
        if let Some(request) = self.forget(at) {
            self.send(&request, Status::Success, None);
        }
    }

    fn failed(&self, at: Position, why: &Rejection) {
        if let Some(request) = self.forget(at) {
            self.send(&request, Status::Error, Some(&why.to_string()));
        }
    }

    fn given_up(&self, partition: Partition) {
        self.requests().remove(&partition);
    }

    fn run_ended(&self) {
        if !self.publisher.flush(PATIENCE) {
            tracing::warn!("the payload tracker's brokers did not take the last messages in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::ClientConfig;
    use serde_json::json;

    use super::*;
    use crate::record::Reason;

    /// A tracker whose brokers are away, and the runtime that it needs.
    fn tracker() -> (PayloadTracker, tokio::runtime::Runtime) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let _entered = runtime.enter();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1").set("message.timeout.ms", "1000");
        let publisher = Publisher::open(&config, "status").expect("a producer");
        let keys = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let settings = TrackerSettings {
            topic: "status".to_owned(),
            service: "ccx".to_owned(),
            request: keys("request_id"),
            org: Some(keys("identity.org_id")),
            account: Some(keys("account")),
        };
        let metrics = StepMetrics::unregistered();
        let mut tracker = PayloadTracker::new(settings, publisher, metrics);
        tracker.clock = Clock::Fixed(1_795_255_200_123_456);
        (tracker, runtime)
    }

    fn counted(tracker: &PayloadTracker, outcome: &'static str) -> u64 {
        tracker.metrics.tracked.get_or_create(&OutcomeLabel { outcome }).get()
    }

    #[test]
    fn a_message_has_what_the_payload_says() {
        let (tracker, _runtime) = tracker();
        let message = |payload: Value, status, text| {
            let request = tracker.request(payload.to_string().as_bytes()).expect("a request");
            let message = tracker.message(&request, status, text);
            serde_json::from_slice::<Value>(&message).expect("JSON")
        };
        let whole = json!({"request_id": "r", "identity": {"org_id": "7"}, "account": 12});
        assert_eq!(
            message(whole, Status::Error, Some("gone: 404")),
            json!({
                "service": "ccx", "request_id": "r", "status": "error", "org_id": "7",
                "date": "2026-11-21T10:00:00.123456Z", "account": "12", "status_msg": "gone: 404",
            })
        );
        // What has another type than a text or a number is left out.
        let least = json!({"request_id": "r", "identity": "x", "account": {"a": 1}});
        let statuses = [
            (Status::Received, "received"),
            (Status::Processing, "processing"),
            (Status::Success, "success"),
        ];
        for (status, name) in statuses {
            let message = message(least.clone(), status, None);
            assert_eq!(message["status"], name);
            assert_eq!(message.as_object().map(serde_json::Map::len), Some(4), "{message}");
        }
    }

    #[test]
    fn nothing_is_said_of_an_event_without_a_request() {
        let (tracker, _runtime) = tracker();
        let payloads = ["", "{", "[]", "{}", r#"{"request_id": null}"#, r#"{"request_id": ""}"#];
        for (index, payload) in payloads.iter().enumerate() {
            let at = Position::new(0, index as i64);
            tracker.received(at, payload.as_bytes());
            tracker.published(at);
        }
        assert_eq!(counted(&tracker, "no_request"), payloads.len() as u64);
        assert!(tracker.publisher.flush(Duration::ZERO), "nothing is on its way");
    }

    #[test]
    fn an_event_is_forgotten_when_it_ends_or_its_partition_is_given_up() {
        let (tracker, _runtime) = tracker();
        for offset in 0..3 {
            tracker.received(Position::new(4, offset), br#"{"request_id": "r"}"#);
        }
        tracker.published(Position::new(4, 0));
        let rejection = Rejection::new(Reason::ObjectMissing, "404".to_owned(), None);
        tracker.failed(Position::new(4, 1), &rejection);
        assert!(tracker.known(Position::new(4, 1)).is_none());
        assert!(tracker.known(Position::new(4, 2)).is_some());
        tracker.given_up(Partition(4));
        assert!(tracker.requests.lock().expect("a lock").is_empty());
    }

    #[test]
    fn brokers_that_are_away_hold_nobody_up_and_are_counted() {
        let (tracker, runtime) = tracker();
        let began = Instant::now();
        for offset in 0..100 {
            tracker.received(Position::new(0, offset), br#"{"request_id": "r"}"#);
        }
        tracker.run_ended();
        assert!(began.elapsed() < PATIENCE + Duration::from_secs(5));
        runtime.block_on(async {
            while counted(&tracker, "not_published") + counted(&tracker, "unknown") < 100 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert_eq!(counted(&tracker, "published"), 0);
    }
}
