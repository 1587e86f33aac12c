//! Properties of the ledger against a plain model that remembers every offset.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::sink::SinkName;

const P: Partition = Partition(0);

fn promise(series: u8, rows: u64) -> Promise {
    Promise::new(SinkName("test"), Arc::from(format!("s{series}")), rows)
}

fn span(first: i64, next: i64) -> Span {
    Span { partition: P, first: Offset(first), reached: Reached::at(Offset(next)) }
}

#[derive(Debug, Clone)]
enum Step {
    /// Offsets in the batch, and whether it moved to a fresh stream.
    Open {
        offsets: i64,
        fresh: bool,
    },
    /// Settles the nth open batch.
    Settle(prop::sample::Index),
    Commit,
    Flush,
    /// Lost and assigned again at the committed offset.
    Revoke,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5i64, prop::bool::weighted(0.1))
            .prop_map(|(offsets, fresh)| Step::Open { offsets, fresh }),
        4 => any::<prop::sample::Index>().prop_map(Step::Settle),
        3 => Just(Step::Commit),
        3 => Just(Step::Flush),
        1 => Just(Step::Revoke),
    ]
}

/// What the world knows: rows of each stream in order (by offset), how many are visible.
#[derive(Default)]
struct World {
    streams: BTreeMap<u8, (Vec<i64>, u64)>,
    settled: BTreeMap<i64, bool>,
}

impl World {
    fn visible(&self) -> Vec<i64> {
        self.streams.values().flat_map(|(rows, seen)| rows[..*seen as usize].to_vec()).collect()
    }
}

/// What a record is does not depend on who reads it: runs of rows, runs of ignored events.
fn is_row(offset: i64) -> bool {
    offset % 7 < 4
}

fn number(promise: &Promise) -> u8 {
    promise.series()[1..].parse().expect("a test series")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any interleaving of opened, settled, committed, flushed and revoked: the commit point never
    /// passes an unsettled offset, never moves back, promises all rows before it that are not yet
    /// visible, names no series that was retired, and at the end every row below the committed
    /// offset is visible exactly once.
    #[test]
    fn the_commit_point_never_passes_an_unsettled_offset(steps in prop::collection::vec(step(), 1..80)) {
        let mut ledger = Ledger::default();
        let mut world = World::default();
        let (mut stream, mut batch, mut next) = (0u8, 1u64, 0i64);
        let mut pending: Vec<(BatchId, i64, i64, Option<Promise>)> = Vec::new();
        let mut committed = CommitPoint { reached: Reached::at(Offset(0)), promise: None };
        let mut due: Option<Promise> = None;
        let mut retired: Vec<u8> = Vec::new();
        ledger.assign(P, Reached::at(Offset(0)), None);
        ledger.ready(P);
        for step in steps {
            match step {
                Step::Open { offsets, fresh } => {
                    if fresh { stream += 1; }
                    let entry = world.streams.entry(stream).or_default();
                    let before = entry.0.len();
                    entry.0.extend((next..next + offsets).filter(|offset| is_row(*offset)));
                    let total = entry.0.len();
                    let at = (total > before).then(|| promise(stream, total as u64));
                    ledger.open(BatchId(batch), span(next, next + offsets), Instant::now());
                    pending.push((BatchId(batch), next, next + offsets, at));
                    for offset in next..next + offsets { world.settled.insert(offset, false); }
                    batch += 1;
                    next += offsets;
                }
                Step::Settle(index) => if !pending.is_empty() {
                    let (id, first, end, at) = pending.remove(index.index(pending.len()));
                    for offset in first..end { world.settled.insert(offset, true); }
                    ledger.settle(id, P, at);
                },
                Step::Commit => if let Some(point) = ledger.commit_point(P) {
                    prop_assert!(due.is_none(), "a commit while a flush is due");
                    prop_assert!(point.reached.next > committed.reached.next);
                    for offset in committed.reached.next.0..point.reached.next.0 {
                        prop_assert!(world.settled[&offset], "{offset} is not settled");
                    }
                    let seen = world.visible();
                    let promised: Vec<i64> = point.promise.iter().flat_map(|p| {
                        world.streams[&number(p)].0[..p.rows() as usize].to_vec()
                    }).collect();
                    for rows in world.streams.values().map(|(rows, _)| rows) {
                        for offset in rows.iter().filter(|o| **o < point.reached.next.0) {
                            prop_assert!(seen.contains(offset) || promised.contains(offset), "{offset} is lost");
                        }
                    }
                    for offset in &promised {
                        prop_assert!(*offset < point.reached.next.0, "{offset} is promised before its turn");
                    }
                    if let Some(promise) = &point.promise {
                        prop_assert!(!retired.contains(&number(promise)), "{promise:?} is retired");
                    }
                    committed = point.clone();
                    due = ledger.committed(P, point);
                    // A sink keeps the series open that its rows still go to.
                    let closed = ledger.take_retired(P).as_ref().map(number);
                    retired.extend(closed.filter(|series| *series != stream));
                },
                Step::Flush => if let Some(at) = due.take() {
                    let rows = &mut world.streams.get_mut(&number(&at)).expect("stream").1;
                    *rows = (*rows).max(at.rows());
                    ledger.flushed(P, at);
                },
                Step::Revoke => {
                    ledger.release(P);
                    prop_assert!(ledger.commit_point(P).is_none());
                    // The next owner: flush what the metadata names, a new stream, resume.
                    if let Some(at) = &committed.promise {
                        let rows = &mut world.streams.get_mut(&number(at)).expect("stream").1;
                        *rows = (*rows).max(at.rows());
                    }
                    due = None;
                    stream += 1;
                    pending.clear();
                    next = committed.reached.next.0;
                    world.settled.retain(|offset, _| *offset < next);
                    ledger.assign(P, committed.reached, committed.promise.clone());
                    prop_assert!(ledger.commit_point(P).is_none());
                    ledger.ready(P);
                }
            }
            let mut seen = world.visible();
            seen.sort_unstable();
            prop_assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "a row is visible twice");
        }
    }
}

#[test]
fn an_ignored_span_advances_the_head_without_a_promise() {
    let mut ledger = Ledger::default();
    ledger.assign(P, Reached::at(Offset(5)), None);
    ledger.ready(P);
    ledger.open(BatchId(1), span(5, 9), Instant::now());
    assert_eq!(ledger.commit_point(P), None);
    ledger.settle(BatchId(1), P, None);
    assert_eq!(
        ledger.commit_point(P),
        Some(CommitPoint { reached: Reached::at(Offset(9)), promise: None })
    );
}

#[test]
fn nothing_is_committed_before_the_partition_is_ready() {
    let mut ledger = Ledger::default();
    ledger.assign(P, Reached::at(Offset(0)), Some(promise(7, 3)));
    ledger.open(BatchId(1), span(0, 1), Instant::now());
    ledger.settle(BatchId(1), P, Some(promise(8, 1)));
    assert_eq!(ledger.commit_point(P), None);
    ledger.ready(P);
    let point = ledger.commit_point(P).expect("ready");
    ledger.committed(P, point);
    assert_eq!(ledger.take_retired(P), Some(promise(7, 3)));
}

#[test]
fn the_head_stops_where_the_stream_changes_until_the_first_is_visible() {
    let mut ledger = Ledger::default();
    ledger.assign(P, Reached::at(Offset(0)), None);
    ledger.ready(P);
    for (batch, stream) in [(1, 1), (2, 2)] {
        ledger.open(BatchId(batch), span(batch as i64 - 1, batch as i64), Instant::now());
        ledger.settle(BatchId(batch), P, Some(promise(stream, 1)));
    }
    let first = ledger.commit_point(P).expect("first");
    assert_eq!(
        first,
        CommitPoint { reached: Reached::at(Offset(1)), promise: Some(promise(1, 1)) }
    );
    let flush = ledger.committed(P, first).expect("a flush");
    assert_eq!(ledger.commit_point(P), None);
    ledger.flushed(P, flush);
    let second = ledger.commit_point(P).expect("second");
    assert_eq!(
        second,
        CommitPoint { reached: Reached::at(Offset(2)), promise: Some(promise(2, 1)) }
    );
}

#[test]
fn once_all_is_visible_a_clean_commit_drops_the_promise() {
    let mut ledger = Ledger::default();
    ledger.assign(P, Reached::at(Offset(0)), None);
    ledger.ready(P);
    ledger.open(BatchId(1), span(0, 1), Instant::now());
    ledger.settle(BatchId(1), P, Some(promise(1, 1)));
    let point = ledger.commit_point(P).expect("settled");
    let flush = ledger.committed(P, point).expect("a flush");
    assert_eq!(ledger.clean_point(P), None);
    ledger.flushed(P, flush);
    let clean = ledger.clean_point(P).expect("clean");
    assert_eq!(clean, CommitPoint { reached: Reached::at(Offset(1)), promise: None });
    assert_eq!(ledger.committed(P, clean), None);
    assert_eq!(ledger.clean_point(P), None);
    assert!(ledger.is_idle(P));
}

/// The series was finalized, and its acknowledged rows could never be made visible.
#[test]
fn a_series_is_not_retired_while_an_open_batch_may_have_rows_of_it() {
    let mut ledger = Ledger::default();
    ledger.assign(P, Reached::at(Offset(0)), None);
    ledger.ready(P);
    for batch in 1..=4 {
        let next = i64::try_from(batch).expect("small");
        ledger.open(BatchId(batch), span(next - 1, next), Instant::now());
    }
    ledger.settle(BatchId(1), P, Some(promise(1, 1)));
    let point = ledger.commit_point(P).expect("settled");
    let flush = ledger.committed(P, point).expect("a flush");
    ledger.flushed(P, flush);
    // Nothing but ignored records, while the third batch waits for its dead letter.
    ledger.settle(BatchId(2), P, None);
    let point = ledger.commit_point(P).expect("settled");
    assert_eq!(ledger.committed(P, point), None);
    assert_eq!(ledger.take_retired(P), None);
    // The rows after it have moved to a fresh series meanwhile.
    ledger.settle(BatchId(4), P, Some(promise(2, 1)));
    ledger.settle(BatchId(3), P, Some(promise(1, 2)));
    for expected in [promise(1, 2), promise(2, 1)] {
        let point = ledger.commit_point(P).expect("settled");
        assert_eq!(point.promise, Some(expected.clone()));
        ledger.committed(P, point);
        let retired = ledger.take_retired(P);
        assert_eq!(retired, (expected == promise(2, 1)).then(|| promise(1, 2)));
        ledger.flushed(P, expected);
    }
}

/// Seven days of commits, one a second, with another owner each hour: the ledger never holds more than
/// what is open.
#[test]
fn seven_days_of_commits_leave_nothing_behind() {
    const COMMITS_AN_HOUR: u64 = 3_600;
    let began = Instant::now();
    let mut ledger = Ledger::default();
    let (mut batch, mut next, mut most_held) = (1, 0, 0);
    let mut committed = CommitPoint { reached: Reached::at(Offset(0)), promise: None };
    for hour in 0..7 * 24u64 {
        // The next owner, which appends to a stream of its own.
        let series = (hour % 100) as u8;
        ledger.release(P);
        ledger.assign(P, committed.reached, committed.promise.clone());
        ledger.ready(P);
        let mut rows = 0;
        for second in 0..COMMITS_AN_HOUR {
            let now = began + std::time::Duration::from_secs(hour * 3_600 + second);
            // Two batches are settled in the wrong order.
            for _ in 0..2 {
                ledger.open(BatchId(batch), span(next, next + 3), now);
                (batch, next) = (batch + 1, next + 3);
            }
            rows += 4;
            ledger.settle(BatchId(batch - 1), P, Some(promise(series, rows)));
            ledger.settle(BatchId(batch - 2), P, Some(promise(series, rows - 2)));
            most_held = most_held.max(ledger.partitions[&P].open.len());
            let point = ledger.commit_point(P).expect("all is settled");
            committed = point.clone();
            let due = ledger.committed(P, point).expect("rows are promised");
            ledger.flushed(P, due);
            let _ = ledger.take_retired(P);
        }
        assert!(ledger.is_idle(P), "hour {hour}");
    }
    assert_eq!(ledger.finished(P), Some(Offset(next)));
    assert_eq!((ledger.partitions.len(), most_held), (1, 2));
    assert!(ledger.partitions[&P].open.capacity() <= 8);
}
