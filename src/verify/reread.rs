//! What stands at offsets of which the rows do not say whether they should be there: they are read
//! from Kafka again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::chain::Span;
use crate::record::{Event, Offset, Partition, Position, Transcoded};
use crate::row::RowBuffer;
use crate::source::{Part, TopicError, TopicParts};
use crate::transcode::{Ingestion, Plan};

/// The most positions of rows that are kept by name.
pub const MOST_NAMED: usize = 1_000;

/// What stands at the offsets of a span. Each offset is counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fates {
    /// By the contract a row, which the table does not have.
    pub rows: u64,
    /// The first of these.
    pub named: Vec<Position>,
    /// Left out on purpose: by event type, by FILTER, or without a value.
    pub ignored: BTreeMap<String, u64>,
    /// Rejected by the contract, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Of transactions that were aborted.
    pub aborted: u64,
    /// Removed by compaction, or markers of transactions.
    pub no_record: u64,
    /// Outside of the log: retention took them, or there never was anything.
    pub gone: u64,
}

/// A span, and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reread {
    pub partition: Partition,
    pub span: Span,
    pub fates: Fates,
}

/// A topic, read twice: as a consumer reads it, and with the records of aborted transactions.
pub struct Topic<'a> {
    pub committed: &'a TopicParts,
    pub uncommitted: &'a TopicParts,
    /// Where the log of each partition begins, and where it ends.
    pub begins: BTreeMap<Partition, Offset>,
    pub ends: BTreeMap<Partition, Offset>,
}

/// Reads the spans, and puts their records through the plan.
pub fn reread(
    topic: &Topic<'_>,
    spans: &[(Partition, Span)],
    plan: &mut Plan,
    now_micros: i64,
) -> Result<Vec<Reread>, TopicError> {
    let mut all: Vec<Reread> = spans
        .iter()
        .map(|(partition, span)| Reread {
            partition: *partition,
            span: *span,
            fates: Fates::default(),
        })
        .collect();
    let mut parts = Vec::with_capacity(all.len());
    for one in &mut all {
        let edge =
            |of: &BTreeMap<Partition, Offset>| of.get(&one.partition).copied().unwrap_or(Offset(0));
        let (begin, end) = (edge(&topic.begins), edge(&topic.ends));
        // An end that is not in the log would be waited for.
        let (from, to) = (one.span.from.max(begin), one.span.to.next().min(end));
        let read = length(from, to.max(from));
        one.fates.gone = length(one.span.from, one.span.to.next()).saturating_sub(read);
        parts.push(Part { partition: one.partition, from, to });
    }
    let labels = plan.ignored_labels().to_vec();
    let mut seen = vec![0_u64; all.len()];
    let mut rows = RowBuffer::default();
    read(topic.committed, &parts, &mut |index, event| {
        seen[index] += 1;
        let fates = &mut all[index].fates;
        let ingestion = Ingestion { at_micros: now_micros, previous: None };
        match plan.transcode(event, ingestion, &mut rows) {
            Transcoded::Row => {
                rows.pop();
                fates.rows += 1;
                if fates.named.len() < MOST_NAMED {
                    fates.named.push(event.at);
                }
            }
            Transcoded::Ignored(label) => {
                let label = labels.get(label).map_or("", String::as_str);
                *fates.ignored.entry(label.to_owned()).or_default() += 1;
            }
            Transcoded::Rejected(rejection) => {
                *fates.rejected.entry(rejection.reason.code()).or_default() += 1;
            }
        }
    })?;
    let absent: Vec<u64> = parts
        .iter()
        .zip(&seen)
        .map(|(part, seen)| length(part.from, part.to).saturating_sub(*seen))
        .collect();
    if absent.iter().any(|absent| *absent > 0) {
        let incomplete: Vec<Part> = parts
            .iter()
            .zip(&absent)
            .map(|(part, absent)| Part {
                to: if *absent > 0 { part.to } else { part.from },
                ..*part
            })
            .collect();
        let mut written = vec![0_u64; all.len()];
        read(topic.uncommitted, &incomplete, &mut |index, _| written[index] += 1)?;
        for (index, one) in all.iter_mut().enumerate().filter(|(index, _)| absent[*index] > 0) {
            one.fates.aborted = written[index].saturating_sub(seen[index]);
            one.fates.no_record = absent[index].saturating_sub(one.fates.aborted);
        }
    }
    Ok(all)
}

/// Reads parts, and says of each record of which part it is.
fn read(
    topic: &TopicParts,
    parts: &[Part],
    take: &mut dyn FnMut(usize, &Event<'_>),
) -> Result<(), TopicError> {
    let mut sorted: Vec<(usize, Part)> = parts.iter().copied().enumerate().collect();
    sorted.sort_by_key(|(_, part)| (part.partition, part.from, part.to));
    let of = |at: Position| {
        let after = sorted
            .partition_point(|(_, part)| (part.partition, part.from) <= (at.partition, at.offset));
        let candidates = sorted[..after].iter().rev();
        let found = candidates
            .take_while(|(_, part)| part.partition == at.partition)
            .find(|(_, part)| at.offset < part.to);
        found.map(|(index, _)| *index)
    };
    topic.read(
        parts,
        &mut |event| {
            if let Some(index) = of(event.at) {
                take(index, event);
            }
        },
        &mut || ControlFlow::Continue(()),
    )
}

fn length(from: Offset, to: Offset) -> u64 {
    u64::try_from(to.0 - from.0).unwrap_or(0)
}
