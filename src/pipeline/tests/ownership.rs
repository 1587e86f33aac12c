//! Several instances of one group, and sinks that keep the progress themselves.

use super::memory_sink::{Faults, Stored};
use super::rig::{ALL, Kind, PARTITIONS, Rig, all, positions, wait_until};
use crate::pipeline::Until;
use crate::record::{Offset, Position};
use crate::sink::Durability;

#[test]
fn partitions_move_to_an_instance_that_joins_and_back_from_one_that_leaves() {
    for durability in ALL {
        let rig = Rig::new();
        let faults = |seed| Faults::seeded(seed, 0.05);
        let first = rig.start(durability, Until::Stopped, faults(1));
        rig.publish(0, 300);
        wait_until("the first one writes", || rig.store().calls > 3);
        let second = rig.start(durability, Until::Stopped, faults(2));
        wait_until("the second one owns something", || {
            second.metrics.assigned_partitions.get() > 0
        });
        rig.publish(300, 600);
        assert!(first.stop().1, "{durability:?}: the first one drains");
        wait_until("the second one owns everything", || {
            second.metrics.assigned_partitions.get() == i64::from(PARTITIONS)
        });
        rig.publish(600, 700);
        let all_rows = positions(700, Kind::Row).len();
        wait_until("all rows are visible", || {
            let mut visible = rig.store().visible();
            visible.dedup();
            visible.len() == all_rows
        });
        assert!(second.stop().1, "{durability:?}: the second one drains");
        rig.assert_complete(durability, 700, "two instances");
    }
}

/// The group's offset may be behind (it is committed later) or ahead (a database that was restored).
#[test]
fn the_offset_that_the_sink_keeps_wins_over_the_groups() {
    for (groups, sinks) in [(10, 30), (30, 10), (0, 40)] {
        let rig = Rig::new();
        rig.publish(0, 40);
        rig.commit(groups, "");
        for partition in all() {
            let note = String::new();
            let stored = Stored { next: Some(Offset(sinks)), note, owner: 7 };
            rig.store().offsets.insert(partition, stored);
        }
        rig.catch_up(Durability::Stored, Faults::none());
        let expected: Vec<Position> =
            positions(40, Kind::Row).into_iter().filter(|at| at.offset.0 >= sinks).collect();
        assert_eq!(rig.store().visible(), expected, "group {groups}, sink {sinks}");
        let offsets: Vec<i64> = rig.committed().into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(offsets, [40; PARTITIONS as usize], "group {groups}, sink {sinks}");
    }
}

/// Without an offset in the sink (a new table) the group's counts.
#[test]
fn a_sink_that_has_no_offset_yet_resumes_where_the_group_stands() {
    let rig = Rig::new();
    rig.publish(0, 40);
    rig.commit(25, "");
    rig.catch_up(Durability::Stored, Faults::none());
    let expected: Vec<Position> =
        positions(40, Kind::Row).into_iter().filter(|at| at.offset.0 >= 25).collect();
    assert_eq!(rig.store().visible(), expected);
}

/// The sink keeps what a commit says of its offset, so that the checks of a restart hold for it too.
#[test]
fn a_sink_that_keeps_the_offset_keeps_its_metadata_too() {
    let rig = Rig::new();
    rig.publish(0, 40);
    rig.catch_up(Durability::Stored, Faults::none());
    let committed: Vec<String> = rig.committed().into_iter().map(|(_, note)| note).collect();
    let stored: Vec<String> =
        all().iter().map(|partition| rig.store().offsets[partition].note.clone()).collect();
    assert_eq!(stored, committed);
    assert!(stored.iter().all(|note| note.contains("\"last_row\":")), "{stored:?}");
    // A database from which rows were taken back, or a log that was written anew: the record before
    // the offset is another one.
    for partition in all() {
        let mut store = rig.store();
        let stored = store.offsets.get_mut(&partition).expect("stored");
        let (head, tail) = stored.note.split_once("\"hash\":\"").expect("a hash");
        stored.note = format!("{head}\"hash\":\"{:016x}{}", 7, &tail[tail.find('"').unwrap()..]);
    }
    let stopped = rig.start(Durability::Stored, Until::CaughtUp, Faults::none()).join();
    let stop = stopped.expect_err("another record");
    assert!(stop.hint.contains("set the sink's offset"), "{}", stop.hint);
}

/// Somebody else claims every partition in the sink: the instance notices at its next write, joins
/// anew, claims them again and goes on without a row lost or repeated.
#[test]
fn an_instance_that_was_fenced_by_the_sink_joins_anew() {
    let rig = Rig::new();
    rig.publish(0, 100);
    let running = rig.start(Durability::Stored, Until::Stopped, Faults::none());
    wait_until("the first records are written", || rig.store().calls > 3);
    for partition in all() {
        let mut store = rig.store();
        let stored = store.offsets.entry(partition).or_default();
        stored.owner += 1_000;
    }
    rig.publish(100, 200);
    let rows = positions(200, Kind::Row).len();
    wait_until("all rows are written", || rig.store().visible().len() >= rows);
    let (summary, drained) = running.stop();
    assert!(drained);
    assert!(summary.rejoins >= 1, "it was fenced");
    rig.assert_complete(Durability::Stored, 200, "");
}
