//! Instances that end in the middle of work, at every step, and the next one that goes on.

use super::memory_sink::{Faults, NAME};
use super::rig::{ALL, PARTITIONS, Rig, promises, wait_until};
use crate::pipeline::Until;
use crate::sink::Durability;

/// The writer fails after so many appends: nothing is drained, as if the process had died.
#[test]
fn an_instance_that_dies_between_appends_is_taken_over_without_loss() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 150);
        for calls in [1, 7, 20, 40] {
            let faults = Faults { fail_after: Some(calls), ..Faults::seeded(calls as u64, 0.1) };
            let stop = rig.start(durability, Until::CaughtUp, faults).join().expect_err("it stops");
            assert_eq!((stop.what.as_str(), stop.hint.as_str()), ("append to memory", "a hint"));
        }
        rig.catch_up(durability, Faults::none());
        rig.assert_complete(durability, 150, "after four that died");
    }
}

/// The commit has promised rows, and nobody has flushed them.
#[test]
fn an_instance_that_dies_between_commit_and_flush_leaves_a_promise_that_the_next_one_keeps() {
    let rig = Rig::new();
    rig.publish(0, 60);
    let faults = Faults { fail_flushes: true, ..Faults::none() };
    let stop = rig.start(Durability::Promised, Until::CaughtUp, faults).join();
    assert_eq!(stop.expect_err("it stops").what, "flush in memory");
    let promised = rig.committed().iter().filter(|(_, metadata)| promises(metadata)).count();
    assert!(promised > 0, "no commit has a promise");
    assert!(rig.store().visible().is_empty());
    rig.catch_up(Durability::Promised, Faults::seeded(3, 0.1));
    rig.assert_complete(Durability::Promised, 60, "");
    assert!(rig.store().series.values().any(|series| series.retired), "the first is not needed");
}

/// A group that changes to at-least-once: what was promised before has to become visible too.
#[test]
fn a_sink_of_visible_rows_keeps_the_promises_of_an_earlier_instance_first() {
    let rig = Rig::new();
    rig.publish(0, 60);
    let faults = Faults { fail_flushes: true, ..Faults::none() };
    rig.start(Durability::Promised, Until::CaughtUp, faults).join().expect_err("it stops");
    rig.catch_up(Durability::Visible, Faults::none());
    rig.assert_complete(Durability::Visible, 60, "");
    assert!(!rig.committed().iter().any(|(_, metadata)| promises(metadata)));
}

#[test]
fn a_promise_of_another_sink_stops_and_is_kept_as_it_is() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 10);
        let metadata = r#"{"v":1,"stream":"projects/p/streams/s","flush_to":41}"#;
        rig.commit(2, metadata);
        let stop = rig.start(durability, Until::CaughtUp, Faults::none()).join();
        let stop = stop.expect_err("it stops");
        let cause = stop.source.expect("a cause").to_string();
        assert!(cause.contains("bigquery") && cause.contains(NAME.0), "{cause}");
        assert_eq!(rig.committed(), vec![(2, metadata.to_owned()); PARTITIONS as usize]);
        assert!(rig.store().visible().is_empty(), "{durability:?}");
    }
}

#[test]
fn a_shutdown_in_the_middle_of_work_drains() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 2_000);
        // A lost answer repeats rows that are visible at once; nothing else may.
        let share = if durability == Durability::Visible { 0.0 } else { 0.02 };
        let running = rig.start(durability, Until::Stopped, Faults::seeded(1, share));
        wait_until("something is written", || rig.store().calls > 10);
        let (summary, drained) = running.stop();
        assert!(drained && summary.read > 0, "{durability:?}");
        let read: i64 = rig.committed().iter().map(|(offset, _)| offset.max(&0)).sum();
        assert_eq!(read, summary.read as i64, "{durability:?}: all that was read is committed");
        let retired = rig.store().series.values().all(|series| series.retired);
        assert!(retired, "no commit names a series, and no writer will go on with one");
        rig.catch_up(durability, Faults::none());
        let visible = rig.store().visible();
        assert!(visible.windows(2).all(|pair| pair[0] != pair[1]), "{durability:?} repeats");
        rig.assert_complete(durability, 2_000, "");
    }
}
