//! A span a batch, from its first record until its rows are visible, with the append, the commit and
//! the flush as its children. The names of attributes are those of OpenTelemetry's conventions for
//! messaging and databases (docs/reference/telemetry.md).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use crate::clock::Clock;
use crate::record::{Event, Offset, Partition};
use crate::sink::{Batch, BatchId, Promise, Sink};
use crate::source::span_context;
use crate::telemetry::otlp::Tracer;

/// The most traces that a batch is linked with.
const MOST_LINKS: usize = 32;

/// The most records of a batch whose headers are looked at.
const MOST_EXAMINED: u64 = 64;

/// Where a batch comes from.
#[derive(Debug, Default)]
pub struct Origin {
    records: u64,
    links: Vec<SpanContext>,
}

impl Origin {
    /// Takes a record into account, and the trace that it belongs to, if that is sampled.
    pub fn add(&mut self, event: &Event<'_>) {
        self.records += 1;
        if self.records > MOST_EXAMINED || self.links.len() >= MOST_LINKS {
            return;
        }
        let context = span_context(event.headers).filter(SpanContext::is_sampled);
        if let Some(context) = context
            && !self.links.contains(&context)
        {
            self.links.push(context);
        }
    }
}

/// A batch that is under way.
struct Open {
    batch: Context,
    append: Context,
    partitions: Vec<Partition>,
    /// The offset after its records in each of its partitions, as long as it is not committed.
    uncommitted: Vec<(Partition, Offset)>,
    is_settled: bool,
    promise: Option<Promise>,
    /// What makes its rows visible, once it is ordered.
    flush: Option<Context>,
}

/// The spans of a session.
pub struct Traces {
    tracer: Tracer,
    clock: Clock,
    topic: String,
    group: String,
    target: Target,
    open: BTreeMap<BatchId, Open>,
}

/// The sink, as attributes say it.
struct Target {
    name: String,
    /// What an append is called there.
    operation: &'static str,
    attributes: Vec<KeyValue>,
}

impl Target {
    fn of(sink: &dyn Sink) -> Self {
        let name = sink.target();
        let name = name.strip_prefix("topic ").unwrap_or(&name).to_owned();
        let (system, operation) = match sink.name().0 {
            "bigquery" => ("gcp.bigquery", "append"),
            "postgres" => ("postgresql", "COPY"),
            "kafka" => ("kafka", "send"),
            "influxdb" => ("influxdb", "write"),
            other => (other, "append"),
        };
        let attributes = if system == "kafka" {
            vec![
                KeyValue::new("messaging.system", system),
                KeyValue::new("messaging.destination.name", name.clone()),
                KeyValue::new("messaging.operation.name", operation),
                KeyValue::new("messaging.operation.type", operation),
            ]
        } else {
            vec![
                KeyValue::new("db.system.name", system),
                KeyValue::new("db.collection.name", name.clone()),
                KeyValue::new("db.operation.name", operation),
            ]
        };
        Self { name, operation, attributes }
    }
}

impl Traces {
    pub fn new(tracer: Tracer, clock: Clock, topic: &str, group: &str, sink: &dyn Sink) -> Self {
        Self {
            tracer,
            clock,
            topic: topic.to_owned(),
            group: group.to_owned(),
            target: Target::of(sink),
            open: BTreeMap::new(),
        }
    }

    /// A batch goes to its writer. `opened`: when its first record came.
    pub fn sent(&mut self, batch: &Batch, origin: Origin, opened: Instant) {
        let links = origin.links.into_iter().map(Link::with_context).collect();
        let mut attributes = self.kafka("process", "process");
        attributes.push(KeyValue::new("messaging.batch.message_count", count(origin.records)));
        if let [span] = &batch.spans[..] {
            attributes.extend([
                KeyValue::new("messaging.destination.partition.id", span.partition.to_string()),
                KeyValue::new("generic_consumer.offset.first", span.first.0),
                KeyValue::new("generic_consumer.offset.next", span.reached.next.0),
            ]);
        }
        let builder = self
            .tracer
            .span_builder(format!("process {}", self.topic))
            .with_kind(SpanKind::Consumer)
            .with_start_time(self.at(opened))
            .with_attributes(attributes)
            .with_links(links);
        let root = self.tracer.build_with_context(builder, &Context::new());
        if !root.is_recording() {
            return;
        }
        let root = Context::new().with_span(root);
        let mut attributes = self.target.attributes.clone();
        let (rows, batch_size) = (count(batch.rows.len() as u64), "db.operation.batch.size");
        attributes.push(KeyValue::new(batch_size, rows));
        let Target { name, operation, .. } = &self.target;
        let append = self.child(&root, format!("{operation} {name}"), attributes, self.now());
        let next = |span: &crate::sink::Span| (span.partition, span.reached.next);
        let open = Open {
            batch: root,
            append,
            partitions: batch.spans.iter().map(|span| span.partition).collect(),
            uncommitted: batch.spans.iter().map(next).collect(),
            is_settled: false,
            promise: None,
            flush: None,
        };
        self.open.insert(batch.id, open);
    }

    /// The writer tries again what it has of a partition, or of all.
    pub fn retried(&self, partition: Option<Partition>, why: &'static str) {
        let is_of = |open: &&Open| {
            !open.is_settled && partition.is_none_or(|of| open.partitions.contains(&of))
        };
        for open in self.open.values().filter(is_of) {
            let attributes = vec![KeyValue::new("generic_consumer.why", why)];
            open.append.span().add_event_with_timestamp("retry", self.now(), attributes);
        }
    }

    /// A batch's rows are acknowledged, and its dead letters are durable.
    pub fn settled(&mut self, id: BatchId, promise: Option<&Promise>, rows: usize, letters: usize) {
        let now = self.now();
        let Some(open) = self.open.get_mut(&id) else { return };
        open.append.span().end_with_timestamp(now);
        open.is_settled = true;
        open.promise = promise.cloned();
        open.batch.span().set_attributes([
            KeyValue::new("generic_consumer.rows", count(rows as u64)),
            KeyValue::new("generic_consumer.dead_letters", count(letters as u64)),
        ]);
    }

    /// Offsets are committed, which took so long. What the sink has promised is flushed next.
    pub fn committed(&mut self, offsets: &[(Partition, Offset)], took: Duration) {
        let now = self.now();
        let offsets: HashMap<Partition, Offset> = offsets.iter().copied().collect();
        let mut done = Vec::new();
        for (id, open) in self.open.iter_mut().filter(|(_, open)| open.is_settled) {
            if open.uncommitted.is_empty() {
                continue;
            }
            let is_open =
                |of: &(Partition, Offset)| offsets.get(&of.0).is_none_or(|next| *next < of.1);
            open.uncommitted.retain(is_open);
            if open.uncommitted.is_empty() {
                done.push(*id);
            }
        }
        for id in done {
            let Some(mut open) = self.open.remove(&id) else { continue };
            let name = format!("commit {}", self.topic);
            let attributes = self.kafka("commit", "settle");
            let commit = self.child(&open.batch, name, attributes, now - took);
            commit.span().end_with_timestamp(now);
            if open.promise.is_none() {
                open.batch.span().end_with_timestamp(now);
                continue;
            }
            let mut attributes = self.target.attributes.clone();
            attributes.retain(|attribute| attribute.key.as_str() != "db.operation.name");
            attributes.push(KeyValue::new("db.operation.name", "flush"));
            let name = format!("flush {}", self.target.name);
            open.flush = Some(self.child(&open.batch, name, attributes, now));
            self.open.insert(id, open);
        }
    }

    /// What is promised is visible.
    pub fn flushed(&mut self, promise: &Promise) {
        let now = self.now();
        self.open.retain(|_, open| {
            let (Some(flush), Some(of)) = (&open.flush, &open.promise) else { return true };
            if promise.covers(of) {
                flush.span().end_with_timestamp(now);
                open.batch.span().end_with_timestamp(now);
            }
            !promise.covers(of)
        });
    }

    /// The partition is given up: its next owner reads again what is not committed of it, and makes
    /// visible what is.
    pub fn released(&mut self, partition: Partition) {
        self.open.retain(|_, open| {
            if !open.partitions.contains(&partition) {
                return true;
            }
            open.partitions.retain(|of| *of != partition);
            open.uncommitted.retain(|(of, _)| *of != partition);
            let goes_on = !open.uncommitted.is_empty();
            if !goes_on {
                open.give_up(
                    "the partition was given up before the batch was committed and visible",
                );
            }
            goes_on
        });
    }

    fn child(
        &self,
        of: &Context,
        name: String,
        attributes: Vec<KeyValue>,
        start: SystemTime,
    ) -> Context {
        let builder = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_start_time(start)
            .with_attributes(attributes);
        Context::new().with_span(self.tracer.build_with_context(builder, of))
    }

    fn kafka(&self, operation: &'static str, kind: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.destination.name", self.topic.clone()),
            KeyValue::new("messaging.consumer.group.name", self.group.clone()),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", kind),
        ]
    }

    fn now(&self) -> SystemTime {
        let micros = u64::try_from(self.clock.now_micros()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn at(&self, instant: Instant) -> SystemTime {
        let now = self.now();
        now.checked_sub(instant.elapsed()).unwrap_or(now)
    }
}

impl Open {
    fn give_up(&self, why: &'static str) {
        self.batch.span().set_status(Status::error(why));
        self.batch.span().end();
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        for open in self.open.values() {
            open.give_up("the session ended before the batch was committed and visible");
        }
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Position;

    #[test]
    fn a_batch_is_linked_with_each_sampled_trace_once_and_with_32_at_most() {
        let mut origin = Origin::default();
        let mut add = |span: u64, flags: &str| {
            let parent = format!("00-0af7651916cd43dd8448eb211c80319c-{span:016x}-{flags}");
            let headers = vec![("traceparent".to_owned(), Some(parent.into_bytes()))];
            let at = Position::new(0, 0);
            origin.add(&Event { headers: &headers, ..Event::unknown(at) });
            origin.links.len()
        };
        assert_eq!(add(1, "00"), 0, "not sampled");
        assert_eq!((add(2, "01"), add(2, "01")), (1, 1), "once");
        let links = (3..100).fold(0, |_, span| add(span, "01"));
        assert_eq!((links, origin.records), (32, 100));
    }

    #[test]
    fn headers_of_the_first_records_are_looked_at() {
        let mut origin = Origin::default();
        for _ in 0..MOST_EXAMINED {
            origin.add(&Event::unknown(Position::new(0, 0)));
        }
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = vec![("traceparent".to_owned(), Some(parent.as_bytes().to_vec()))];
        origin.add(&Event { headers: &headers, ..Event::unknown(Position::new(0, 0)) });
        assert_eq!((origin.links.len(), origin.records), (0, MOST_EXAMINED + 1));
    }
}
