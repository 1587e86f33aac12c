//! Compares the events that were sent with the rows and dead letters of a sink that keeps each once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::bigquery::At;
use super::domain::TABLE;
use super::events::{Fate, Sent, count};
use super::proof::{Mistakes, check_chain};
use super::until::until_true;

/// A server with the rows and dead letters of the domain.
pub trait Store {
    /// How many rows a table has; 0 if there is none, or while the server is away.
    fn rows_in(&self, table: &str) -> usize;

    /// Panics with everything that differs.
    fn compare(&self, sent: &Sent) -> Arrived;
}

/// Waits until there are as many rows and dead letters as there have to be; calls `look` before each
/// check. Panics with what is missing.
pub fn wait_while(store: &impl Store, sent: &Sent, patience: Duration, mut look: impl FnMut()) {
    let began = Instant::now();
    let rows = count(sent, Fate::is_row);
    let letters = count(sent, |fate| matches!(fate, Fate::Letter(_)));
    let complete = || {
        store.rows_in(TABLE) >= rows && store.rows_in(&format!("{TABLE}_dead_letters")) >= letters
    };
    while !complete() {
        look();
        if began.elapsed() > patience {
            store.compare(sent);
            panic!("not everything arrived within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Waits until there are more rows than now; calls `look` before each check.
pub fn wait_progress(store: &impl Store, what: &str, patience: Duration, mut look: impl FnMut()) {
    let known = store.rows_in(TABLE);
    until_true(&format!("new rows {what}"), patience, || {
        look();
        store.rows_in(TABLE) > known
    });
}

/// A row as the sink stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    pub partition: i32,
    pub offset: i64,
    pub event_id: String,
    /// Offset of the row before it in the partition.
    pub previous: Option<i64>,
}

/// How many rows and dead letters there are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    pub rows: usize,
    pub letters: usize,
}

/// Panics with all mistakes: a row that is missing, stored twice, or of another event; a dead letter
/// that is missing, stored twice, or of a good event; a row that does not name the one before it.
/// `letters` has each reason code with how often it is there.
pub fn compare(
    rows: Vec<StoredRow>,
    letters: BTreeMap<At, (String, usize)>,
    sent: &Sent,
) -> Arrived {
    let mut mistakes = Mistakes::default();
    let mut chain: BTreeMap<At, Option<i64>> = BTreeMap::new();
    for row in rows {
        let at = (row.partition, row.offset);
        if chain.insert(at, row.previous).is_some() {
            mistakes.add("repeated", format!("{at:?}"));
        }
        match sent.get(&at) {
            Some(Fate::Row { event_id }) if *event_id == row.event_id => {}
            other => mistakes.add("another event's row", format!("{at:?}: {other:?}")),
        }
    }
    for (at, fate) in sent {
        match fate {
            Fate::Row { .. } if !chain.contains_key(at) => {
                mistakes.add("missing", format!("{at:?}"));
            }
            Fate::Letter(reason) => match letters.get(at) {
                Some((it, 1)) if it == reason => {}
                other => mistakes.add("dead letter", format!("{at:?}: {reason}, not {other:?}")),
            },
            Fate::Row { .. } | Fate::Ignored => {}
        }
    }
    for (at, letter) in &letters {
        if !matches!(sent.get(at), Some(Fate::Letter(_))) {
            mistakes.add("dead letter of a good event", format!("{at:?}: {letter:?}"));
        }
    }
    let letters: BTreeMap<At, String> =
        letters.into_iter().map(|(at, (reason, _))| (at, reason)).collect();
    check_chain(&chain, &letters, &mut mistakes);
    let arrived = Arrived { rows: chain.len(), letters: letters.len() };
    mistakes.assert_none(&arrived, sent.len());
    arrived
}
