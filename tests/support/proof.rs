//! Compares the events that were sent with the rows and dead letters that arrived.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::bigquery::{At, EmbeddedBigQuery};
use super::domain::TABLE;
use super::events::{Fate, Sent};
use super::until::until_true;

/// How many mistakes of each kind are printed.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

impl Guarantee {
    /// The value in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }
}

/// The counts of the table's rows and dead letters.
#[derive(Debug, Default)]
pub struct Arrived {
    pub visible: usize,
    pub repeated: usize,
    pub invisible: usize,
    pub streams: usize,
    pub letters: usize,
}

/// Waits until every row and every dead letter has arrived, then compares them all.
pub fn prove(
    bigquery: &EmbeddedBigQuery,
    sent: &Sent,
    guarantee: Guarantee,
    patience: Duration,
) -> Arrived {
    wait(bigquery, sent, patience);
    compare(bigquery, sent, guarantee)
}

/// Waits until every event has its visible row or its dead letter; panics with what is missing.
pub fn wait(bigquery: &EmbeddedBigQuery, sent: &Sent, patience: Duration) {
    wait_while(bigquery, sent, patience, || {});
}

/// Like [`wait`]; calls `look` before each check.
pub fn wait_while(
    bigquery: &EmbeddedBigQuery,
    sent: &Sent,
    patience: Duration,
    mut look: impl FnMut(),
) {
    let began = Instant::now();
    let complete = || {
        let rows = bigquery.rows(TABLE);
        let rows: HashMap<At, ()> = rows
            .iter()
            .filter(|row| row.visible)
            .map(|row| ((row.partition, row.offset), ()))
            .collect();
        let letters = bigquery.letters(TABLE);
        sent.iter().all(|(at, fate)| match fate {
            Fate::Row { .. } => rows.contains_key(at),
            Fate::Letter(_) => letters.contains_key(at),
            Fate::Ignored => true,
        })
    };
    // Each check reads the whole table, so there is a pause between two.
    while !complete() {
        look();
        if began.elapsed() > patience {
            compare(bigquery, sent, Guarantee::AtLeastOnce);
            panic!("not everything arrived within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Every row names the row before it in its partition, or a row that BigQuery refused after it was
/// named; the first row of a partition names none.
pub fn check_chain(
    chain: &BTreeMap<At, Option<i64>>,
    letters: &BTreeMap<At, String>,
    mistakes: &mut Mistakes,
) {
    let mut before: Option<At> = None;
    for (at, previous) in chain {
        let (partition, _) = at;
        let expected = before.filter(|(of, _)| of == partition).map(|(_, offset)| offset);
        let refused = |offset: i64| {
            letters.get(&(*partition, offset)).is_some_and(|reason| reason == "row_error")
        };
        let whole = *previous == expected || previous.is_some_and(refused);
        if !whole {
            mistakes.add("chain", format!("{at:?} names {previous:?}, {expected:?} is before it"));
        }
        before = Some(*at);
    }
}

/// Panics with all mistakes: rows that are missing or belong to no sent event, and for
/// exactly-once, that are repeated or out of order within their stream; dead letters other than the
/// bad events'.
pub fn compare(bigquery: &EmbeddedBigQuery, sent: &Sent, guarantee: Guarantee) -> Arrived {
    let mut mistakes = Mistakes::default();
    let mut arrived = Arrived::default();
    let mut seen: HashMap<At, usize> = HashMap::new();
    let mut last: HashMap<String, At> = HashMap::new();
    let mut chain: BTreeMap<At, Option<i64>> = BTreeMap::new();
    for row in bigquery.rows(TABLE) {
        let at = (row.partition, row.offset);
        if !row.visible {
            arrived.invisible += 1;
            continue;
        }
        arrived.visible += 1;
        *seen.entry(at).or_default() += 1;
        if let Some(before) = chain.insert(at, row.previous).filter(|it| *it != row.previous) {
            mistakes.add("two predecessors", format!("{at:?}: {before:?}, {:?}", row.previous));
        }
        match sent.get(&at) {
            Some(Fate::Row { event_id }) if *event_id == row.event_id => {}
            other => mistakes.add("another event's row", format!("{at:?}: {other:?}")),
        }
        // A stream has the rows of one partition only; `rows` returns them in the stream's order.
        if guarantee == Guarantee::ExactlyOnce {
            if let Some(before) = last.get(&row.stream).filter(|before| **before >= at) {
                mistakes.add("out of order", format!("{at:?} after {before:?}"));
            }
            last.insert(row.stream, at);
        }
    }
    arrived.streams = last.len();
    for (at, times) in seen.iter().filter(|(_, times)| **times > 1) {
        arrived.repeated += times - 1;
        if guarantee == Guarantee::ExactlyOnce {
            mistakes.add("repeated", format!("{at:?}, {times} times"));
        }
    }
    let expected: BTreeMap<At, &str> = sent
        .iter()
        .filter_map(|(at, fate)| match fate {
            Fate::Letter(reason) => Some((*at, *reason)),
            Fate::Row { .. } => {
                if !seen.contains_key(at) {
                    mistakes.add("missing", format!("{at:?}"));
                }
                None
            }
            Fate::Ignored => None,
        })
        .collect();
    let letters = bigquery.letters(TABLE);
    check_chain(&chain, &letters, &mut mistakes);
    arrived.letters = letters.len();
    for (at, reason) in &expected {
        if letters.get(at).map(String::as_str) != Some(*reason) {
            let found = letters.get(at);
            mistakes.add("dead letter", format!("{at:?}: {reason} expected, {found:?} found"));
        }
    }
    for (at, reason) in letters.iter().filter(|(at, _)| !expected.contains_key(at)) {
        mistakes.add("dead letter of a good event", format!("{at:?}: {reason}"));
    }
    mistakes.assert_none(&arrived, sent.len());
    arrived
}

/// Waits until a row that was not in the store before is visible. `what` is for the failure
/// message.
pub fn wait_progress(bigquery: &EmbeddedBigQuery, what: &str, patience: Duration) {
    wait_progress_while(bigquery, what, patience, || {});
}

/// Like [`wait_progress`]; calls `look` before each check.
pub fn wait_progress_while(
    bigquery: &EmbeddedBigQuery,
    what: &str,
    patience: Duration,
    mut look: impl FnMut(),
) {
    let (_, known) = bigquery.fresh_rows(TABLE, 0);
    until_true(&format!("new rows {what}"), patience, || {
        look();
        bigquery.fresh_rows(TABLE, known).0 > 0
    });
}

/// What is wrong with what arrived, by kind.
#[derive(Default)]
pub struct Mistakes(BTreeMap<&'static str, Vec<String>>);

impl Mistakes {
    pub fn add(&mut self, kind: &'static str, what: String) {
        self.0.entry(kind).or_default().push(what);
    }

    /// Panics with all mistakes.
    pub fn assert_none(&self, arrived: &impl std::fmt::Debug, sent: usize) {
        let mut text = String::new();
        for (kind, all) in &self.0 {
            let first: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
            text.push_str(&format!("\n{} × {kind}: {}", all.len(), first.join("; ")));
        }
        assert!(text.is_empty(), "{sent} events were sent, {arrived:?} arrived:{text}");
    }
}
