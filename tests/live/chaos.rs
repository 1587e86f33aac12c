//! Instances, the broker and BigQuery are killed while they work; appends, flushes and stream
//! creations fail, and responses are lost. The table must still have what was sent.
//!
//! `CHAOS_KILLS` is the number of instances that are killed (5 by default). `CHAOS_SEED` repeats
//! the random choices of a run.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::verify::assert_whole;
use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance, PARTITIONS};
use crate::support::events::{Fate, Feed, Publisher, Sent, count};
use crate::support::kafka::Kafka;
use crate::support::proof::{Guarantee, compare, wait_progress_while, wait_while};

/// Probability of each injected fault per call; after a colon, the delay in milliseconds.
const FAULTS: &str = "append=0.02,append_lost=0.02,append_delay=0.05:100,append_late=0.02:300,\
                      close=0.01,flush=0.05,flush_lost=0.05,create=0.1,create_lost=0.05,rest=0.05";

/// Enough that every commit interval (100 ms) has rows, and little enough for two cores.
pub const EVENTS_PER_SECOND: usize = 300;

/// The longest recovery from a disturbance. A member killed during a transaction while the broker is
/// down takes the session timeout (6 s), the transaction timeout (10 s, checked every second), the
/// start of the broker and retry delays. But librdkafka can deadlock when its broker goes away; then
/// the instance ends by itself after two minutes.
pub const RECOVERS_WITHIN: Duration = Duration::from_secs(240);

#[test]
fn exactly_once() {
    chaos("chaos-exactly-once", Guarantee::ExactlyOnce);
}

#[test]
fn at_least_once() {
    chaos("chaos-at-least-once", Guarantee::AtLeastOnce);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// A disturbance of the running system.
enum Blow {
    /// An instance is killed with SIGKILL, and another is started.
    Kill,
    /// A second instance joins, or one of two leaves after SIGTERM.
    JoinOrLeave,
    BrokerKilled,
    BrokerRestarted,
    BigQueryKilled,
}

pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// The given number of kills, and other disturbances in proportion, in random order.
fn plan(kills: usize, dice: &mut StdRng) -> Vec<Blow> {
    let mut blows = vec![Blow::Kill; kills];
    blows.extend([Blow::JoinOrLeave].repeat((kills / 4).max(2)));
    for rare in [Blow::BrokerKilled, Blow::BrokerRestarted, Blow::BigQueryKilled] {
        blows.extend([rare].repeat((kills / 15).max(1)));
    }
    blows.shuffle(dice);
    blows
}

fn chaos(name: &str, guarantee: Guarantee) {
    let kills = number("CHAOS_KILLS").unwrap_or(5) as usize;
    let seed = number("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("{name}: CHAOS_SEED={seed} CHAOS_KILLS={kills}");
    let mut dice = StdRng::seed_from_u64(seed);
    let kafka = Kafka::start(name);
    let bigquery = EmbeddedBigQuery::start(name, FAULTS, seed);
    let domain = Domain::new(name, &kafka, &bigquery.urls());
    domain.set("DELIVERY_GUARANTEE", guarantee.key());
    let feed = Feed::start(Publisher::new(&kafka, &domain, seed), EVENTS_PER_SECOND);
    let began = Instant::now();
    let mut scene = Scene { kafka, bigquery, domain, instances: Vec::new() };
    scene.instances.push(scene.domain.start());
    for (number, blow) in plan(kills, &mut dice).into_iter().enumerate() {
        // Waits for new rows, then for a random time, so that the disturbance interrupts work.
        let what = format!("before disturbance {number}, {blow:?}");
        scene.wait_progress(&what);
        std::thread::sleep(Duration::from_millis(dice.random_range(0..1_500)));
        println!("{name}: {:6.1} s {blow:?}", began.elapsed().as_secs_f64());
        scene.strike(blow, &mut dice);
        supervise(&mut scene.instances, &scene.domain);
    }
    let sent = feed.stop();
    scene.wait_for(&sent);
    let (ends, committed) = scene.finish();
    let arrived = compare(&scene.bigquery, &sent, guarantee);
    assert_eq!(committed, ends, "the committed offsets are not the end offsets");
    assert_whole(&scene.domain, guarantee);
    println!(
        "{name}: {} events sent, {} of them ignored; {arrived:?} in {:.0} s",
        sent.len(),
        count(&sent, |fate| *fate == Fate::Ignored),
        began.elapsed().as_secs_f64()
    );
    if guarantee == Guarantee::ExactlyOnce {
        // An invisible row was appended but never committed, for example because of a kill.
        assert!(arrived.invisible > 0, "no row stayed invisible: no kill interrupted work");
    }
}

/// Starts an instance anew that has ended by itself because librdkafka hangs, as Kubernetes does;
/// panics if one has ended otherwise.
fn supervise(instances: &mut [Instance], domain: &Domain) {
    for instance in instances {
        if instance.has_hung() {
            println!("{} hung, and is started anew", instance.process.name());
            *instance = domain.start();
        }
        instance.assert_running();
    }
}

/// Everything that a test starts. The fields are dropped in this order.
struct Scene {
    instances: Vec<Instance>,
    domain: Domain,
    bigquery: EmbeddedBigQuery,
    kafka: Kafka,
}

impl Scene {
    fn wait_progress(&mut self, what: &str) {
        let Self { instances, domain, bigquery, .. } = self;
        wait_progress_while(bigquery, what, RECOVERS_WITHIN, || supervise(instances, domain));
    }

    fn wait_for(&mut self, sent: &Sent) {
        let Self { instances, domain, bigquery, .. } = self;
        wait_while(bigquery, sent, RECOVERS_WITHIN, || supervise(instances, domain));
    }

    fn strike(&mut self, blow: Blow, dice: &mut StdRng) {
        let any = dice.random_range(0..self.instances.len());
        let away = Duration::from_millis(dice.random_range(0..3_000));
        match blow {
            Blow::Kill => {
                self.instances[any].process.kill();
                std::thread::sleep(away / 3);
                self.instances[any] = self.domain.start();
            }
            Blow::JoinOrLeave if self.instances.len() == 1 => {
                self.instances.push(self.domain.start());
            }
            Blow::JoinOrLeave => {
                self.instances.remove(any).stop_or_hang(RECOVERS_WITHIN);
            }
            Blow::BrokerKilled => {
                self.kafka.kill();
                std::thread::sleep(away);
                self.kafka.start_again();
            }
            Blow::BrokerRestarted => {
                self.kafka.stop();
                self.kafka.start_again();
            }
            Blow::BigQueryKilled => {
                self.bigquery.kill();
                std::thread::sleep(away);
                self.bigquery.start_again();
            }
        }
    }

    /// Stops the instances. Returns the partitions' end offsets and the group's committed offsets.
    fn finish(&mut self) -> (Vec<i64>, Vec<i64>) {
        for instance in &mut self.instances {
            instance.stop_or_hang(RECOVERS_WITHIN);
        }
        let (topic, group) = (&self.domain.topic, &self.domain.group);
        (self.kafka.ends(topic, PARTITIONS), self.kafka.committed(group, topic, PARTITIONS))
    }
}
