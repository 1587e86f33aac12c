//! Every metric's name, type and labels. Labels come from closed sets: the contract's event types
//! plus `unknown`, the reason codes, the assigned partitions.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventType {
    pub event_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabel {
    pub partition: i32,
}

/// Handles that the hot path updates; cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records read from Kafka.
    pub read: Counter,
    /// Bytes of their values.
    pub read_bytes: Counter,
    /// Rows acknowledged by BigQuery.
    pub written: Counter,
    /// Bytes of those rows on the wire.
    pub written_bytes: Counter,
    pub ignored: Family<EventType, Counter>,
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
    /// Times the Kafka client was destroyed and joined again.
    pub rejoins: Counter,
}

impl Metrics {
    /// Makes the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        // 1 ms to 16 s, doubling: appends take 2 to 500 ms, a throttled one seconds.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let metrics = Self {
            read: Counter::default(),
            read_bytes: Counter::default(),
            written: Counter::default(),
            written_bytes: Counter::default(),
            ignored: Family::default(),
            dead_lettered: Family::default(),
            append_seconds: seconds(),
            append_retries: Counter::default(),
            commit_seconds: seconds(),
            flush_seconds: seconds(),
            lag: Family::default(),
            in_flight_bytes: Gauge::default(),
            oldest_unsettled_seconds: Gauge::default(),
            assigned_partitions: Gauge::default(),
            rejoins: Counter::default(),
        };
        let r = registry.sub_registry_with_prefix("generic_consumer");
        r.register("read_records", "Records read from Kafka", metrics.read.clone());
        r.register_with_unit(
            "read",
            "Bytes of values read",
            Unit::Bytes,
            metrics.read_bytes.clone(),
        );
        r.register("written_rows", "Rows acknowledged by BigQuery", metrics.written.clone());
        r.register_with_unit(
            "written",
            "Bytes of rows written",
            Unit::Bytes,
            metrics.written_bytes.clone(),
        );
        r.register("ignored_records", "Records left out on purpose", metrics.ignored.clone());
        r.register(
            "dead_lettered_records",
            "Records sent to the dead letters",
            metrics.dead_lettered.clone(),
        );
        r.register_with_unit(
            "append",
            "Time to an append's answer",
            Unit::Seconds,
            metrics.append_seconds.clone(),
        );
        r.register("append_retries", "Appends sent again", metrics.append_retries.clone());
        r.register_with_unit(
            "commit",
            "Time of an offset commit",
            Unit::Seconds,
            metrics.commit_seconds.clone(),
        );
        r.register_with_unit(
            "flush",
            "Time to make rows visible",
            Unit::Seconds,
            metrics.flush_seconds.clone(),
        );
        r.register("lag_records", "Records behind the end of the partition", metrics.lag.clone());
        r.register_with_unit(
            "in_flight",
            "Bytes not yet acknowledged",
            Unit::Bytes,
            metrics.in_flight_bytes.clone(),
        );
        r.register_with_unit(
            "oldest_unsettled",
            "Age of the oldest unsettled record",
            Unit::Seconds,
            metrics.oldest_unsettled_seconds.clone(),
        );
        r.register(
            "assigned_partitions",
            "Partitions this instance owns",
            metrics.assigned_partitions.clone(),
        );
        r.register("rejoins", "Times the Kafka client was made anew", metrics.rejoins.clone());
        metrics
    }
}
