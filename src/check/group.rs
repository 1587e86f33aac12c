//! Whether a run could go on where the group stands.

use std::collections::BTreeMap;

use serde_json::json;

use super::finding::{Finding, Grade};
use crate::config::StartFrom;
use crate::pipeline::{AtStart, WouldStart, would_start};
use crate::record::Partition;
use crate::source::GroupNow;

const PART: &str = "group";

/// The most partitions that are listed one by one.
const MOST_LISTED: usize = 3;

const MINUTE: i64 = 60_000;

/// What was seen of a group.
#[derive(Debug, Clone)]
pub struct GroupSeen<'a> {
    pub name: &'a str,
    /// Where the offsets are kept: `the group`, `generic_consumer_offsets`.
    pub keeper: &'a str,
    /// `None`: the coordinator did not say.
    pub now: Option<&'a GroupNow>,
    /// About how many rows are in the table already; `None`: nobody says.
    pub rows: Option<u64>,
    pub start: AtStart<'a>,
    /// How long the topic keeps its records, in milliseconds; `None`: for ever, or nobody says.
    pub retention_ms: Option<i64>,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
}

/// Judges where the group stands.
pub fn group(seen: &GroupSeen<'_>) -> Finding {
    let starts = would_start(&seen.start);
    let state = state(seen);
    let mut lag = 0;
    let (mut begins, mut refused) = (0, Vec::new());
    for (partition, start) in &starts {
        let end = seen.start.logs.get(partition).map_or(0, |(_, end)| end.0);
        match start {
            WouldStart::Begins(next) => {
                begins += 1;
                lag += end - next.0;
            }
            WouldStart::GoesOn { next, .. } => lag += end - next.0,
            WouldStart::Refuses { what, hint } => refused.push((what, hint)),
        }
    }
    let members = seen.now.map_or(0, |now| now.members);
    let with_facts = |finding: Finding| {
        let offsets = starts.iter().map(|(partition, start)| of_partition(seen, *partition, start));
        finding
            .fact("group", seen.name)
            .fact("state", seen.now.map(|now| now.state.clone()))
            .fact("members", members)
            .fact("offsets_kept_by", seen.keeper)
            .fact("partitions", offsets.collect::<Vec<_>>())
    };
    if let Some((what, hint)) = refused.first() {
        let more = refused.len().saturating_sub(1);
        let others = refused.iter().skip(1).take(MOST_LISTED).map(|(what, _)| (*what).clone());
        let rest =
            (more > MOST_LISTED).then(|| format!("and {} more partitions", more - MOST_LISTED));
        let finding = Finding::fails(PART, format!("{state}: {what}"), *hint);
        return with_facts(finding.more(others).more(rest));
    }
    if seen.now.and_then(|now| now.rights).is_some_and(|rights| !rights.read) {
        let what = format!("this principal may not READ the group {}", seen.name);
        let hint = format!(
            "grant it READ on the group (kafka-acls --add --operation READ --group {})",
            seen.name
        );
        return with_facts(Finding::fails(PART, what, hint));
    }
    let records = match lag {
        0 => "nothing to read".to_owned(),
        1 => "1 offset to read".to_owned(),
        lag => format!("{lag} offsets to read"),
    };
    let from = match (begins, starts.len()) {
        (0, _) => format!("lag: {records}"),
        (all, count) if all == count => {
            format!("no offsets yet, it begins at the {}: {records}", first(seen))
        }
        (some, _) => format!("{some} partitions without an offset yet; {records}"),
    };
    let is_new = begins == starts.len() && !starts.is_empty();
    let finding = Finding::new(
        PART,
        if is_new { Grade::Note } else { Grade::Ok },
        format!("{state}; {from}"),
    );
    let finding = with_facts(finding.fact("lag", lag));
    // A group without an offset has read nothing that could expire.
    let more = if is_new { lost(seen) } else { expiring(seen, &starts) };
    match more {
        Some((line, hint)) => finding.at_least(Grade::Note).more([line]).hint(hint),
        None => finding,
    }
}

/// Of a group without any offset: whether it may have lost them, because the table has rows.
fn lost(seen: &GroupSeen<'_>) -> Option<(String, String)> {
    let rows = seen.rows.filter(|rows| *rows > 0)?;
    let what = match seen.start.start_from {
        StartFrom::Earliest => "those that are from this topic are written again",
        StartFrom::Latest => "what the topic has got since is left out",
    };
    let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    let line = format!("the table has about {rows} already: {what}");
    let hint = format!(
        "if the group has lost its offsets (Kafka deletes them after seven days without members), \
         set them before a run begins ({}); if the topic was created again, there is nothing to set \
         (docs/drills.md has both)",
        seen.start.setting
    );
    Some((line, hint))
}

fn first(seen: &GroupSeen<'_>) -> &'static str {
    match seen.start.start_from {
        StartFrom::Earliest => "earliest record",
        StartFrom::Latest => "latest record",
    }
}

/// `deliveries, Stable, 3 members`.
fn state(seen: &GroupSeen<'_>) -> String {
    let kept = match seen.keeper {
        "the group" => String::new(),
        keeper => format!(", offsets in {keeper}"),
    };
    let now = match seen.now {
        None => "its state is not known".to_owned(),
        Some(now) => match (now.state.as_str(), now.members) {
            ("Dead", _) => "not there yet".to_owned(),
            (state, 0) => format!("{}, no members", state.to_lowercase()),
            (state, 1) => format!("{}, 1 member", state.to_lowercase()),
            (state, members) => format!("{}, {members} members", state.to_lowercase()),
        },
    };
    format!("{}: {now}{kept}", seen.name)
}

/// The partition whose records expire first before they are read: what is said of it, and what to do.
fn expiring(
    seen: &GroupSeen<'_>,
    starts: &BTreeMap<Partition, WouldStart>,
) -> Option<(String, String)> {
    let retention = seen.retention_ms.filter(|ms| *ms > 0)?;
    let oldest = starts.iter().filter_map(|(partition, start)| {
        let WouldStart::GoesOn { next, last_ms: Some(last_ms) } = start else { return None };
        let (_, end) = seen.start.logs.get(partition)?;
        (next < end).then_some((seen.now_ms - last_ms, *partition))
    });
    let (age, partition) = oldest.max()?;
    // A fifth of the time is left, or less.
    (age >= retention - retention / 5).then(|| {
        let (age, kept) = (in_words(age), in_words(retention));
        let line = format!(
            "partition {partition} was read up to {age} ago, and the topic keeps {kept}: what is \
             not read soon expires"
        );
        let hint = "let an instance catch up, or keep the records longer (retention.ms) until it \
                    has"
        .to_owned();
        (line, hint)
    })
}

fn of_partition(
    seen: &GroupSeen<'_>,
    partition: Partition,
    start: &WouldStart,
) -> serde_json::Value {
    let (begin, end) =
        seen.start.logs.get(&partition).map_or((0, 0), |(begin, end)| (begin.0, end.0));
    let next = match start {
        WouldStart::Begins(next) | WouldStart::GoesOn { next, .. } => Some(next.0),
        WouldStart::Refuses { .. } => None,
    };
    let kept = seen.start.kept.get(&partition).map(|kept| kept.next.0);
    json!({ "partition": partition.0, "begin": begin, "end": end, "kept": kept, "next": next })
}

/// A span of time for people: `3 days`, `5 hours`, `12 minutes`.
pub fn in_words(ms: i64) -> String {
    let (count, unit) = match ms {
        ms if ms >= 48 * 60 * MINUTE => (ms / (24 * 60 * MINUTE), "day"),
        ms if ms >= 120 * MINUTE => (ms / (60 * MINUTE), "hour"),
        ms => ((ms / MINUTE).max(1), "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
