//! Another plan and another sink take over while records flow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::memory_sink::{Faults, MemorySink};
use super::rig::{ALL, Kind, PARTITIONS, Rig, limits, positions, wait_until};
use crate::pipeline::{Successor, Until};
use crate::sink::Durability;

/// Counts those that were taken.
fn successor(rig: &Rig, sink: MemorySink, taken: &Arc<AtomicUsize>) -> Successor {
    let taken = taken.clone();
    Successor {
        plan: rig.plan(),
        sink: Arc::new(sink),
        taken: Box::new(move || {
            taken.fetch_add(1, Ordering::SeqCst);
        }),
    }
}

fn visible_rows(rig: &Rig) -> usize {
    let mut visible = rig.store().visible();
    visible.dedup();
    visible.len()
}

#[test]
fn successors_take_over_while_records_flow_and_nothing_is_lost_or_repeated() {
    for durability in ALL {
        let rig = Rig::new();
        // A lost answer repeats rows that are visible at once; nothing else may.
        let share = if durability == Durability::Visible { 0.0 } else { 0.05 };
        let running = rig.start(durability, Until::Stopped, Faults::seeded(1, share));
        let taken = Arc::default();
        let mut published = 0;
        for turn in 1..=3 {
            let calls = rig.store().calls;
            rig.publish(published, published + 300);
            published += 300;
            wait_until("something is written", || rig.store().calls > calls);
            let sink = MemorySink::new(durability, rig.store.clone(), Faults::seeded(turn, share));
            running.succession.offer(successor(&rig, sink, &taken));
            wait_until("it is taken", || taken.load(Ordering::SeqCst) == turn as usize);
        }
        rig.publish(published, published + 100);
        let all_rows = positions(published + 100, Kind::Row).len();
        wait_until("all rows are visible", || visible_rows(&rig) == all_rows);
        let (summary, drained) = running.stop();
        assert!(drained && summary.rejoins == 0, "{durability:?}: {} rejoins", summary.rejoins);
        let visible = rig.store().visible();
        assert!(visible.windows(2).all(|pair| pair[0] != pair[1]), "{durability:?} repeats");
        rig.assert_complete(durability, published + 100, "three successors");
    }
}

/// What the sink before has not settled within the drain is written by its successor.
#[test]
fn a_sink_that_hangs_keeps_no_successor_waiting_for_ever() {
    for durability in ALL {
        let rig = Rig::new();
        let limits = crate::config::Limits { drain: Duration::from_millis(300), ..limits() };
        let hangs = Faults { hold: true, ..Faults::none() };
        let running = rig.start_with(durability, Until::Stopped, hangs, limits);
        rig.publish(0, 100);
        wait_until("partitions are owned", || {
            running.metrics.assigned_partitions.get() == i64::from(PARTITIONS)
        });
        let taken = Arc::default();
        let sink = MemorySink::new(durability, rig.store.clone(), Faults::none());
        running.succession.offer(successor(&rig, sink, &taken));
        let all_rows = positions(100, Kind::Row).len();
        wait_until("all rows are visible", || visible_rows(&rig) == all_rows);
        assert_eq!(taken.load(Ordering::SeqCst), 1);
        assert!(running.stop().1, "{durability:?}");
        rig.assert_complete(durability, 100, "after a sink that hangs");
    }
}

/// The last one that was offered counts, also where none was taken before.
#[test]
fn a_successor_that_waits_is_replaced_by_the_next_one() {
    let rig = Rig::new();
    rig.publish(0, 30);
    let sink = || MemorySink::new(Durability::Stored, rig.store.clone(), Faults::none());
    let flow = rig.flow(sink(), Until::CaughtUp);
    let (replaced, taken) = (Arc::default(), Arc::default());
    flow.succession.offer(successor(&rig, sink(), &replaced));
    flow.succession.offer(successor(&rig, sink(), &taken));
    let (summary, _) = rig.run(flow).join().expect("no stop");
    assert!(summary.caught_up);
    assert_eq!((replaced.load(Ordering::SeqCst), taken.load(Ordering::SeqCst)), (0, 1));
    rig.assert_complete(Durability::Stored, 30, "");
}
