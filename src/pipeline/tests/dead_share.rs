//! A run of which too many records would be dead letters, and the corrected one after it.

use super::memory_sink::Faults;
use super::rig::{ALL, PARTITIONS, Rig, WITHIN, limits};
use crate::config::Limits;
use crate::pipeline::Until;
use crate::pipeline::dead_share::FEWEST;

/// One record of eight that are no ignored ones is a dead letter.
fn most_dead(share: &str) -> Limits {
    Limits { most_dead: Some(share.parse().expect("a share")), ..limits() }
}

/// Batches that only end by their number of records.
fn large(share: &str) -> Limits {
    Limits { batch_rows: 400, batch_age: WITHIN * 10, ..most_dead(share) }
}

#[test]
fn a_batch_of_too_many_dead_letters_leaves_no_trace_and_a_later_run_goes_on() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 600);
        let run = rig.start_with(durability, Until::CaughtUp, Faults::none(), large("12%"));
        let stop = run.join().expect_err("it stops");
        assert!(stop.what.contains("more than MAX_DEAD_SHARE=12%"), "{}", stop.what);
        let why = stop.source.expect("reasons").to_string();
        assert!(why.contains("wrong_type; the first is"), "{why}");
        assert!(rig.store().letters.is_empty(), "{durability:?}");
        assert!(rig.store().visible().is_empty() && rig.store().series.is_empty());
        assert!(rig.committed().iter().all(|(offset, _)| *offset == 0), "{durability:?}");
        let run = rig.start_with(durability, Until::CaughtUp, Faults::none(), most_dead("50%"));
        run.join().expect("it goes on");
        rig.assert_complete(durability, 600, "after the stop");
    }
}

#[test]
fn small_batches_are_judged_together() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 600);
        let run = rig.start_with(durability, Until::CaughtUp, Faults::none(), most_dead("5%"));
        let stop = run.join().expect_err("it stops");
        assert!(stop.what.contains("MAX_DEAD_SHARE=5%"), "{}", stop.what);
        let letters = rig.store().letters.len();
        assert!(letters < FEWEST, "{durability:?}: {letters} before enough were read");
        rig.catch_up(durability, Faults::none());
        rig.assert_complete(durability, 600, "after the stop");
    }
}

#[test]
fn a_few_bad_records_are_dead_letters_whatever_their_share() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(7, 8);
        let run = rig.start_with(durability, Until::CaughtUp, Faults::none(), most_dead("0%"));
        run.join().expect("no stop");
        assert_eq!(rig.store().letters.len(), PARTITIONS as usize, "{durability:?}");
    }
}

#[test]
fn rows_that_the_sink_refuses_count_too() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 600);
        let faults = Faults { refuse_all: true, ..Faults::none() };
        let stop = rig.start_with(durability, Until::CaughtUp, faults, large("50%")).join();
        let stop = stop.expect_err("it stops");
        assert!(stop.what.starts_with("400 of 400 records"), "{}", stop.what);
        assert!(rig.store().letters.is_empty() && rig.store().visible().is_empty());
        assert!(rig.committed().iter().all(|(offset, _)| *offset == 0), "{durability:?}");
        rig.catch_up(durability, Faults::none());
        rig.assert_complete(durability, 600, "after the stop");
    }
}
