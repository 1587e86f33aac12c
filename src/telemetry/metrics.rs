//! The metrics: name, unit, help text, type and labels of each.
//!
//! Label values come from closed sets: the contract's event types plus `unknown`, the reason
//! codes, and the assigned partitions.

use std::sync::atomic::AtomicU64;

use std::fmt::Write;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

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

/// A label's value that may be any text: backslashes, quotes and line breaks are escaped when it is
/// exposed, which the library leaves to its callers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabelText(pub String);

impl EncodeLabelValue for LabelText {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => encoder.write_str("\\\\"),
            '"' => encoder.write_str("\\\""),
            '\n' => encoder.write_str("\\n"),
            other => encoder.write_char(other),
        })
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
    pub ignored: Family<EventTypeLabel, Counter>,
    pub dead_lettered: Family<ReasonLabel, Counter>,
    pub append_seconds: Histogram,
    pub append_retries: Counter,
    pub commit_seconds: Histogram,
    pub flush_seconds: Histogram,
    /// Records between the committed offset and the partition's end.
    pub lag: Family<PartitionLabel, Gauge>,
    pub in_flight_bytes: Gauge,
    pub oldest_unsettled_seconds: Gauge<f64, AtomicU64>,
    pub assigned_partitions: Gauge,
    /// Times the Kafka client was replaced by a new one.
    pub rejoins: Counter,
    /// Offsets that a run which only catches up had before it in its partitions, and how many of them
    /// it has read. They are for the progress line on a terminal and are not exposed.
    pub to_catch_up: Gauge,
    pub caught_up: Gauge,
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
            ignored: names.add("ignored_records", "Records left out on purpose"),
            dead_lettered: names.add("dead_lettered_records", "Records sent to the dead letters"),
            append_seconds: names.add_histogram("append", "Time to an append's answer"),
            append_retries: names.add("append_retries", "Appends sent again"),
            commit_seconds: names.add_histogram("commit", "Time of an offset commit"),
            flush_seconds: names.add_histogram("flush", "Time to make rows visible"),
            lag: names.add("lag_records", "Records behind the end of the partition"),
            in_flight_bytes: names.add_bytes("in_flight", "Bytes not yet acknowledged"),
            oldest_unsettled_seconds: names
                .add_seconds("oldest_unsettled", "Age of the oldest unsettled record"),
            assigned_partitions: names.add("assigned_partitions", "Partitions this instance owns"),
            rejoins: names.add("rejoins", "Times the Kafka client was made anew"),
            to_catch_up: Gauge::default(),
            caught_up: Gauge::default(),
        }
    }

    /// This instance owns no partition and has nothing under way.
    pub fn nothing_owned(&self) {
        self.lag.clear();
        self.assigned_partitions.set(0);
        self.in_flight_bytes.set(0);
        self.oldest_unsettled_seconds.set(0.0);
    }
}

/// Registers metrics and returns a handle to each. A unit is appended to the name (`read` in bytes
/// is exposed as `read_bytes`), and the encoder appends `_total` to counters.
struct Names<'a>(&'a mut Registry);

impl Names<'_> {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    fn add_bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_in(Unit::Bytes, name, help, M::default())
    }

    fn add_seconds<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_in(Unit::Seconds, name, help, M::default())
    }

    /// A histogram of durations. Its buckets double from 1 ms to 16 s: an append takes 2 to
    /// 500 ms, and several seconds when BigQuery throttles it.
    fn add_histogram(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::new(exponential_buckets(0.001, 2.0, 15));
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
        metrics.lag.get_or_create(&PartitionLabel { partition: 0 }).set(1);
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
