//! Which records are looked at, and what becomes of them.

use std::collections::BTreeMap;

use serde_json::json;

use super::finding::{Finding, Grade};
use crate::record::{Offset, OwnedEvent, Partition, Position, Reason, Transcoded};
use crate::row::RowBuffer;
use crate::source::{Part, Tail};
use crate::transcode::{Ingestion, Plan};

const PART: &str = "samples";

/// Offsets that are read before those that are wanted, for each of them and in addition: transactions
/// and compaction leave offsets without a record.
const FOR_EACH: i64 = 2;
const IN_ADDITION: i64 = 16;

/// The most undeclared fields that are shown.
const MOST_FIELDS: usize = 10;

/// What becomes of records. Each is counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: usize,
    /// By event type, `tombstone` or `filter`.
    pub ignored: BTreeMap<String, usize>,
    pub rejected: BTreeMap<Reason, Rejected>,
    /// About how many had a field that the contract does not declare, by event type and path.
    pub undeclared: BTreeMap<(String, String), u64>,
}

/// Records with the same reason, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub count: usize,
    pub at: Position,
    /// Never a value of the payload.
    pub detail: String,
    pub event_type: Option<String>,
}

/// The last records of each partition, at most `most` together and as many of each partition as of the
/// others, as far as it has as many.
pub fn spread(logs: &BTreeMap<Partition, (Offset, Offset)>, most: usize) -> Vec<Tail> {
    let mut lengths: Vec<(usize, Partition)> = logs
        .iter()
        .map(|(partition, (begin, end))| {
            (usize::try_from(end.0 - begin.0).unwrap_or(0), *partition)
        })
        .filter(|(length, _)| *length > 0)
        .collect();
    // The short ones first: what they lack is shared out among the others.
    lengths.sort_unstable();
    let (mut left, mut partitions) = (most, lengths.len());
    let mut tails = Vec::with_capacity(lengths.len());
    for (length, partition) in lengths {
        let keep = length.min(left / partitions);
        left -= keep;
        partitions -= 1;
        let (begin, end) = logs[&partition];
        let back = i64::try_from(keep).unwrap_or(i64::MAX).saturating_mul(FOR_EACH);
        let from = Offset((end.0.saturating_sub(back) - IN_ADDITION).max(begin.0));
        if keep > 0 {
            tails.push(Tail { part: Part { partition, from, to: end }, keep });
        }
    }
    tails
}

/// Puts records through filter and transcoder. `now_micros` since the epoch.
pub fn tally(plan: &mut Plan, events: &[OwnedEvent], now_micros: i64) -> Tally {
    let labels = plan.ignored_labels().to_vec();
    let mut rows = RowBuffer::default();
    let mut tally = Tally::default();
    for event in events {
        let ingestion = Ingestion { at_micros: now_micros, previous: None };
        match plan.transcode(&event.event(), ingestion, &mut rows) {
            Transcoded::Row => {
                rows.pop();
                tally.rows += 1;
            }
            Transcoded::Ignored(label) => {
                let label = labels.get(label).map_or("", String::as_str);
                *tally.ignored.entry(label.to_owned()).or_default() += 1;
            }
            Transcoded::Rejected(rejection) => {
                let first = || Rejected {
                    count: 0,
                    at: event.at,
                    detail: rejection.detail.clone(),
                    event_type: rejection.event_type.clone(),
                };
                tally.rejected.entry(rejection.reason).or_insert_with(first).count += 1;
            }
        }
    }
    let undeclared = plan.take_undeclared().into_iter();
    tally.undeclared = undeclared.map(|one| ((one.event_type, one.path), one.events)).collect();
    tally
}

impl Tally {
    pub fn records(&self) -> usize {
        let rejected: usize = self.rejected.values().map(|one| one.count).sum();
        self.rows + self.ignored.values().sum::<usize>() + rejected
    }

    /// `what` names the records: `last records`. `rows` is what becomes of those that are taken: `rows`.
    pub fn finding(&self, what: &str, rows: &str) -> Finding {
        let rejected: usize = self.rejected.values().map(|one| one.count).sum();
        let mut parts = vec![format!("{} {rows}", self.rows)];
        if !self.ignored.is_empty() {
            let by = self.ignored.iter().map(|(label, count)| format!("{label} {count}"));
            let by = by.collect::<Vec<_>>().join(", ");
            parts.push(format!("{} ignored ({by})", self.ignored.values().sum::<usize>()));
        }
        if rejected > 0 {
            let noun = if rejected == 1 { "dead letter" } else { "dead letters" };
            parts.push(format!("{rejected} {noun}"));
        }
        let grade = if rejected > 0 { Grade::DeadLetters } else { Grade::Ok };
        let what = format!("{} {what}: {}", self.records(), parts.join(", "));
        let lines = self.rejected.iter().map(|(reason, one)| {
            let event_type = one.event_type.as_ref().map_or(String::new(), |it| format!(" {it}"));
            format!(
                "{} {}, such as {}{event_type}: {}",
                one.count,
                reason.code(),
                one.at,
                one.detail
            )
        });
        let fields = self.undeclared.iter();
        let undeclared = fields.clone().take(MOST_FIELDS).map(|((event_type, path), events)| {
            format!("{event_type} {path}: not in the contract, in {events}")
        });
        let more = self.undeclared.len().checked_sub(MOST_FIELDS + 1);
        let more = more.map(|more| format!("and {} more fields not in the contract", more + 1));
        let lines = lines.chain(undeclared).chain(more);
        let fields = fields.map(|((event_type, path), events)| {
            json!({ "event_type": event_type, "path": path, "records": events })
        });
        let letters = self.rejected.iter().map(|(reason, one)| {
            json!({
                "reason": reason.code(),
                "records": one.count,
                "example": {
                    "partition": one.at.partition.0,
                    "offset": one.at.offset.0,
                    "event_type": one.event_type,
                    "detail": one.detail,
                },
            })
        });
        let finding = Finding::new(PART, grade, what)
            .more(lines)
            .fact("records", self.records())
            .fact("rows", self.rows)
            .fact("ignored", json!(self.ignored))
            .fact("dead_letters", letters.collect::<Vec<_>>())
            .fact("undeclared", fields.collect::<Vec<_>>());
        match rejected {
            0 => finding,
            _ => finding.hint(
                "docs/reference/outcomes.md says what each reason means; partition@offset is the \
                 record's place",
            ),
        }
    }
}
