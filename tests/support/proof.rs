//! What was sent held against what arrived.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::bigquery::{At, EmbeddedBigQuery};
use super::domain::TABLE;
use super::events::{Fate, Sent};
use super::until::until_true;

/// Mistakes of one kind that are listed.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

impl Guarantee {
    /// As the configuration spells it.
    pub fn key(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }
}

/// What the table came to.
#[derive(Debug, Default)]
pub struct Arrived {
    pub visible: usize,
    pub repeated: usize,
    pub invisible: usize,
    pub streams: usize,
    pub letters: usize,
}

/// Waits until every row and every dead letter is there, then compares in earnest.
pub fn prove(
    bigquery: &EmbeddedBigQuery,
    sent: &Sent,
    guarantee: Guarantee,
    patience: Duration,
) -> Arrived {
    wait(bigquery, sent, patience);
    compare(bigquery, sent, guarantee)
}

/// Waits until as many rows and letters are there as should be; says what is missing if not.
pub fn wait(bigquery: &EmbeddedBigQuery, sent: &Sent, patience: Duration) {
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
    // Asking reads the whole table, so not too often.
    while !complete() {
        if began.elapsed() > patience {
            compare(bigquery, sent, Guarantee::AtLeastOnce);
            panic!("not everything arrived within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Panics with every mistake: a row missing, repeated (exactly-once), invented, of another event,
/// out of order within its stream; dead letters other than the bad events.
pub fn compare(bigquery: &EmbeddedBigQuery, sent: &Sent, guarantee: Guarantee) -> Arrived {
    let mut mistakes = Mistakes::default();
    let mut arrived = Arrived::default();
    let mut seen: HashMap<At, usize> = HashMap::new();
    let mut last: HashMap<String, At> = HashMap::new();
    for row in bigquery.rows(TABLE) {
        let at = (row.partition, row.offset);
        if !row.visible {
            arrived.invisible += 1;
            continue;
        }
        arrived.visible += 1;
        *seen.entry(at).or_default() += 1;
        match sent.get(&at) {
            Some(Fate::Row { event_id }) if *event_id == row.event_id => {}
            other => mistakes.add("another event's row", format!("{at:?}: {other:?}")),
        }
        // Streams are one partition's each; rows come in the stream's order.
        if guarantee == Guarantee::ExactlyOnce {
            if let Some(before) = last.get(&row.stream).filter(|before| **before >= at) {
                mistakes.add("out of order", format!("{at:?} behind {before:?}"));
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

/// Waits until `fresh` more rows are visible than the store's first `known`; answers with how many
/// the store has.
pub fn wait_progress(bigquery: &EmbeddedBigQuery, what: &str, patience: Duration) {
    let (_, known) = bigquery.fresh_rows(TABLE, 0);
    until_true(&format!("new rows {what}"), patience, || bigquery.fresh_rows(TABLE, known).0 > 0);
}

#[derive(Default)]
struct Mistakes(BTreeMap<&'static str, Vec<String>>);

impl Mistakes {
    fn add(&mut self, kind: &'static str, what: String) {
        self.0.entry(kind).or_default().push(what);
    }

    fn assert_none(&self, arrived: &Arrived, sent: usize) {
        let mut text = String::new();
        for (kind, all) in &self.0 {
            let first: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
            text.push_str(&format!("\n{} × {kind}: {}", all.len(), first.join("; ")));
        }
        assert!(text.is_empty(), "{sent} events were sent, {arrived:?} arrived:{text}");
    }
}
