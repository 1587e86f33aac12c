//! One instance, without and with faults: everything arrives, and the group's offsets say so.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::memory_sink::{Faults, MemorySink};
use super::rig::{
    ALL, Kind, PARTITIONS, Rig, WITHIN, all, limits, positions, promises, wait_until,
};
use crate::config::Limits;
use crate::pipeline::{Until, run};
use crate::record::Partition;
use crate::sink::Durability;
use crate::telemetry::metrics::{InTimeLabel, PartitionLabel};

#[test]
fn every_record_becomes_what_it_should() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 200);
        let summary = rig.catch_up(durability, Faults::none());
        rig.assert_complete(durability, 200, "");
        let count = |kind| positions(200, kind).len() as u64;
        assert_eq!(summary.read, 200 * PARTITIONS as u64);
        assert_eq!(summary.written, count(Kind::Row));
        assert_eq!(summary.ignored.values().sum::<u64>(), count(Kind::Ignored));
        assert_eq!(summary.dead_lettered.values().sum::<u64>(), count(Kind::Rejected));
        assert_eq!((summary.rejoins, summary.target.as_str()), (0, "memory"));
    }
}

#[test]
fn a_later_run_goes_on_where_the_last_one_stopped() {
    for durability in ALL {
        let rig = Rig::new();
        for end in [50, 120, 121] {
            rig.publish(rig.committed()[0].0.max(0), end);
            rig.catch_up(durability, Faults::none());
            rig.assert_complete(durability, end, "");
        }
        assert!(rig.store().visible().windows(2).all(|pair| pair[0] != pair[1]), "{durability:?}");
    }
}

/// Whatever makes rows visible, each is counted by its age when it is.
#[test]
fn each_visible_row_is_fresh_or_late() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 200);
        let running = rig.start(durability, Until::CaughtUp, Faults::seeded(1, 0.1));
        let metrics = running.metrics.clone();
        assert!(running.join().is_ok());
        let count = |in_time| metrics.fresh_rows.get_or_create(&InTimeLabel::of(in_time)).get();
        assert_eq!((count(true), count(false)), (metrics.written.get(), 0), "{durability:?}");
        assert!(metrics.written.get() > 0);
        let behind = |partition: Partition| {
            let label = PartitionLabel { partition: partition.0 };
            metrics.lag_seconds.get_or_create(&label).get()
        };
        assert!(all().into_iter().all(|partition| behind(partition) < 60.0), "{durability:?}");
    }
}

/// The committed metadata names nothing any more, so a stream may expire while the group is away.
#[test]
fn a_clean_end_leaves_no_promise_behind() {
    let rig = Rig::new();
    rig.publish(0, 40);
    rig.catch_up(Durability::Promised, Faults::none());
    assert!(!rig.committed().iter().any(|(_, metadata)| promises(metadata)));
}

#[test]
fn passing_faults_of_the_sink_lose_and_repeat_nothing() {
    for durability in ALL {
        for seed in 1..=4 {
            let rig = Rig::new();
            rig.publish(0, 150);
            rig.catch_up(durability, Faults::seeded(seed, 0.2));
            rig.assert_complete(durability, 150, &format!("seed {seed}"));
        }
    }
}

#[test]
fn records_that_are_all_ignored_move_the_offsets() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(3, 5);
        rig.catch_up(durability, Faults::none());
        assert!(rig.store().visible().is_empty());
        assert!(rig.committed().iter().all(|(offset, _)| *offset == 2), "{durability:?}");
        if durability == Durability::Stored {
            let next = |partition| rig.store().offsets[&partition].next;
            assert!(super::rig::all().into_iter().all(|one| next(one).unwrap().0 == 2));
        }
    }
}

/// Offsets go into transactions, as with a real broker. The mock cluster forgets them.
#[test]
fn a_whole_session_with_transactions() {
    let rig = Rig::new();
    rig.publish(0, 100);
    let running = rig.start_in_transactions();
    let (summary, drained) = running.join().expect("no stop");
    assert!(drained);
    assert_eq!(rig.store().visible(), positions(100, Kind::Row));
    assert_eq!((summary.rejoins, summary.read), (0, 100 * PARTITIONS as u64));
}

#[test]
fn a_sink_that_stalls_pauses_reading_and_bounds_what_is_in_flight() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 3_000);
        let mut limits = limits();
        limits.in_flight_bytes = 32 << 10;
        let faults = Faults { hold: true, ..Faults::none() };
        let running = rig.start_with(durability, Until::CaughtUp, faults, limits.clone());
        wait_until("bytes in flight reach the limit", || {
            running.metrics.in_flight_bytes.get() > limits.in_flight_bytes as i64
        });
        // Longer than the patience before a pause.
        std::thread::sleep(Duration::from_millis(700));
        let read = running.metrics.read.get();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(running.metrics.read.get(), read, "{durability:?} reads on");
        let progress = [&running.metrics.caught_up, &running.metrics.to_catch_up].map(Gauge::get);
        assert_eq!(progress, [read as i64, 3_000 * PARTITIONS as i64], "the progress line");
        assert!(read < 3_000 * PARTITIONS as u64, "{durability:?} has read everything");
        let held = running.metrics.in_flight_bytes.get();
        assert!(held < 2 * limits.in_flight_bytes as i64, "{durability:?} holds {held} bytes");
        running.faults().hold = false;
        let (_, drained) = running.join().expect("no stop");
        assert!(drained);
        rig.assert_complete(durability, 3_000, "after the stall");
    }
}

/// Batches that are never full and never old enough hold more than the limit: they are sent all the
/// same, or nothing would ever settle.
#[test]
fn open_batches_alone_cannot_stall_a_session() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 3_000);
        let limits = Limits {
            in_flight_bytes: 8 << 10,
            batch_rows: 100_000,
            batch_bytes: 1 << 20,
            batch_age: WITHIN * 10,
            ..limits()
        };
        let running = rig.start_with(durability, Until::Stopped, Faults::none(), limits);
        wait_until("records are read beyond the limit", || running.metrics.written.get() > 1_000);
        let (_, drained) = running.stop();
        assert!(drained, "{durability:?}");
    }
}

#[test]
fn transactions_that_cannot_be_configured_need_a_person() {
    let rig = Rig::new();
    let sink = MemorySink::new(Durability::Promised, rig.store.clone(), Faults::none());
    let mut flow = rig.flow(sink, Until::CaughtUp);
    // librdkafka refuses to create such a transactional producer.
    flow.subscription.transactions.set("enable.idempotence", "false");
    let stop = run(flow).expect_err("it stops");
    assert!(stop.what.contains("transactions of group"), "{}", stop.what);
    assert!(stop.hint.contains("at-least-once"), "{}", stop.hint);
}
