//! Flows with steps: work on events ends in any order, and everything arrives as without it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::memory_sink::Faults;
use super::rig::{ALL, Kind, PARTITIONS, Rig, limits, positions, wait_until};
use crate::config::Limits;
use crate::pipeline::Until;
use crate::record::{OwnedEvent, Position, Reason, Rejection};
use crate::sink::Durability;
use crate::steps::{Outcome, Watcher, Watchers, Work};
use crate::stop::Stop;

/// The report is the event itself. Some take long, others none; one may stop the run.
#[derive(Default)]
struct Slow {
    began: AtomicUsize,
    /// Events of this offset are rejected.
    rejects: Option<i64>,
    /// The event of this offset stops the run.
    stops: Option<i64>,
}

impl Work for Slow {
    fn run(
        self: Arc<Self>,
        event: Arc<OwnedEvent>,
        _: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<Outcome, Stop>> {
        self.began.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let offset = event.at.offset.0;
            // Later ones often end first.
            tokio::time::sleep(Duration::from_millis((offset as u64 * 7919) % 13)).await;
            if self.stops == Some(offset) {
                return Err(Stop::new("work", "rest", "tired"));
            }
            if self.rejects == Some(offset) {
                let rejection = Rejection::new(Reason::ObjectMissing, "404".to_owned(), None);
                return Ok(Outcome::Rejected(Box::new(rejection)));
            }
            Ok(Outcome::Report(event.record.value.clone().unwrap_or_default()))
        })
    }
}

#[test]
fn whatever_ends_first_everything_arrives_once_and_is_committed() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 200);
        let work = Arc::new(Slow::default());
        let of = (durability, Until::CaughtUp);
        let many = Limits { in_flight_bytes: 64 << 20, ..limits() };
        let ended = rig.start_with_steps(of, work.clone(), many).join().expect("no stop");
        let (summary, drained) = ended;
        assert!(drained);
        rig.assert_complete(durability, 200, "");
        let count = |kind| positions(200, kind).len() as u64;
        assert_eq!(summary.read, 200 * PARTITIONS as u64);
        assert_eq!(summary.written, count(Kind::Row));
        assert_eq!(summary.ignored.values().sum::<u64>(), count(Kind::Ignored));
        assert_eq!(summary.dead_lettered.values().sum::<u64>(), count(Kind::Rejected));
        assert_eq!(work.began.load(Ordering::Relaxed) as u64, count(Kind::Row), "and no other");
    }
}

#[test]
fn a_flow_with_few_bytes_waits_for_its_steps_and_goes_on() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 60);
        // Four events are worked on at a time.
        assert_eq!(limits().in_flight_bytes, 1 << 20);
        let of = (durability, Until::CaughtUp);
        rig.start_with_steps(of, Arc::new(Slow::default()), limits()).join().expect("no stop");
        rig.assert_complete(durability, 60, "");
    }
}

#[test]
fn an_event_that_is_rejected_by_the_steps_is_a_dead_letter_in_its_place() {
    let rig = Rig::new();
    rig.publish(0, 50);
    let work = Slow { rejects: Some(41), ..Slow::default() };
    let of = (Durability::Stored, Until::CaughtUp);
    let ended = rig.start_with_steps(of, Arc::new(work), limits()).join();
    let (summary, _) = ended.expect("no stop");
    assert_eq!(summary.dead_lettered[&Reason::ObjectMissing], PARTITIONS as u64);
    assert_eq!(rig.committed()[0].0, 50);
}

#[test]
fn a_stop_of_the_steps_ends_the_run_and_the_next_one_goes_on_there() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 50);
        let work = Slow { stops: Some(30), ..Slow::default() };
        let of = (durability, Until::CaughtUp);
        let stop = rig.start_with_steps(of, Arc::new(work), limits()).join().expect_err("a stop");
        assert_eq!(stop.what, "work");
        assert!(rig.committed().iter().all(|(offset, _)| *offset <= 30), "{:?}", rig.committed());
        rig.start_with_steps(of, Arc::new(Slow::default()), limits()).join().expect("no stop");
        rig.assert_complete(durability, 50, "");
    }
}

#[test]
fn instances_that_are_replaced_while_they_work_lose_and_repeat_nothing() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 150);
        for _ in 0..4 {
            let work = Arc::new(Slow::default());
            let running =
                rig.start_with_steps((durability, Until::Stopped), work.clone(), limits());
            wait_until("it works", || work.began.load(Ordering::Relaxed) > 20);
            running.shutdown.request();
            running.join().expect("no stop");
        }
        rig.catch_up(durability, Faults::none());
        rig.assert_complete(durability, 150, "");
    }
}

/// Writes down what it is told.
#[derive(Default)]
struct Diary(Mutex<Told>);

#[derive(Default)]
struct Told {
    received: BTreeMap<(i32, i64), u32>,
    /// In the order in which it was told; true: published.
    ended: Vec<((i32, i64), bool)>,
    whys: Vec<String>,
    runs_ended: u32,
}

fn place(at: Position) -> (i32, i64) {
    (at.partition.0, at.offset.0)
}

impl Watcher for Diary {
    fn received(&self, at: Position, payload: &[u8]) {
        assert!(!payload.is_empty());
        *self.0.lock().expect("a lock").received.entry(place(at)).or_default() += 1;
    }

    fn published(&self, at: Position) {
        self.0.lock().expect("a lock").ended.push((place(at), true));
    }

    fn failed(&self, at: Position, why: &Rejection) {
        let mut told = self.0.lock().expect("a lock");
        told.ended.push((place(at), false));
        told.whys.push(why.to_string());
    }

    fn run_ended(&self) {
        self.0.lock().expect("a lock").runs_ended += 1;
    }
}

impl Diary {
    fn start() -> (Arc<Self>, Watchers) {
        let diary = Arc::new(Self::default());
        let watchers = [diary.clone() as Arc<dyn Watcher>].into_iter().collect();
        (diary, watchers)
    }

    /// Whether each event that has an end was received, has one end, and has it in its partition's order.
    fn assert_plausible(&self) {
        let told = self.0.lock().expect("a lock");
        let mut last = BTreeMap::new();
        for ((partition, offset), _) in &told.ended {
            assert!(told.received.contains_key(&(*partition, *offset)));
            let before = last.insert(*partition, *offset);
            assert!(before.is_none_or(|before| before < *offset), "{before:?} before {offset}");
        }
    }
}

#[test]
fn watchers_are_told_the_end_of_each_event_once() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 100);
        let (diary, watchers) = Diary::start();
        let work = Arc::new(Slow::default());
        let of = (durability, Until::CaughtUp);
        rig.start_watched(of, work, limits(), (watchers, Faults::none())).join().expect("no stop");
        diary.assert_plausible();
        let told = diary.0.lock().expect("a lock");
        let ended = |published: bool| told.ended.iter().filter(|it| it.1 == published).count();
        assert_eq!(ended(true), positions(100, Kind::Row).len(), "{durability:?}");
        assert_eq!(ended(false), positions(100, Kind::Rejected).len(), "{durability:?}");
        assert_eq!(told.runs_ended, 1);
    }
}

/// Reports with a member that could not be computed, which is needed.
struct Incomplete;

impl Work for Incomplete {
    fn run(
        self: Arc<Self>,
        _: Arc<OwnedEvent>,
        _: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<Outcome, Stop>> {
        let report = r#"{"event_type": "A", "n": "x", "skips": [
            {"rule": "r", "reason": "error", "detail": ""},
            {"member": "n", "reason": "missing_file", "detail": "no file matches a"}
        ]}"#;
        Box::pin(async move { Ok(Outcome::Report(report.as_bytes().to_vec())) })
    }
}

#[test]
fn a_report_that_is_rejected_says_which_members_it_lacks() {
    let rig = Rig::new();
    rig.publish(0, 9);
    let (diary, watchers) = Diary::start();
    let of = (Durability::Stored, Until::CaughtUp);
    let told = (watchers, Faults::none());
    rig.start_watched(of, Arc::new(Incomplete), limits(), told).join().expect("no stop");
    let whys = &diary.0.lock().expect("a lock").whys;
    let why = whys.iter().find(|why| why.contains("the report is not as its contract says: "));
    assert!(
        why.is_some_and(|why| why.ends_with("; `n` could not be computed: missing_file")),
        "{whys:?}"
    );
}

/// The report may be too large for its topic, which the sink alone can say.
#[test]
fn watchers_are_told_of_dead_letters_that_the_sink_makes() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 50);
        let row = positions(50, Kind::Row)[10];
        let (diary, watchers) = Diary::start();
        let faults = Faults { refused: Some(row.offset), ..Faults::none() };
        let (of, work) = ((durability, Until::CaughtUp), Arc::new(Slow::default()));
        rig.start_watched(of, work, limits(), (watchers, faults)).join().expect("no stop");
        let told = diary.0.lock().expect("a lock");
        let end = told.ended.iter().find(|(at, _)| *at == place(row));
        assert_eq!(end, Some(&(place(row), false)), "{durability:?}");
    }
}

/// What is not committed may end differently when it is read again.
#[test]
fn watchers_are_told_no_end_that_is_not_committed() {
    for durability in ALL {
        let rig = Rig::new();
        rig.publish(0, 100);
        let (diary, watchers) = Diary::start();
        for stops in [20, 60] {
            let work = Slow { stops: Some(stops), ..Slow::default() };
            let of = (durability, Until::Stopped);
            let told = (watchers.clone(), Faults::none());
            rig.start_watched(of, Arc::new(work), limits(), told).join().expect_err("a stop");
            diary.assert_plausible();
            let committed = rig.committed();
            for ((partition, offset), _) in &diary.0.lock().expect("a lock").ended {
                assert!(*offset < committed[*partition as usize].0, "{partition}:{offset}");
            }
        }
    }
}
