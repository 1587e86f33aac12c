//! The spans of batches: what they say of a run, and how they end where the run does not end well.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanId, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use super::memory_sink::Faults;
use super::rig::{ALL, GROUP, Kind, PARTITIONS, Rig, TOPIC, positions};
use crate::pipeline::Until;
use crate::sink::Durability;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-00";

/// Spans that have ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Ended {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic elsewhere").extend(batch);
        Ok(())
    }
}

impl Ended {
    fn trace(&self, rig: &mut Rig) {
        let provider = SdkTracerProvider::builder().with_simple_exporter(self.clone()).build();
        rig.tracer = Some(provider.tracer("test"));
    }

    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().expect("no panic elsewhere"))
    }
}

fn roots(spans: &[SpanData]) -> Vec<&SpanData> {
    spans.iter().filter(|span| span.parent_span_id == SpanId::INVALID).collect()
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string())
}

/// The sum of an attribute of all spans.
fn sum(spans: &[&SpanData], name: &str) -> usize {
    let numbers = spans.iter().filter_map(|span| attribute(span, name)?.parse::<usize>().ok());
    numbers.sum()
}

#[test]
fn a_batch_has_a_span_with_its_append_commit_and_flush() {
    for durability in ALL {
        let mut rig = Rig::new();
        let ended = Ended::default();
        ended.trace(&mut rig);
        rig.publish(0, 40);
        rig.catch_up(durability, Faults::none());
        let spans = ended.take();
        let roots = roots(&spans);
        assert!(!roots.is_empty(), "{durability:?}");
        for root in &roots {
            assert_eq!(root.name, format!("process {TOPIC}"));
            assert_eq!(root.status, Status::Unset, "{durability:?}");
            assert_eq!(attribute(root, "messaging.system").as_deref(), Some("kafka"));
            assert_eq!(attribute(root, "messaging.consumer.group.name").as_deref(), Some(GROUP));
            let has_partition = attribute(root, "messaging.destination.partition.id").is_some();
            assert!(has_partition || !durability.has_lane_per_partition(), "{durability:?}");
            let of_root = |span: &&SpanData| span.parent_span_id == root.span_context.span_id();
            let names: Vec<&str> =
                spans.iter().filter(of_root).map(|span| span.name.as_ref()).collect();
            let mut expected = vec!["append memory", "commit events"];
            if durability == Durability::Promised && sum(&[root], "generic_consumer.rows") > 0 {
                expected.push("flush memory");
            }
            assert_eq!(names, expected, "{durability:?}");
        }
        let count = |kind| positions(40, kind).len();
        assert_eq!(sum(&roots, "generic_consumer.rows"), count(Kind::Row), "{durability:?}");
        let letters = sum(&roots, "generic_consumer.dead_letters");
        assert_eq!(letters, count(Kind::Rejected), "{durability:?}");
        // A batch of nothing but ignored records has no span.
        let records = sum(&roots, "messaging.batch.message_count");
        assert!((count(Kind::Row)..=40 * PARTITIONS as usize).contains(&records), "{records}");
    }
}

#[test]
fn a_batch_is_linked_with_the_sampled_traces_of_its_records() {
    for durability in ALL {
        let mut rig = Rig::new();
        let ended = Ended::default();
        ended.trace(&mut rig);
        for (offset, parent) in [(0, PARENT), (1, UNSAMPLED), (2, "no trace"), (3, PARENT)] {
            rig.publish_in_trace(0, offset, parent);
        }
        rig.catch_up(durability, Faults::none());
        let spans = ended.take();
        let links: BTreeSet<String> = roots(&spans)
            .into_iter()
            .flat_map(|root| root.links.iter())
            .map(|link| link.span_context.span_id().to_string())
            .collect();
        assert_eq!(links, BTreeSet::from(["b7ad6b7169203331".to_owned()]), "{durability:?}");
    }
}

#[test]
fn spans_end_where_the_run_fails_and_say_so() {
    for durability in ALL {
        let mut rig = Rig::new();
        let ended = Ended::default();
        ended.trace(&mut rig);
        rig.publish(0, 150);
        let faults = Faults { fail_after: Some(7), ..Faults::none() };
        rig.start(durability, Until::CaughtUp, faults).join().expect_err("it stops");
        let spans = ended.take();
        let roots = roots(&spans);
        let failed = roots.iter().filter(|root| matches!(root.status, Status::Error { .. }));
        assert!(failed.count() > 0, "{durability:?}: {} batches", roots.len());
    }
}

#[test]
fn a_retry_is_an_event_of_the_append() {
    let mut rig = Rig::new();
    let ended = Ended::default();
    ended.trace(&mut rig);
    rig.publish(0, 150);
    rig.catch_up(Durability::Stored, Faults::seeded(5, 0.4));
    let spans = ended.take();
    let events = spans.iter().filter(|span| span.name == "append memory");
    let retries = events.flat_map(|span| span.events.iter()).filter(|event| event.name == "retry");
    assert!(retries.count() > 0);
}
