//! `/status` and `/` next to the probes: what an instance is doing, as JSON and as a page.
//!
//! Both are read from what the process has for its probes and metrics. They hold names, counts and
//! reason codes, and neither payloads nor secrets: whoever may read `/metrics` may read them.

mod body;
mod exposition;
mod page;
mod speed;

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::registry::Registry;

use self::body::{PartitionLag, Status};
use self::exposition::counts;
use self::speed::Speed;
use crate::clock::Clock;
use crate::config::Settings;
use crate::telemetry::Waits;
use crate::telemetry::exposition::Exposition;
use crate::telemetry::health::Condition;
use crate::telemetry::metrics::PartitionLabel;
use crate::telemetry::{Health, Metrics};

/// What an instance is called, and where it reads and writes. Clones share the topic.
#[derive(Debug, Clone)]
pub struct Instance {
    domain: String,
    sink: String,
    group: String,
    /// Milliseconds since 1970.
    started: i64,
    /// Known once the contract is read.
    topic: Arc<OnceLock<String>>,
    metrics: Metrics,
}

impl Instance {
    /// `metrics` are those of the registry that the server exposes.
    pub fn new(settings: &Settings, metrics: Metrics) -> Self {
        Self {
            domain: settings.domain.clone(),
            sink: format!("{} {}", settings.write.sink.name(), settings.write.sink.target()),
            group: settings.consume.group_id.clone(),
            started: Clock::System.now_micros() / 1_000,
            topic: Arc::default(),
            metrics,
        }
    }

    /// Says which topic the instance reads.
    pub fn reads(&self, topic: &str) {
        let _ = self.topic.set(topic.to_owned());
    }
}

/// How old the oldest unsettled record of a running instance may be before `/status` mentions it.
const SLOW_SECONDS: f64 = 10.0;

pub(super) struct Shared {
    instance: Instance,
    registry: Arc<Registry>,
    health: Health,
    speed: Speed,
}

/// The routes of the status. Has to be called inside a tokio runtime.
pub(super) fn router(instance: Instance, registry: Arc<Registry>, health: Health) -> Router {
    let speed = Speed::of(instance.metrics.written.clone());
    let shared = Shared { instance, registry, health, speed };
    Router::new().route("/", get(html)).route("/status", get(json)).with_state(Arc::new(shared))
}

async fn json(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(shared.status())).into_response()
}

async fn html(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let now = Clock::System.now_micros() / 1_000;
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, page::policy()),
    ];
    (headers, page::html(&shared.status(), now)).into_response()
}

impl Shared {
    fn status(&self) -> Status<'_> {
        let Instance { metrics, .. } = &self.instance;
        let mut owned = metrics.owned();
        owned.sort_unstable();
        let lag = |partition| metrics.lag.get(&PartitionLabel { partition }).map(|lag| lag.get());
        let partitions: Vec<PartitionLag> = owned
            .into_iter()
            .map(|partition| PartitionLag { partition, lag: lag(partition) })
            .collect();
        let exposition = Exposition::of(&self.registry);
        let condition = self.health.condition();
        Status {
            domain: &self.instance.domain,
            state: condition.word(),
            detail: self.detail(&condition),
            topic: self.instance.topic.get().map(String::as_str),
            sink: &self.instance.sink,
            group: &self.instance.group,
            started: self.instance.started,
            version: env!("CARGO_PKG_VERSION"),
            lag: partitions.iter().filter_map(|one| one.lag).sum(),
            partitions,
            rows: metrics.written.get(),
            rows_per_second: self.speed.per_second(),
            ignored: counts(&exposition, "generic_consumer_ignored_records"),
            dead_letters: counts(&exposition, "generic_consumer_dead_lettered_records"),
        }
    }

    fn detail(&self, condition: &Condition) -> Option<String> {
        let Instance { metrics, sink, .. } = &self.instance;
        let oldest = metrics.oldest_unsettled_seconds.get();
        // Both ages are measured in the same moment.
        let is_staged = oldest > 0.0 && metrics.oldest_staged_seconds.get() >= oldest;
        let awaited = if is_staged { "objects and rules" } else { sink.as_str() };
        let waits = self.health.waiting().filter(|(_, time)| time.as_secs_f64() >= SLOW_SECONDS);
        let waits = waits.map(|(why, time)| {
            let said = match why {
                Waits::Throttled => "throttles this instance",
                Waits::Unanswered => "does not answer in time",
                Waits::Away => "is away or fails",
            };
            format!("{sink} {said}, for {} s; it is tried again and again", time.as_secs())
        });
        match condition {
            Condition::Starting(why) | Condition::Stuck(why) => Some(why.to_string()),
            Condition::Paused => {
                let mebibytes = metrics.in_flight_bytes.get() as f64 / f64::from(1 << 20);
                Some(format!(
                    "{mebibytes:.1} MiB wait for {awaited}, the oldest record for {oldest:.0} s"
                ))
            }
            Condition::Running if waits.is_some() => waits,
            Condition::Running if oldest >= SLOW_SECONDS => {
                Some(format!("the oldest record has waited for {awaited} for {oldest:.0} s"))
            }
            Condition::Running | Condition::Disabled | Condition::Stopping => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::{Value, json};

    use super::*;
    use crate::serve::{Server, start_with_status};
    use crate::telemetry::metrics::{EventTypeLabel, LabelText, ReasonLabel};

    fn instance(registry: &mut Registry) -> Instance {
        Instance {
            domain: "HIGH".to_owned(),
            sink: "postgres public.high".to_owned(),
            group: "high".to_owned(),
            started: 1_795_255_200_000,
            topic: Arc::default(),
            metrics: Metrics::register(registry),
        }
    }

    async fn served(instance: &Instance, registry: Registry, health: &Health) -> Server {
        let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let started =
            start_with_status(address, registry.into(), health.clone(), instance.clone()).await;
        started.expect("listens")
    }

    #[tokio::test]
    async fn the_status_says_what_the_metrics_say() {
        let mut registry = Registry::default();
        let instance = instance(&mut registry);
        let health = Health::new();
        let server = served(&instance, registry, &health).await;
        let url = format!("http://{}", server.address);
        let status = async || {
            let answer = reqwest::get(format!("{url}/status")).await.expect("an answer");
            answer.json::<Value>().await.expect("JSON")
        };
        let fresh = status().await;
        assert_eq!(fresh["state"], "starting");
        assert_eq!(fresh["detail"], "the sink was not reached yet");
        assert_eq!((&fresh["topic"], &fresh["partitions"]), (&Value::Null, &json!([])));

        instance.reads("amounts");
        health.sink_reachable(true);
        health.joined(true);
        let metrics = &instance.metrics;
        metrics.owns(vec![2, 0]);
        metrics.lag.get_or_create(&PartitionLabel { partition: 0 }).set(12);
        metrics.written.inc_by(7);
        let event_type = LabelText("a \"<b>\"\n\\n".to_owned());
        metrics.ignored.get_or_create(&EventTypeLabel { event_type }).inc_by(3);
        metrics.dead_lettered.get_or_create(&ReasonLabel { reason: "empty" }).inc_by(2);
        let running = status().await;
        let expected = json!({
            "domain": "HIGH", "state": "running", "detail": null, "topic": "amounts",
            "sink": "postgres public.high", "group": "high", "started": 1_795_255_200_000_i64,
            "version": env!("CARGO_PKG_VERSION"),
            "partitions": [{"partition": 0, "lag": 12}, {"partition": 2, "lag": null}],
            "lag": 12, "rows": 7, "rows_per_second": running["rows_per_second"],
            "ignored": {"a \"<b>\"\n\\n": 3}, "dead_letters": {"empty": 2},
        });
        assert_eq!(running, expected);

        health.paused(true);
        metrics.in_flight_bytes.set(64 << 20);
        metrics.oldest_unsettled_seconds.set(12.3);
        let paused = status().await;
        assert_eq!(paused["state"], "paused");
        let detail = "64.0 MiB wait for postgres public.high, the oldest record for 12 s";
        assert_eq!(paused["detail"], detail);

        health.paused(false);
        for (staged, awaited) in [(0.0, "postgres public.high"), (12.3, "objects and rules")] {
            metrics.oldest_staged_seconds.set(staged);
            let detail = format!("the oldest record has waited for {awaited} for 12 s");
            assert_eq!(status().await["detail"], detail);
        }
        metrics.oldest_staged_seconds.set(0.0);
        health.paused(true);

        let answer = reqwest::get(format!("{url}/")).await.expect("an answer");
        let policy = answer.headers()["content-security-policy"].to_str().expect("ASCII");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let page = answer.text().await.expect("a page");
        assert!(page.contains(detail) && page.contains("amounts"), "{page}");
        assert!(page.contains("a &quot;&lt;b&gt;&quot;") && !page.contains("<b>"), "{page}");
        for path in ["/metrics", "/livez", "/readyz"] {
            assert!(page.contains(&format!("href=\"{}\"", &path[1..])), "{path}");
            let answer = reqwest::get(format!("{url}{path}")).await.expect("an answer");
            assert!(answer.status().is_success(), "{path}");
        }
    }
}
