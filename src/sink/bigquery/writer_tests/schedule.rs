//! Whatever fails and whenever: rows are written once, in order, and none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tonic::Code;

use super::fake::{DEFAULT, in_band, storage};
use super::*;

/// Which rows of a batch are bad.
type Rows = Vec<bool>;

/// Passing failures, and those that end a created stream. ALREADY_EXISTS comes as the fake's own
/// answer to what it has: said of what it lacks it would be believed, for a repeated request.
fn fault(buffered: bool) -> BoxedStrategy<Fault> {
    let brief = Duration::from_millis(20);
    let passing = prop_oneof![
        4 => Just(Fault::Fine),
        2 => Just(Fault::Lost),
        1 => Just(Fault::Slow(brief)),
        1 => Just(Fault::Late(brief)),
        1 => Just(Fault::Late(brief * 5)),
        1 => Just(Fault::ThenClosed),
        2 => proptest::sample::select(vec![
            Fault::Refused(Code::Unavailable),
            Fault::Refused(Code::Aborted),
            in_band(Code::Internal),
            in_band(Code::Cancelled),
        ]),
    ];
    if !buffered {
        return passing.boxed();
    }
    let fresh = proptest::sample::select(vec![
        storage(StorageErrorCode::OffsetOutOfRange),
        storage(StorageErrorCode::StreamFinalized),
    ]);
    prop_oneof![4 => passing, 1 => fresh].boxed()
}

/// Batches and the script. It is short, since each failure costs a pause; rows that are bad fail
/// on their own.
fn schedule(buffered: bool) -> impl Strategy<Value = (Vec<Rows>, Vec<Fault>)> {
    let rows = prop::collection::vec(prop::bool::weighted(0.1), 1..5);
    let batches = prop::collection::vec(rows, 1..12);
    (batches, prop::collection::vec(fault(buffered), 0..10))
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 32, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() }
}

/// What came of a schedule.
struct Outcome {
    /// Rows of the settled places, stream by stream.
    streams: Vec<Vec<i64>>,
    /// Offsets of the dead letters, each once.
    letters: BTreeSet<i64>,
    good: Vec<i64>,
    bad: BTreeSet<i64>,
}

/// Appends all batches and waits until each has settled. Rows are named by their offset.
async fn play(mode: Mode, batches: &[Rows], faults: Vec<Fault>) -> Outcome {
    let buffered = mode != Mode::Default;
    let mut rig = Rig::new(mode).await;
    rig.fake.script("AppendRows", faults);
    let (mut good, mut bad, mut next) = (Vec::new(), BTreeSet::new(), 0);
    for (id, batch) in (0..).zip(batches) {
        let first = next;
        let mut rows = Vec::new();
        for is_bad in batch {
            rows.push(if *is_bad { format!("bad {next}") } else { next.to_string() });
            if *is_bad {
                bad.insert(next);
            } else {
                good.push(next);
            }
            next += 1;
        }
        rig.append_bytes(id, first, rows.iter().map(String::as_bytes));
    }
    let mut places = BTreeMap::from([(DEFAULT.to_owned(), usize::MAX)]);
    let mut settled = BTreeSet::new();
    for _ in batches {
        let done = rig.settled().await;
        let refused = batches[done.batch.0 as usize].iter().filter(|is_bad| **is_bad).count();
        assert_eq!(
            (done.rows + refused, done.letters.len()),
            (batches[done.batch.0 as usize].len(), refused)
        );
        assert_eq!(done.place.is_some(), buffered && done.rows > 0);
        assert!(settled.insert(done.batch), "settled twice");
        if let Some(place) = done.place {
            let most = places.entry(place.stream.0.to_string()).or_default();
            *most = (*most).max(place.rows as usize);
        }
    }
    let rows = |(stream, most): (&String, &usize)| {
        let rows = rig.fake.rows(stream).into_iter().take(*most);
        rows.map(|row| row.parse().expect("an offset")).collect()
    };
    let streams = places.iter().map(rows).collect();
    let letters = rig.letters().into_iter().map(|letter| letter.offset).collect();
    Outcome { streams, letters, good, bad }
}

fn played(mode: Mode, batches: &[Rows], faults: Vec<Fault>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(play(mode, batches, faults))
}

proptest! {
    #![proptest_config(config())]

    /// What the settled places cover is each good row once, in order; the rest are dead letters.
    #[test]
    fn exactly_once((batches, faults) in schedule(true)) {
        let outcome = played(Mode::Buffered, &batches, faults);
        prop_assert_eq!(outcome.streams.concat(), outcome.good);
        prop_assert_eq!(outcome.letters, outcome.bad);
    }

    /// Each good row is there, perhaps repeatedly; the rest are dead letters.
    #[test]
    fn at_least_once((batches, faults) in schedule(false)) {
        let outcome = played(Mode::Default, &batches, faults);
        let written: BTreeSet<i64> = outcome.streams.concat().into_iter().collect();
        prop_assert_eq!(written, outcome.good.into_iter().collect());
        prop_assert_eq!(outcome.letters, outcome.bad);
    }
}
