//! Whenever the process dies, and whatever the brokers forget, each letter becomes one row, or there is still a
//! letter of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::handover::{Handover, Out, Records, Stored};
use super::message;
use super::round::{Copies, Round, Survey};
use super::screening::Screening;
use super::selection::Selection;
use crate::app::{Domain, RowOptions};
use crate::contract;
use crate::record::{
    DeadLetter, Event, Offset, OwnedEvent, Partition, Position, Reason, Rejected, Rejection,
    UnsentRecord,
};
use crate::sink::Reread;
use crate::sink::dead_letter::About;
use crate::sink::dead_letter::letter_message::Parts;

const PARTITIONS: usize = 2;

const OURS: &str = "group";

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    /// The contract takes it, and the sink does not.
    Refused,
    Bad,
    Ignored,
    /// Its letter has not the whole value.
    Cut,
    /// An instance may read it again.
    Unsettled,
}

use Kind::{Bad, Cut, Good, Ignored, Refused, Unsettled};

/// Whether letters of it have the one reason or the other.
fn reason(record: usize) -> Reason {
    if record.is_multiple_of(2) { Reason::WrongType } else { Reason::UnknownEventType }
}

fn about(group: &str) -> About {
    let [topic, group, contract] = ["topic", group, "a contract"].map(str::to_owned);
    About { topic, group, contract }
}

/// The message of a letter that this group has written, or of a mark.
fn message(letter: &DeadLetter, group: &str) -> UnsentRecord {
    let headers = about(group).letter_headers(letter, Parts::whole(letter));
    UnsentRecord { key: letter.key.clone(), headers, value: letter.value.clone() }
}

fn letter(record: usize, kind: Kind) -> DeadLetter {
    let offset = if kind == Unsettled { 1_000 + record as i64 } else { record as i64 };
    let value = match kind {
        Good | Cut | Unsettled | Refused => r#"{"event_type":"A","n":1}"#,
        Bad => r#"{"event_type":"A","n":"one"}"#,
        Ignored => r#"{"event_type":"Ignored"}"#,
    };
    let headers = vec![("own".to_owned(), Some(vec![1]))];
    let event = Event {
        at: Position::new(0, offset),
        timestamp_ms: Some(1_795_255_200_000),
        key: Some(b"key"),
        value: Some(value.as_bytes()),
        headers: &headers,
    };
    let rejection = Rejection::new(reason(record), "detail".to_owned(), None);
    let letter = DeadLetter::of(&event, rejection);
    match kind {
        Cut => DeadLetter { value: letter.value.map(|value| value[..3].to_vec()), ..letter },
        _ => letter,
    }
}

fn round(selection: Selection) -> Round {
    let payload = json!({"type": "object", "required": ["n"], "properties": {
        "event_type": {"type": "string"},
        "n": {"type": "integer"},
    }});
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {"title": "test", "version": "1"},
        "channels": {"Topic": {"address": "topic", "messages": {"A": {"payload": payload}}}},
    });
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("test.json"), document.to_string()).expect("written");
    let contract = contract::load(folder.path(), "test", "Topic", &[]).expect("a contract");
    let options = RowOptions { ignore: vec!["Ignored".to_owned()], ..RowOptions::default() };
    let domain = Domain::new(contract, options).expect("columns");
    Round {
        plan: domain.plan(&domain.columns).expect("a plan"),
        screening: Screening {
            topic: "topic".to_owned(),
            group: Some(OURS.to_owned()),
            settled: Some(BTreeMap::from([(Partition(0), Offset(1_000))])),
            most_tries: Some(3),
            ..Screening::default()
        },
        selection,
        contract: domain.contract.id.clone(),
        now_micros: 1_795_255_200_000_000,
    }
}

/// A topic of letters, the topic of rows, and what the group has committed.
#[derive(Debug, Default)]
struct World {
    letters: [Vec<UnsentRecord>; PARTITIONS],
    committed: [usize; PARTITIONS],
    rows: Vec<Position>,
    refused: BTreeSet<Position>,
}

/// The moment of a batch at which the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    Before,
    /// Rows and letters are there, and the offset is not. Where they are one step this is `Before`.
    Between,
    /// Nobody hears that it was stored.
    After,
}

struct Store<'a> {
    world: &'a mut World,
    /// Rows, letters and offset are one step.
    is_one_step: bool,
    records: &'a Records,
    /// In which batch.
    dies: Option<(usize, Dies)>,
    batch: usize,
    turn: usize,
}

impl Out for Store<'_> {
    type Error = ();

    fn store(&mut self, partition: Partition, batch: Stored) -> Result<Vec<Rejected>, ()> {
        let dies = self.dies.filter(|(at, _)| *at == self.batch).map(|(_, dies)| dies);
        self.batch += 1;
        if dies == Some(Dies::Before) || (self.is_one_step && dies == Some(Dies::Between)) {
            return Err(());
        }
        let (world, mut again) = (&mut *self.world, batch.again);
        let mut refused = Vec::new();
        for at in batch.rows.positions() {
            if world.refused.contains(at) {
                let rejection = Rejection::new(Reason::RowError, "no".to_owned(), None);
                let reread = self.records.reread(*at, rejection.clone());
                again.extend(futures_util::FutureExt::now_or_never(reread).flatten());
                refused.push(Rejected { at: *at, rejection });
            }
        }
        let taken = batch.rows.positions().iter().filter(|at| !world.refused.contains(at));
        world.rows.extend(taken);
        for letter in &again {
            // Without a key in common letters go to any partition.
            self.turn += 1;
            let partition = letter.partition().map_or(self.turn % PARTITIONS, |one| one as usize);
            world.letters[partition].push(message(letter, OURS));
        }
        if dies == Some(Dies::Between) {
            return Err(());
        }
        let committed = &mut world.committed[partition.0 as usize];
        assert_eq!(batch.first.0 as usize, *committed, "no letter is passed over");
        *committed = batch.next.0 as usize;
        if dies == Some(Dies::After) { Err(()) } else { Ok(refused) }
    }
}

impl World {
    /// A redrive. False where it died.
    fn redrive(&mut self, run: &Run, round: &mut Round, turn: usize) -> bool {
        if run.has_forgotten {
            self.committed = [0; PARTITIONS];
        }
        let all = self.letters.clone();
        let event = |partition: usize, offset: usize| {
            let record = all[partition][offset].clone();
            let at = Position::new(partition as i32, offset as i64);
            OwnedEvent { at, timestamp_ms: Some(7), record }
        };
        for (partition, letters) in all.iter().enumerate() {
            let events = (0..letters.len()).map(|offset| event(partition, offset));
            let marked = events.filter_map(|event| message::passed(&event.event())).max();
            if let Some(marked) = marked.filter(|_| self.committed[partition] == 0) {
                self.committed[partition] = marked.0 as usize;
            }
        }
        let from = self.committed;
        let open = || {
            let offsets = |partition: usize| from[partition]..all[partition].len();
            (0..PARTITIONS)
                .flat_map(move |partition| offsets(partition).map(move |at| (partition, at)))
        };
        let (mut survey, mut copies) = (Survey::default(), Copies::default());
        open().for_each(|(at, offset)| copies.add(&event(at, offset).event(), &round.screening));
        open().for_each(|(at, offset)| survey.add(&event(at, offset).event(), &copies, round));
        if !survey.is_new {
            return true;
        }
        let records = Records::default();
        let (is_one_step, dies) = (run.is_one_step, run.dies);
        let store = Store { world: self, is_one_step, records: &records, dies, batch: 0, turn };
        let mut handover = Handover::new(round, &copies, &records, store);
        (handover.limit, handover.leaves_marks) = (run.limit, run.is_one_step);
        for partition in 0..PARTITIONS {
            handover.begin(Partition(partition as i32), Offset(from[partition] as i64));
            for offset in from[partition]..all[partition].len() {
                if handover.is_done() {
                    return handover.store().is_ok();
                }
                let taken = handover.take(&event(partition, offset).event());
                // Batches of any size.
                let stored =
                    if (offset + turn).is_multiple_of(3) { handover.store() } else { Ok(()) };
                if taken.is_err() || stored.is_err() {
                    return false;
                }
            }
            if handover.end(Offset(all[partition].len() as i64)).is_err() {
                return false;
            }
        }
        true
    }

    /// The records that still have letters.
    fn left(&self) -> BTreeSet<Position> {
        let open = self.letters.iter().zip(self.committed);
        let messages = open.flat_map(|(letters, committed)| &letters[committed..]);
        let read = messages.filter_map(|record| {
            let event =
                OwnedEvent { at: Position::new(0, 0), timestamp_ms: None, record: record.clone() };
            let letter = message::read(&event.event())?;
            assert_eq!(letter.record().key.as_deref(), Some(&b"key"[..]), "whole");
            assert_eq!(letter.record().headers.len(), 1, "its own header");
            assert_eq!(letter.topic, "topic");
            (letter.group.as_deref() == Some(OURS)).then(|| letter.at())
        });
        read.collect()
    }
}

#[derive(Debug, Clone)]
struct Run {
    is_one_step: bool,
    /// Only letters of one reason.
    is_selected: bool,
    limit: Option<u64>,
    dies: Option<(usize, Dies)>,
    /// The brokers have forgotten the group's offsets.
    has_forgotten: bool,
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = prop_oneof![
        5 => Just(Good), 1 => Just(Refused), 2 => Just(Bad), 1 => Just(Ignored),
        1 => Just(Cut), 1 => Just(Unsettled),
    ];
    proptest::collection::vec(kind, 1..8)
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let dies = prop_oneof![Just(Dies::Before), Just(Dies::Between), Just(Dies::After)];
    let run = (
        any::<bool>(),
        proptest::option::of(1..4_u64),
        proptest::option::of((0..5_usize, dies)),
        proptest::bool::weighted(0.3),
    );
    let runs = proptest::collection::vec(run, 0..6);
    (any::<bool>(), runs).prop_map(|(is_one_step, runs)| {
        let run = |(is_selected, limit, dies, has_forgotten)| Run {
            is_one_step,
            is_selected,
            limit,
            dies,
            has_forgotten,
        };
        let last = run((false, None, None, false));
        runs.into_iter().map(run).chain([last]).collect()
    })
}

proptest! {
    #[test]
    fn each_letter_becomes_one_row_or_stays(
        kinds in kinds(),
        // Letters of these records, some of them twice, and some by another group.
        order in proptest::collection::vec(
            (0..8_usize, 0..PARTITIONS, proptest::bool::weighted(0.2)), 0..16,
        ),
        runs in runs(),
    ) {
        let mut world = World::default();
        let mut records = BTreeMap::new();
        for (record, partition, is_anothers) in order {
            let record = record % kinds.len();
            let letter = letter(record, kinds[record]);
            if !is_anothers {
                records.insert(letter.at, (record, kinds[record]));
            }
            let group = if is_anothers { "another" } else { OURS };
            world.letters[partition].push(message(&letter, group));
        }
        let of = |wanted: Kind| {
            let of_kind = records.iter().filter(move |(_, (_, kind))| *kind == wanted);
            of_kind.map(|(at, _)| *at).collect::<Vec<_>>()
        };
        world.refused = of(Refused).into_iter().collect();
        for (turn, run) in runs.iter().enumerate() {
            let wanted = run.is_selected.then(|| Reason::WrongType.code().to_owned());
            let mut round = round(Selection { reason: wanted, ..Selection::default() });
            let before: BTreeSet<Position> = world.rows.iter().copied().collect();
            world.redrive(run, &mut round, turn);
            let new = world.rows.iter().filter(|at| !before.contains(at));
            let new: Vec<Position> = new.copied().collect();
            if let Some(limit) = run.limit {
                prop_assert!(new.len() as u64 <= limit, "{} rows", new.len());
            }
            for at in new.iter().filter(|_| run.is_selected) {
                prop_assert_eq!(reason(records[at].0), Reason::WrongType);
            }
            let left = world.left();
            for (at, (_, kind)) in &records {
                let is_there = match kind {
                    Good => world.rows.contains(at) || left.contains(at),
                    Refused | Bad | Cut | Unsettled => left.contains(at),
                    Ignored => true,
                };
                prop_assert!(is_there, "{at:?} {kind:?} is lost");
            }
        }
        let mut rows = world.rows.clone();
        rows.sort_unstable();
        if !runs[0].is_one_step {
            // They overwrite themselves.
            rows.dedup();
        }
        prop_assert_eq!(rows, of(Good), "each once, and no other");
        prop_assert!(!world.left().iter().any(|at| of(Good).contains(at)));
    }
}
