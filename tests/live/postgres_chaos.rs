//! Instances and the PostgreSQL server are killed and frozen while they work; connections break,
//! answers are lost, and requests arrive after the partition has another owner. The table must have
//! each event once.
//!
//! `CHAOS_KILLS` is the number of instances that are killed (5 by default). `CHAOS_SEED` repeats
//! the random choices of a run.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::verify::assert_whole;
use crate::chaos::{EVENTS_PER_SECOND, RECOVERS_WITHIN, number};
use crate::support::cuts::Cuts;
use crate::support::domain::{Domain, Instance, PARTITIONS};
use crate::support::events::{Fate, Feed, Publisher, Sent, count};
use crate::support::kafka::Kafka;
use crate::support::postgres::proof::compare;
use crate::support::postgres::{Postgres, url};
use crate::support::proof::Guarantee;
use crate::support::signal::Signal;
use crate::support::stored::{wait_progress, wait_while};
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
    /// The same, and its requests to the server arrive only then.
    LateZombie,
    ServerKilled,
    ServerFrozen,
    /// All connections between instances and the server break.
    Cut,
    AnswersLost,
    RequestsLate,
    /// The server ends all connections.
    ConnectionsEnded,
}

/// The given number of kills, and other disturbances in proportion, in random order.
fn plan(kills: usize, dice: &mut StdRng) -> Vec<Blow> {
    use Blow::*;
    let mut blows = vec![Kill; kills];
    for quick in [JoinOrLeave, Cut, AnswersLost, RequestsLate, ServerKilled] {
        blows.extend([quick].repeat((kills / 3).max(1)));
    }
    for slow in [Zombie, LateZombie, ServerFrozen, ConnectionsEnded] {
        blows.extend([slow].repeat((kills / 5).max(1)));
    }
    blows.shuffle(dice);
    blows
}

#[test]
fn rows_and_offsets_stay_together() {
    let name = "chaos-postgres";
    let kills = number("CHAOS_KILLS").unwrap_or(5) as usize;
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("{name}: CHAOS_SEED={seed} CHAOS_KILLS={kills}");
    let mut dice = StdRng::seed_from_u64(seed);
    let kafka = Kafka::start(name);
    let server = Postgres::start(name);
    let domain = Domain::on_postgres(name, &kafka, &server.section());
    let feed = Feed::start(Publisher::new(&kafka, &domain, seed), EVENTS_PER_SECOND);
    let began = Instant::now();
    let mut scene = Scene { members: Vec::new(), domain, server, kafka };
    scene.members = vec![scene.start(), scene.start()];
    for (number, blow) in plan(kills, &mut dice).into_iter().enumerate() {
        // Waits for new rows, then for a random time, so that the disturbance interrupts work.
        scene.wait_progress(&format!("before disturbance {number}, {blow:?}"));
        std::thread::sleep(Duration::from_millis(dice.random_range(0..1_000)));
        println!("{name}: {:6.1} s {blow:?}", began.elapsed().as_secs_f64());
        scene.strike(blow, &mut dice);
        scene.supervise();
    }
    let sent = feed.stop();
    scene.wait_for(&sent);
    let (ends, committed) = scene.finish();
    let arrived = compare(&scene.server, &sent);
    assert_eq!(committed, ends, "the group's offsets are not the end offsets");
    let held = scene.server.held(&scene.domain.group, &scene.domain.topic);
    let held: Vec<i64> = held.into_values().map(|held| held.next.unwrap_or(-1)).collect();
    assert_eq!(held, ends, "the offsets in the database are not the end offsets");
    assert_whole(&scene.domain, Guarantee::ExactlyOnce);
    println!(
        "{name}: {} events sent, {} of them ignored; {arrived:?} in {:.0} s",
        sent.len(),
        count(&sent, |fate| *fate == Fate::Ignored),
        began.elapsed().as_secs_f64()
    );
}

/// An instance, and what lies between it and the server.
struct Member {
    instance: Instance,
    cuts: Cuts,
}

/// Everything that the test starts. The fields are dropped in this order.
struct Scene {
    members: Vec<Member>,
    domain: Domain,
    server: Postgres,
    kafka: Kafka,
}

impl Scene {
    fn start(&self) -> Member {
        start(&self.domain, &self.server)
    }

    fn wait_progress(&mut self, what: &str) {
        let Self { members, domain, server, .. } = self;
        wait_progress(server, what, RECOVERS_WITHIN, || supervise(members, domain, server));
    }

    fn wait_for(&mut self, sent: &Sent) {
        let Self { members, domain, server, .. } = self;
        wait_while(server, sent, RECOVERS_WITHIN, || supervise(members, domain, server));
    }

    fn supervise(&mut self) {
        supervise(&mut self.members, &self.domain, &self.server);
    }

    fn strike(&mut self, blow: Blow, dice: &mut StdRng) {
        let any = dice.random_range(0..self.members.len());
        let away = Duration::from_millis(dice.random_range(0..3_000));
        match blow {
            Blow::Kill => {
                self.members[any].instance.process.kill();
                std::thread::sleep(away / 3);
                self.members[any] = self.start();
            }
            Blow::JoinOrLeave if self.members.len() == 1 => {
                self.members.push(self.start());
            }
            Blow::JoinOrLeave => {
                self.members.remove(any).instance.stop_or_hang(RECOVERS_WITHIN);
            }
            Blow::Zombie => self.freeze(any, false),
            Blow::LateZombie => self.freeze(any, true),
            Blow::ServerKilled => {
                self.server.kill();
                std::thread::sleep(away);
                self.server.start_again();
            }
            Blow::ServerFrozen => {
                self.server.freeze();
                std::thread::sleep(away + Duration::from_secs(1));
                self.server.thaw();
            }
            Blow::Cut => {
                self.members.iter().for_each(|member| _ = member.cuts.cut());
            }
            Blow::AnswersLost => {
                self.members[any].cuts.lose_answers(Duration::from_millis(300));
            }
            Blow::RequestsLate => {
                self.members[any].cuts.deliver_late(Duration::from_millis(300));
            }
            Blow::ConnectionsEnded => {
                let ended = self.server.end_connections();
                assert!(ended > 0, "the instances have connections");
            }
        }
    }

    /// Freezes an instance until the group has given its partitions to others, which have stored rows
    /// since. With `late`, what it has asked the server arrives only then.
    fn freeze(&mut self, index: usize, late: bool) {
        if self.members.len() == 1 {
            self.members.push(self.start());
            self.members[1].instance.wait_ready();
        }
        until_true("the instance that is to be frozen has partitions", RECOVERS_WITHIN, || {
            self.supervise();
            self.members[index].instance.partitions() > 0
        });
        let zombie = self.members.remove(index);
        if late {
            zombie.cuts.hold(true);
            // Long enough for a batch to be sent.
            std::thread::sleep(Duration::from_millis(500));
        }
        zombie.instance.process.signal(Signal::STOP);
        until_true(
            "the others take the frozen instance's partitions over",
            RECOVERS_WITHIN,
            || {
                self.supervise();
                let has = self.members.iter().map(|member| member.instance.partitions());
                has.sum::<i32>() >= PARTITIONS
            },
        );
        self.wait_progress("after a takeover");
        zombie.cuts.hold(false);
        if late {
            self.wait_progress("after late requests");
        }
        zombie.instance.process.signal(Signal::CONT);
        self.members.push(zombie);
    }

    /// Stops the instances. Returns the partitions' end offsets and the group's committed offsets.
    fn finish(&mut self) -> (Vec<i64>, Vec<i64>) {
        for member in &mut self.members {
            member.instance.stop_or_hang(RECOVERS_WITHIN);
        }
        let (topic, group) = (&self.domain.topic, &self.domain.group);
        (self.kafka.ends(topic, PARTITIONS), self.kafka.committed(group, topic, PARTITIONS))
    }
}

/// Starts an instance that reaches the server through a proxy of its own.
fn start(domain: &Domain, server: &Postgres) -> Member {
    let cuts = Cuts::start(server.port());
    let url = url("127.0.0.1", cuts.port(), "disable");
    Member { instance: domain.start_with(&[("WRITE__LIVE__POSTGRES__URL", &url)]), cuts }
}

/// Starts instances anew that have ended because librdkafka hangs, as Kubernetes does; panics if one
/// has ended otherwise.
fn supervise(members: &mut [Member], domain: &Domain, server: &Postgres) {
    for member in members {
        if member.instance.has_hung() {
            println!("{} hung, and is started anew", member.instance.process.name());
            *member = start(domain, server);
        }
        member.instance.assert_running();
    }
}
