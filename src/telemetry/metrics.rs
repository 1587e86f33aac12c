//! The metrics: name, unit, help text, type and labels of each.
//!
//! Label values come from closed sets: the contract's event types plus `unknown`, the reason
//! codes, and the assigned partitions.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

use super::health::Waits;
pub use super::label_text::LabelText;
use super::undeclared::UndeclaredCounter;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventTypeLabel {
    pub event_type: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabel {
    pub partition: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabel {
    /// An HTTP status.
    pub status: u16,
}

/// Rules are those of the set, so there are as many as its documents have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RuleLabel {
    pub rule: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SkipLabel {
    /// A rule, or a member of the report.
    pub rule: LabelText,
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    pub outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WhyLabel {
    pub why: &'static str,
}

/// Whether rows became visible within the time that the domain has set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InTimeLabel {
    pub in_time: &'static str,
}

impl InTimeLabel {
    pub fn of(in_time: bool) -> Self {
        Self { in_time: if in_time { "true" } else { "false" } }
    }
}

/// The metrics of one process. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records read from Kafka.
    pub read: Counter,
    /// Bytes of the values of these records.
    pub read_bytes: Counter,
    /// Rows acknowledged by BigQuery.
    pub written: Counter,
    /// Bytes of these rows on the wire.
    pub written_bytes: Counter,
    /// US dollars for a GiB of them, for estimates; 0 where no price is known.
    pub write_price: Gauge<f64, AtomicU64>,
    pub ignored: Family<EventTypeLabel, Counter>,
    pub dead_lettered: Family<ReasonLabel, Counter>,
    /// Events with a member that the contract does not declare.
    pub undeclared: UndeclaredCounter,
    pub append_seconds: Histogram,
    pub append_retries: Counter,
    pub commit_seconds: Histogram,
    pub flush_seconds: Histogram,
    /// Records between the committed offset and the partition's end.
    pub lag: Family<PartitionLabel, Gauge>,
    /// How long ago the last committed record was written, where others are behind it.
    pub lag_seconds: Family<PartitionLabel, Gauge<f64, AtomicU64>>,
    /// Age of the oldest row of a batch when it became visible.
    pub freshness_seconds: Histogram,
    /// Rows that became visible within the time that is set, and later.
    pub fresh_rows: Family<InTimeLabel, Counter>,
    /// That time; 0 where none is set.
    pub freshness_slo_seconds: Gauge<f64, AtomicU64>,
    /// How long nothing has got through to the sink, by why.
    pub sink_waiting_seconds: Family<WhyLabel, Gauge<f64, AtomicU64>>,
    /// How long there has been work of which nothing has come.
    pub no_progress_seconds: Gauge<f64, AtomicU64>,
    pub in_flight_bytes: Gauge,
    pub oldest_unsettled_seconds: Gauge<f64, AtomicU64>,
    pub assigned_partitions: Gauge,
    /// Which partitions these are.
    owned: Arc<Mutex<Vec<i32>>>,
    /// Times the Kafka client was replaced by a new one.
    pub rejoins: Counter,
    /// Offsets that a run which only catches up had before it in its partitions, and how many of them
    /// it has read. They are for the progress line on a terminal and are not exposed.
    pub to_catch_up: Gauge,
    pub caught_up: Gauge,
    /// Age of the oldest record that the steps before a row work on; 0 where they work on none. For the
    /// status, and not exposed.
    pub oldest_staged_seconds: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Creates the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        let mut names = Names(registry.sub_registry_with_prefix("generic_consumer"));
        Self {
            read: names.add("read_records", "Records read from Kafka"),
            read_bytes: names.add_bytes("read", "Bytes of values read"),
            written: names.add("written_rows", "Rows acknowledged by BigQuery"),
            written_bytes: names.add_bytes("written", "Bytes of rows written"),
            write_price: names
                .add("write_price_dollars_per_gib", "Price of a GiB written, for estimates"),
            ignored: names.add("ignored_records", "Records left out on purpose"),
            dead_lettered: names.add("dead_lettered_records", "Records sent to the dead letters"),
            undeclared: UndeclaredCounter::of(names.add(
                "undeclared_fields",
                "About how many events had a field that the contract does not declare",
            )),
            append_seconds: names.add_histogram("append", "Time to an append's answer"),
            append_retries: names.add("append_retries", "Appends sent again"),
            commit_seconds: names.add_histogram("commit", "Time of an offset commit"),
            flush_seconds: names.add_histogram("flush", "Time to make rows visible"),
            lag: names.add("lag_records", "Records behind the end of the partition"),
            lag_seconds: names
                .add_seconds("lag", "Age of the last committed record, where others follow"),
            freshness_seconds: names
                .add_ages("freshness", "Age of a batch's oldest row when it became visible"),
            fresh_rows: names.add("fresh_rows", "Rows that became visible in time, and later"),
            freshness_slo_seconds: names
                .add_seconds("freshness_slo", "How old rows may be when they become visible"),
            sink_waiting_seconds: names
                .add_seconds("sink_waiting", "Time in which nothing got through to the sink"),
            no_progress_seconds: names
                .add_seconds("no_progress", "Time in which nothing came of the work there is"),
            in_flight_bytes: names.add_bytes("in_flight", "Bytes not yet acknowledged"),
            oldest_unsettled_seconds: names
                .add_seconds("oldest_unsettled", "Age of the oldest unsettled record"),
            assigned_partitions: names.add("assigned_partitions", "Partitions this instance owns"),
            owned: Arc::default(),
            rejoins: names.add("rejoins", "Times the Kafka client was made anew"),
            to_catch_up: Gauge::default(),
            caught_up: Gauge::default(),
            oldest_staged_seconds: Gauge::default(),
        }
    }

    /// This instance owns these partitions.
    pub fn owns(&self, partitions: Vec<i32>) {
        self.assigned_partitions.set(partitions.len() as i64);
        *self.owned.lock().unwrap_or_else(PoisonError::into_inner) = partitions;
    }

    /// The partitions that this instance owns.
    pub fn owned(&self) -> Vec<i32> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing gets through to the sink, and for how long that has been so.
    pub fn waits(&self, now: Option<(Waits, Duration)>) {
        for why in Waits::ALL {
            let seconds =
                now.filter(|(of, _)| *of == why).map_or(0.0, |(_, time)| time.as_secs_f64());
            self.sink_waiting_seconds.get_or_create(&WhyLabel { why: why.name() }).set(seconds);
        }
    }

    /// This instance owns no partition and has nothing under way.
    pub fn nothing_owned(&self) {
        self.lag.clear();
        self.lag_seconds.clear();
        self.owns(Vec::new());
        self.in_flight_bytes.set(0);
        self.oldest_unsettled_seconds.set(0.0);
        self.no_progress_seconds.set(0.0);
        self.waits(None);
        self.oldest_staged_seconds.set(0.0);
    }
}

/// The metrics of the steps before a row. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct StepMetrics {
    /// Time to a whole object, with all attempts.
    pub fetch_seconds: Histogram,
    /// Attempts that failed and were repeated.
    pub fetch_retries: Counter,
    /// Bytes of the objects when they are unpacked.
    pub unpacked_bytes: Counter,
    pub evaluate_seconds: Histogram,
    /// Findings in reports, by rule.
    pub findings: Family<RuleLabel, Counter>,
    /// Rules, and members of reports, without an answer.
    pub skips: Family<SkipLabel, Counter>,
    /// Messages to the payload tracker by what became of them.
    pub tracked: Family<OutcomeLabel, Counter>,
}

impl StepMetrics {
    /// Metrics that nobody scrapes.
    pub fn unregistered() -> Self {
        Self::register(&mut Registry::default())
    }

    /// Creates the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        let mut names = Names(registry.sub_registry_with_prefix("generic_consumer"));
        Self {
            fetch_seconds: names.add_histogram("fetch", "Time to a whole object"),
            fetch_retries: names.add("fetch_retries", "Attempts to fetch that were repeated"),
            unpacked_bytes: names.add_bytes("unpacked", "Bytes of unpacked objects"),
            evaluate_seconds: names.add_histogram("evaluate", "Time to evaluate all rules"),
            findings: names.add("findings", "Findings of rules"),
            skips: names.add("rule_skips", "Rules and members of reports without an answer"),
            tracked: names.add("tracker_messages", "Messages to the payload tracker"),
        }
    }
}

/// The metrics of the event API. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct ApiMetrics {
    /// Requests by the status of their answer.
    pub requests: Family<StatusLabel, Counter>,
    /// Events by what became of them.
    pub events: Family<OutcomeLabel, Counter>,
    /// Bytes of the events handed to the broker.
    pub bytes: Counter,
    pub request_seconds: Histogram,
    pub publish_seconds: Histogram,
    /// Bytes of requests that are not yet answered.
    pub queued_bytes: Gauge,
}

impl ApiMetrics {
    /// Creates the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        let mut names = Names(registry.sub_registry_with_prefix("generic_consumer_api"));
        Self {
            requests: names.add("requests", "Requests answered"),
            events: names.add("events", "Events taken or refused"),
            bytes: names.add_bytes("published", "Bytes of events sent to the broker"),
            request_seconds: names.add_histogram("request", "Time to a request's answer"),
            publish_seconds: names.add_histogram("publish", "Time to the broker's answer"),
            queued_bytes: names.add_bytes("queued", "Bytes of unanswered requests"),
        }
    }

    /// Counts events by what became of them.
    pub fn count(&self, outcome: &'static str, events: usize) {
        if events > 0 {
            self.events.get_or_create(&OutcomeLabel { outcome }).inc_by(events as u64);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    /// A path with its parameters' names, or `other`.
    pub route: &'static str,
    /// An HTTP status.
    pub status: u16,
}

/// The metrics of the aggregator of results. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct ResultsMetrics {
    /// Reports that are shown: one for each organization and cluster.
    pub reports: Gauge,
    /// Records read from Kafka.
    pub read: Counter,
    /// Records that left the former report as it was.
    pub rejected: Family<ReasonLabel, Counter>,
    /// Records between what is stored and the partition's end.
    pub lag: Family<PartitionLabel, Gauge>,
    /// Times the store was emptied to read the topic from its beginning.
    pub rebuilds: Counter,
    pub requests: Family<RouteLabel, Counter>,
    pub request_seconds: Histogram,
}

impl ResultsMetrics {
    /// Creates the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        let mut names = Names(registry.sub_registry_with_prefix("generic_consumer_results"));
        Self {
            reports: names.add("reports", "Reports held"),
            read: names.add("read_records", "Records read from Kafka"),
            rejected: names.add("rejected_records", "Records that are no report"),
            lag: names.add("lag_records", "Records behind the end of the partition"),
            rebuilds: names.add("rebuilds", "Times the topic was read from its beginning"),
            requests: names.add("requests", "Requests answered"),
            request_seconds: names.add_histogram("request", "Time to a request's answer"),
        }
    }
}

/// Registers metrics and returns a handle to each. A unit is appended to the name (`read` in bytes
/// is exposed as `read_bytes`), and the encoder appends `_total` to counters.
pub(super) struct Names<'a>(pub(super) &'a mut Registry);

impl Names<'_> {
    pub(super) fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    pub(super) fn add_bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_in(Unit::Bytes, name, help, M::default())
    }

    pub(super) fn add_seconds<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_in(Unit::Seconds, name, help, M::default())
    }

    /// A histogram of durations. Its buckets double from 1 ms to 16 s: an append takes 2 to
    /// 500 ms, and several seconds when BigQuery throttles it.
    fn add_histogram(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::new(exponential_buckets(0.001, 2.0, 15));
        self.add_in(Unit::Seconds, name, help, histogram)
    }

    /// A histogram of ages. Its buckets double from 16 ms to 18 hours.
    fn add_ages(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::new(exponential_buckets(0.016, 2.0, 23));
        self.add_in(Unit::Seconds, name, help, histogram)
    }

    fn add_in<M: Metric + Clone>(&mut self, unit: Unit, name: &str, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, unit, metric.clone());
        metric
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::telemetry::contract_metrics::ContractLabel;
    use crate::telemetry::{ContractMetrics, TransferMetrics};

    const REFERENCE: &str = include_str!("../../docs/reference/metrics.md");

    /// Name and type of every metric that `/metrics` exposes, named as a scraper sees it.
    fn exposed() -> BTreeSet<(String, String)> {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        // A family is exposed once one of its labels has a value.
        metrics
            .ignored
            .get_or_create(&EventTypeLabel { event_type: LabelText("A".to_owned()) })
            .inc();
        metrics.dead_lettered.get_or_create(&ReasonLabel { reason: "empty" }).inc();
        metrics.undeclared.count("A", "/note", 1);
        metrics.lag.get_or_create(&PartitionLabel { partition: 0 }).set(1);
        metrics.lag_seconds.get_or_create(&PartitionLabel { partition: 0 }).set(1.0);
        metrics.waits(None);
        metrics.fresh_rows.get_or_create(&InTimeLabel::of(true)).inc();
        let contract = ContractMetrics::register(&mut registry);
        let text = || LabelText("a".to_owned());
        contract.info.get_or_create(&ContractLabel { contract: text(), digest: text() }).set(1);
        contract.reloads.get_or_create(&OutcomeLabel { outcome: "taken" }).inc();
        let steps = StepMetrics::register(&mut registry);
        let rule = || LabelText("a".to_owned());
        steps.findings.get_or_create(&RuleLabel { rule: rule() }).inc();
        steps.skips.get_or_create(&SkipLabel { rule: rule(), reason: "error" }).inc();
        steps.tracked.get_or_create(&OutcomeLabel { outcome: "published" }).inc();
        let api = ApiMetrics::register(&mut registry);
        api.requests.get_or_create(&StatusLabel { status: 202 }).inc();
        api.count("published", 1);
        let results = ResultsMetrics::register(&mut registry);
        results.rejected.get_or_create(&ReasonLabel { reason: "empty" }).inc();
        results.lag.get_or_create(&PartitionLabel { partition: 0 }).set(1);
        results.requests.get_or_create(&RouteLabel { route: "other", status: 404 }).inc();
        let transfer = TransferMetrics::register(&mut registry);
        transfer.for_test();
        let mut text = String::new();
        encode(&mut text, &registry).expect("encoded");
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types
            .map(|line| match line.split_once(' ').expect("a name and a type") {
                (name, "counter") => (format!("{name}_total"), "counter".to_owned()),
                (name, kind) => (name.to_owned(), kind.to_owned()),
            })
            .collect()
    }

    #[test]
    fn a_label_may_be_any_text() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let event_type = LabelText("a \"b\"\nc\\d\r\u{7f} ä".to_owned());
        metrics.ignored.get_or_create(&EventTypeLabel { event_type }).inc();
        let mut text = String::new();
        encode(&mut text, &registry).expect("encoded");
        let expected = "generic_consumer_ignored_records_total{event_type=\"a \\\"b\\\"\\nc\\\\d\r\u{7f} ä\"} 1\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn the_exposed_metrics_are_exactly_the_documented_ones() {
        let rows = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `generic_consumer_"));
        let documented: BTreeSet<(String, String)> = rows
            .map(|row| {
                let (name, rest) = row.split_once("` | ").expect("a name");
                let kind = rest.split([',', ' ']).next().expect("a type");
                (format!("generic_consumer_{name}"), kind.to_owned())
            })
            .collect();
        assert_eq!(exposed(), documented);
    }
}
