//! Instances and brokers are killed and frozen while rows are written to Kafka. A reader of committed
//! messages must see each row and each dead letter once.
//!
//! `CHAOS_KILLS` is the number of instances that are killed (1 by default). `CHAOS_SEED` repeats
//! the random choices of a run.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::chaos::{EVENTS_PER_SECOND, RECOVERS_WITHIN, number};
use crate::support::domain::{Domain, Instance, PARTITIONS};
use crate::support::events::{Fate, Feed, Publisher, count};
use crate::support::kafka::Kafka;
use crate::support::messages::Written;
use crate::support::signal::Signal;
use crate::support::stored::{Store, wait_progress, wait_while};
use crate::support::until::until_true;

/// A disturbance of the running system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// An instance is killed with SIGKILL, and another is started.
    Kill,
    /// A second instance joins, or one of two leaves after SIGTERM.
    JoinOrLeave,
    /// An instance is frozen until others have taken its partitions over.
    Zombie,
    /// The broker that rows are written to.
    BrokerKilled,
    BrokerFrozen,
}

/// The given number of kills, and other disturbances in proportion, in random order.
fn plan(kills: usize, dice: &mut StdRng) -> Vec<Blow> {
    use Blow::*;
    let mut blows = vec![Kill; kills];
    for other in [JoinOrLeave, BrokerKilled, BrokerFrozen, Zombie] {
        blows.extend([other].repeat((kills / 3).max(1)));
    }
    blows.shuffle(dice);
    blows
}

#[test]
fn one_cluster() {
    let kafka = Kafka::start("chaos-kafka-one");
    run("chaos-kafka-one", Brokers { kafka, out: None });
}

#[test]
fn two_clusters() {
    let kafka = Kafka::start("chaos-kafka-two");
    let out = Kafka::start("chaos-kafka-two-out");
    run("chaos-kafka-two", Brokers { kafka, out: Some(out) });
}

struct Brokers {
    kafka: Kafka,
    /// `None`: rows are written where they are read.
    out: Option<Kafka>,
}

impl Brokers {
    fn out(&self) -> &Kafka {
        self.out.as_ref().unwrap_or(&self.kafka)
    }

    fn out_mut(&mut self) -> &mut Kafka {
        self.out.as_mut().unwrap_or(&mut self.kafka)
    }
}

/// Everything that the test starts. The fields are dropped in this order.
struct Scene {
    /// The broker that rows are written to was away a moment ago. A transaction that it has interrupted may
    /// take longer than an instance that is stopped waits for it.
    was_away: bool,
    members: Vec<Instance>,
    written: Written,
    domain: Domain,
    brokers: Brokers,
}

fn run(name: &str, brokers: Brokers) {
    let kills = number("CHAOS_KILLS").unwrap_or(1) as usize;
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("{name}: CHAOS_SEED={seed} CHAOS_KILLS={kills}");
    let mut dice = StdRng::seed_from_u64(seed);
    let domain = Domain::on_kafka(name, &brokers.kafka, brokers.out());
    let written = Written::of(&domain, brokers.out());
    let feed = Feed::start(Publisher::new(&brokers.kafka, &domain, seed), EVENTS_PER_SECOND);
    let began = Instant::now();
    let members = vec![domain.start(), domain.start()];
    let mut scene = Scene { was_away: false, members, written, domain, brokers };
    for (number, blow) in plan(kills, &mut dice).into_iter().enumerate() {
        // Waits for new rows, then for a random time, so that the disturbance interrupts work.
        scene.wait_progress(&format!("before disturbance {number}, {blow:?}"));
        std::thread::sleep(Duration::from_millis(dice.random_range(0..1_000)));
        println!("{name}: {:6.1} s {blow:?}", began.elapsed().as_secs_f64());
        scene.strike(blow, &mut dice);
        scene.was_away = matches!(blow, Blow::BrokerKilled | Blow::BrokerFrozen);
        scene.supervise();
    }
    let sent = feed.stop();
    let Scene { members, written, domain, .. } = &mut scene;
    wait_while(written, &sent, RECOVERS_WITHIN, || supervise(members, domain));
    for member in &mut *members {
        member.stop_or_hang(RECOVERS_WITHIN);
    }
    let arrived = scene.written.compare(&sent);
    let Scene { domain: Domain { topic, group, .. }, brokers, .. } = &scene;
    let ends = brokers.kafka.ends(topic, PARTITIONS);
    let committed = brokers.kafka.committed(group, topic, PARTITIONS);
    assert_eq!(committed, ends, "the group's offsets are not the end offsets");
    if let Some(out) = &brokers.out {
        let of = |partition| {
            let group = format!("{group}/{topic}/{partition}");
            out.committed(&group, &format!("{topic}-out"), 1)[0]
        };
        let kept: Vec<i64> = (0..PARTITIONS).map(of).collect();
        assert_eq!(kept, ends, "the offsets in the other cluster are not the end offsets");
    }
    println!(
        "{name}: {} events sent, {} of them ignored; {arrived:?} in {:.0} s",
        sent.len(),
        count(&sent, |fate| *fate == Fate::Ignored),
        began.elapsed().as_secs_f64()
    );
}

impl Scene {
    fn wait_progress(&mut self, what: &str) {
        let Self { members, written, domain, .. } = self;
        wait_progress(written, what, RECOVERS_WITHIN, || supervise(members, domain));
    }

    fn supervise(&mut self) {
        supervise(&mut self.members, &self.domain);
    }

    fn strike(&mut self, blow: Blow, dice: &mut StdRng) {
        let any = dice.random_range(0..self.members.len());
        let away = Duration::from_millis(dice.random_range(0..3_000));
        match blow {
            Blow::Kill => {
                self.members[any].process.kill();
                std::thread::sleep(away / 3);
                self.members[any] = self.domain.start();
            }
            Blow::JoinOrLeave if self.members.len() == 1 => {
                self.members.push(self.domain.start());
            }
            Blow::JoinOrLeave => {
                let mut leaving = self.members.remove(any);
                match self.was_away {
                    true => leaving.stop_as_far_as_possible(RECOVERS_WITHIN),
                    false => leaving.stop_or_hang(RECOVERS_WITHIN),
                }
            }
            Blow::Zombie => self.freeze(any),
            Blow::BrokerKilled => {
                self.brokers.out_mut().kill();
                std::thread::sleep(away);
                self.brokers.out_mut().start_again();
            }
            Blow::BrokerFrozen => {
                self.brokers.out().freeze();
                std::thread::sleep(away + Duration::from_secs(1));
                self.brokers.out().thaw();
            }
        }
    }

    /// Freezes an instance until the group has given its partitions to others, which have stored rows
    /// since.
    fn freeze(&mut self, index: usize) {
        if self.members.len() == 1 {
            self.members.push(self.domain.start());
            self.members[1].wait_ready();
        }
        until_true("the instance that is to be frozen has partitions", RECOVERS_WITHIN, || {
            self.supervise();
            self.members[index].partitions() > 0
        });
        let zombie = self.members.remove(index);
        zombie.process.signal(Signal::STOP);
        until_true(
            "the others take the frozen instance's partitions over",
            RECOVERS_WITHIN,
            || {
                self.supervise();
                self.members.iter().map(Instance::partitions).sum::<i32>() >= PARTITIONS
            },
        );
        self.wait_progress("after a takeover");
        zombie.process.signal(Signal::CONT);
        self.members.push(zombie);
    }
}

/// Starts instances anew that have ended because librdkafka hangs, as Kubernetes does; panics if one
/// has ended otherwise.
fn supervise(members: &mut [Instance], domain: &Domain) {
    for member in members {
        if member.has_hung() {
            println!("{} hung, and is started anew", member.process.name());
            *member = domain.start();
        }
        member.assert_running();
    }
}
