//! The metrics that `/metrics` exposes, as OTLP has them: the same names, help texts, units and labels.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ScopeMetrics, Sum, metric, number_data_point,
};

use crate::telemetry::exposition::{Exposition, Family, Sample};

/// When counting began and when the values were read, in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub start: u64,
    pub now: u64,
}

/// All metrics that have a value.
pub(super) fn metrics(exposed: &Exposition, times: Times) -> ScopeMetrics {
    let scope = InstrumentationScope {
        name: "generic-consumer".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let families = exposed.families();
    let metrics = families.iter().filter_map(|family| metric(family, times)).collect();
    ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }
}

fn metric(family: &Family<'_>, times: Times) -> Option<Metric> {
    let cumulative = AggregationTemporality::Cumulative as i32;
    let numbers = |since: u64| {
        let point = |sample: &Sample<'_>| number(sample, Times { start: since, ..times });
        family.samples.iter().filter_map(point).collect::<Vec<_>>()
    };
    // As a scraper sees it: a counter's samples have an ending that its family has not.
    let name = family.samples.first()?.name;
    let (name, data) = match family.kind {
        "counter" => {
            let data_points = numbers(times.start);
            let sum = Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true };
            (name, metric::Data::Sum(sum))
        }
        "gauge" => (name, metric::Data::Gauge(Gauge { data_points: numbers(0) })),
        "histogram" => {
            let data_points = histograms(family, times);
            let histogram = Histogram { data_points, aggregation_temporality: cumulative };
            (family.name, metric::Data::Histogram(histogram))
        }
        _ => return None,
    };
    Some(Metric {
        name: name.to_owned(),
        description: family.help.to_owned(),
        unit: unit(family.unit).to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

/// A unit as UCUM writes it.
fn unit(openmetrics: &str) -> &str {
    match openmetrics {
        "bytes" => "By",
        "seconds" => "s",
        other => other,
    }
}

fn number(sample: &Sample<'_>, times: Times) -> Option<NumberDataPoint> {
    let value = match sample.value.parse() {
        Ok(whole) => number_data_point::Value::AsInt(whole),
        Err(_) => number_data_point::Value::AsDouble(sample.value.parse().ok()?),
    };
    Some(NumberDataPoint {
        attributes: attributes(&sample.labels),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

/// One point for each set of labels. Prometheus' buckets count all that is below a bound, those of OTLP
/// what is between two.
fn histograms(family: &Family<'_>, times: Times) -> Vec<HistogramDataPoint> {
    let mut points: Vec<HistogramDataPoint> = Vec::new();
    let mut index: HashMap<Vec<(&str, String)>, usize> = HashMap::new();
    let mut below = 0;
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let bound = labels.iter().position(|(name, _)| *name == "le");
        let bound = bound.map(|at| labels.remove(at).1);
        let at = *index.entry(labels).or_insert_with_key(|labels| {
            points.push(HistogramDataPoint {
                attributes: attributes(labels),
                start_time_unix_nano: times.start,
                time_unix_nano: times.now,
                ..HistogramDataPoint::default()
            });
            points.len() - 1
        });
        let point = &mut points[at];
        match (sample.name.strip_prefix(family.name), bound) {
            (Some("_sum"), _) => point.sum = sample.value.parse().ok(),
            (Some("_count"), _) => point.count = sample.value.parse().unwrap_or_default(),
            (Some("_bucket"), Some(bound)) => {
                if point.bucket_counts.is_empty() {
                    below = 0;
                }
                let up_to: u64 = sample.value.parse().unwrap_or(below);
                point.bucket_counts.push(up_to.saturating_sub(below));
                below = up_to;
                point.explicit_bounds.extend(bound.parse().ok().filter(|it: &f64| it.is_finite()));
            }
            _ => {}
        }
    }
    points
}

fn attributes(labels: &[(&str, String)]) -> Vec<KeyValue> {
    let attribute = |(name, value): &(&str, String)| KeyValue {
        key: (*name).to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
        ..KeyValue::default()
    };
    labels.iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::telemetry::Metrics;
    use crate::telemetry::metrics::{EventTypeLabel, LabelText, PartitionLabel};

    const TIMES: Times = Times { start: 5, now: 9 };

    fn of(registry: &Registry, name: &str) -> Metric {
        let scope = metrics(&Exposition::of(registry), TIMES);
        scope.metrics.into_iter().find(|metric| metric.name == name).expect("it is sent")
    }

    #[test]
    fn counters_are_cumulative_and_monotonic() {
        let mut registry = Registry::default();
        let all = Metrics::register(&mut registry);
        let event_type = LabelText("a \"b\"\n".to_owned());
        all.ignored.get_or_create(&EventTypeLabel { event_type }).inc_by(3);
        all.read_bytes.inc_by(7);
        let ignored = of(&registry, "generic_consumer_ignored_records_total");
        assert_eq!(ignored.description, "Records left out on purpose.");
        let Some(metric::Data::Sum(sum)) = ignored.data else { panic!("{ignored:?}") };
        assert!(sum.is_monotonic);
        assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
        let [point] = &sum.data_points[..] else { panic!("{sum:?}") };
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 9));
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
        assert_eq!(point.attributes, attributes(&[("event_type", "a \"b\"\n".to_owned())]));
        assert_eq!(of(&registry, "generic_consumer_read_bytes_total").unit, "By");
    }

    #[test]
    fn gauges_have_no_start() {
        let mut registry = Registry::default();
        let all = Metrics::register(&mut registry);
        all.lag_seconds.get_or_create(&PartitionLabel { partition: 3 }).set(1.5);
        let lag = of(&registry, "generic_consumer_lag_seconds");
        let Some(metric::Data::Gauge(gauge)) = lag.data else { panic!("{lag:?}") };
        let [point] = &gauge.data_points[..] else { panic!("{gauge:?}") };
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(1.5)));
        assert_eq!((point.start_time_unix_nano, lag.unit.as_str()), (0, "s"));
    }

    #[test]
    fn buckets_are_counted_between_their_bounds() {
        let mut registry = Registry::default();
        let all = Metrics::register(&mut registry);
        for seconds in [0.0005, 0.0015, 0.0015, 1000.0] {
            all.commit_seconds.observe(seconds);
        }
        let commit = of(&registry, "generic_consumer_commit_seconds");
        let Some(metric::Data::Histogram(histogram)) = commit.data else { panic!("{commit:?}") };
        let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
        assert_eq!((point.count, point.sum), (4, Some(1000.0035)));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.explicit_bounds[..2], [0.001, 0.002]);
        assert_eq!(point.bucket_counts[..3], [1, 2, 0]);
        assert_eq!(point.bucket_counts.last(), Some(&1));
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    }

    #[test]
    fn each_set_of_labels_has_buckets_of_its_own() {
        let text = |name, labels, value| Sample { name, labels, value };
        let le = |of: &str, le: &str| vec![("of", of.to_owned()), ("le", le.to_owned())];
        let family = Family {
            name: "a",
            help: "",
            unit: "",
            kind: "histogram",
            samples: vec![
                text("a_count", vec![("of", "x".to_owned())], "3"),
                text("a_bucket", le("x", "1"), "2"),
                text("a_bucket", le("x", "+Inf"), "3"),
                text("a_count", vec![("of", "y".to_owned())], "1"),
                text("a_bucket", le("y", "1"), "1"),
                text("a_bucket", le("y", "+Inf"), "1"),
            ],
        };
        let points = histograms(&family, TIMES);
        let counts: Vec<_> = points.iter().map(|it| (it.count, it.bucket_counts.clone())).collect();
        assert_eq!(counts, [(3, vec![2, 1]), (1, vec![1, 0])]);
    }
}
