//! How old events are when their rows become visible: from the record's timestamp to the moment in which
//! a query sees the row. A batch counts as its oldest row, so the figure is never better than the truth.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::Clock;
use crate::record::Partition;
use crate::sink::Promise;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::InTimeLabel;

/// Rows that are acknowledged and not yet visible.
struct Waiting {
    promise: Promise,
    oldest_ms: i64,
    rows: usize,
}

pub struct Freshness {
    clock: Clock,
    /// How old rows may be. `None`: nobody has said.
    slo: Option<Duration>,
    metrics: Metrics,
    /// By partition, in the order in which they become visible.
    waiting: BTreeMap<Partition, VecDeque<Waiting>>,
}

impl Freshness {
    pub fn new(clock: Clock, slo: Option<Duration>, metrics: Metrics) -> Self {
        metrics.freshness_slo_seconds.set(slo.map_or(0.0, |slo| slo.as_secs_f64()));
        Self { clock, slo, metrics, waiting: BTreeMap::new() }
    }

    /// Rows are acknowledged. Without a promise they are visible; with one they are once it is kept.
    pub fn settled(
        &mut self,
        partition: Partition,
        promise: Option<&Promise>,
        oldest_ms: i64,
        rows: usize,
    ) {
        match promise {
            _ if rows == 0 => {}
            None => self.visible(oldest_ms, rows),
            Some(promise) => {
                let waiting = Waiting { promise: promise.clone(), oldest_ms, rows };
                self.waiting.entry(partition).or_default().push_back(waiting);
            }
        }
    }

    /// The rows that are promised are visible.
    pub fn flushed(&mut self, partition: Partition, promise: &Promise) {
        loop {
            let Some(waiting) = self.waiting.get_mut(&partition) else { return };
            match waiting.front() {
                // A promise of an earlier series is kept before one of a later series is made.
                Some(first) if promise.covers(&first.promise) => {}
                Some(first)
                    if !first.promise.is_of_series(promise) && has_series(waiting, promise) => {}
                _ => return,
            }
            let Some(first) = waiting.pop_front() else { return };
            self.visible(first.oldest_ms, first.rows);
        }
    }

    /// Forgets a partition: its next owner makes what is promised visible.
    pub fn release(&mut self, partition: Partition) {
        self.waiting.remove(&partition);
    }

    fn visible(&self, oldest_ms: i64, rows: usize) {
        // A clock of a producer may be ahead.
        let age_ms = (self.clock.now_micros() / 1_000).saturating_sub(oldest_ms).max(0);
        let age = Duration::from_millis(age_ms.unsigned_abs());
        self.metrics.freshness_seconds.observe(age.as_secs_f64());
        if let Some(slo) = self.slo {
            let label = InTimeLabel::of(age <= slo);
            self.metrics.fresh_rows.get_or_create(&label).inc_by(rows as u64);
        }
    }
}

fn has_series(waiting: &VecDeque<Waiting>, promise: &Promise) -> bool {
    waiting.iter().any(|one| one.promise.is_of_series(promise))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::sink::SinkName;

    const PARTITION: Partition = Partition(3);

    fn promise(series: &str, rows: u64) -> Promise {
        Promise::new(SinkName("bigquery"), Arc::from(series), rows)
    }

    fn rig(slo: Option<u64>) -> (Freshness, Registry, i64) {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let slo = slo.map(Duration::from_secs);
        let now_ms = 1_795_255_200_000;
        (Freshness::new(Clock::Fixed(now_ms * 1_000), slo, metrics), registry, now_ms)
    }

    fn exposed(registry: &Registry, line: &str) -> Option<String> {
        let mut text = String::new();
        encode(&mut text, registry).expect("encoded");
        let value = |of: &str| of.strip_prefix(line).map(|value| value.trim().to_owned());
        text.lines().find_map(value)
    }

    const BATCHES: &str = "generic_consumer_freshness_seconds_count ";
    const IN_TIME: &str = "generic_consumer_fresh_rows_total{in_time=\"true\"} ";
    const LATE: &str = "generic_consumer_fresh_rows_total{in_time=\"false\"} ";

    #[test]
    fn rows_count_when_they_are_visible() {
        let (mut freshness, registry, now_ms) = rig(Some(60));
        freshness.settled(PARTITION, Some(&promise("a", 10)), now_ms - 1_000, 10);
        freshness.settled(PARTITION, Some(&promise("a", 15)), now_ms - 120_000, 5);
        // The appender has gone on to another stream.
        freshness.settled(PARTITION, Some(&promise("b", 7)), now_ms, 7);
        assert_eq!(exposed(&registry, BATCHES).as_deref(), Some("0"));
        freshness.flushed(PARTITION, &promise("a", 12));
        assert_eq!(exposed(&registry, IN_TIME).as_deref(), Some("10"));
        assert_eq!(exposed(&registry, LATE), None);
        freshness.flushed(Partition(4), &promise("a", 15));
        freshness.flushed(PARTITION, &promise("c", 100));
        assert_eq!(exposed(&registry, BATCHES).as_deref(), Some("1"));
        freshness.flushed(PARTITION, &promise("b", 7));
        assert_eq!(exposed(&registry, BATCHES).as_deref(), Some("3"));
        assert_eq!(exposed(&registry, IN_TIME).as_deref(), Some("17"));
        assert_eq!(exposed(&registry, LATE).as_deref(), Some("5"));
    }

    #[test]
    fn rows_that_are_visible_at_once_count_at_once_and_released_ones_never() {
        let (mut freshness, registry, now_ms) = rig(None);
        freshness.settled(PARTITION, None, now_ms + 5_000, 3);
        freshness.settled(PARTITION, None, now_ms, 0);
        assert_eq!(exposed(&registry, BATCHES).as_deref(), Some("1"));
        freshness.settled(PARTITION, Some(&promise("a", 1)), now_ms, 1);
        freshness.release(PARTITION);
        freshness.flushed(PARTITION, &promise("a", 1));
        assert_eq!(exposed(&registry, BATCHES).as_deref(), Some("1"));
        // Without a limit, nothing is late or in time.
        assert_eq!((exposed(&registry, IN_TIME), exposed(&registry, LATE)), (None, None));
    }
}
