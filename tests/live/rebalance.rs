//! Rebalances while batches are in flight.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance, PARTITIONS, TABLE};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::shared;
use crate::support::proof::{Guarantee, compare, wait, wait_progress};
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(120);

#[test]
fn a_partition_revoked_mid_batch_loses_and_repeats_nothing() {
    let kafka = shared();
    // Appends are delayed, so that batches are in flight at each revocation.
    let bigquery = EmbeddedBigQuery::start("revoked", "append_delay=0.3:200", 1);
    let domain = Domain::new("revoked", kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(kafka, &domain, 6), 500);
    let mut first = domain.start_ready();
    for _ in 0..3 {
        wait_progress(&bigquery, "before the second joins", WITHIN);
        let mut second = domain.start_ready();
        until_true("both own partitions", WITHIN, || {
            let owned = |instance: &crate::support::domain::Instance| {
                instance.metric("generic_consumer_assigned_partitions").unwrap_or(0.0)
            };
            owned(&first) == 2.0 && owned(&second) == 2.0
        });
        wait_progress(&bigquery, "with two instances", WITHIN);
        second.stop();
        first.assert_running();
    }
    let sent = feed.stop();
    wait(&bigquery, &sent, WITHIN);
    first.stop();
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
}

/// Replaces all instances at once, as a deployment does. The group rebalances while they leave, and
/// they must still exit with code 0.
#[test]
fn instances_replaced_together_exit_with_code_0() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("replaced", "append_delay=0.3:200", 1);
    let domain = Domain::new("replaced", kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(kafka, &domain, 6), 500);
    let mut instances = vec![domain.start_ready(), domain.start_ready(), domain.start_ready()];
    for round in 0..4 {
        wait_progress(&bigquery, &format!("before replacement {round}"), WITHIN);
        let mut old = std::mem::take(&mut instances);
        old.iter_mut().for_each(|instance| instance.process.ask_to_stop());
        instances = vec![domain.start(), domain.start(), domain.start()];
        for mut instance in old {
            let status = instance.process.wait(WITHIN);
            assert_eq!(status.code(), Some(0), "{}", instance.process.output());
        }
        instances.iter_mut().for_each(|instance| instance.wait_ready());
    }
    let sent = feed.stop();
    wait(&bigquery, &sent, WITHIN);
    instances.iter_mut().for_each(|instance| instance.stop());
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    let ends = kafka.ends(&domain.topic, PARTITIONS);
    assert_eq!(kafka.committed(&domain.group, &domain.topic, PARTITIONS), ends);
}

/// Replaces one of four instances every two seconds, for `ROLLING_SECONDS` (40). Rows keep coming: no
/// gap between two is longer than fifteen seconds, and every instance exits with code 0.
#[test]
fn rolling_replacement_does_not_stall_the_group() {
    let seconds = std::env::var("ROLLING_SECONDS").ok().and_then(|it| it.parse().ok());
    let rolling = Duration::from_secs(seconds.unwrap_or(40));
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("rolling", "", 1);
    let domain = Domain::with_partitions("rolling", kafka, &bigquery.urls(), 12);
    let feed = Feed::start(Publisher::new(kafka, &domain, 6), 500);
    let mut instances: VecDeque<Instance> = (0..4).map(|_| domain.start_ready()).collect();
    let (mut leaving, mut replaced) = (Vec::new(), 0);
    let (mut known, mut last, mut longest) = (0, Instant::now(), Duration::ZERO);
    let (began, mut due) = (Instant::now(), Instant::now());
    while began.elapsed() < rolling {
        if due.elapsed() >= Duration::from_secs(2) {
            due = Instant::now();
            instances.push_back(domain.start());
            if let Some(mut oldest) = instances.pop_front() {
                oldest.process.ask_to_stop();
                leaving.push(oldest);
            }
            replaced += 1;
        }
        let (visible, _) = bigquery.fresh_rows(TABLE, 0);
        if visible > known {
            longest = longest.max(last.elapsed());
            (known, last) = (visible, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    longest = longest.max(last.elapsed());
    println!(
        "{replaced} replaced in {rolling:?}, longest time without a new visible row {longest:?}"
    );
    for mut instance in leaving {
        let status = instance.process.wait(WITHIN);
        assert_eq!(status.code(), Some(0), "{}", instance.process.output());
    }
    assert!(longest < Duration::from_secs(15), "{longest:?} without a row");
    // The group waits for a member that does not say that it leaves.
    assert_eq!(kafka.timed_out("rolling"), Vec::<String>::new(), "all were stopped properly");
    let sent = feed.stop();
    wait(&bigquery, &sent, WITHIN);
    instances.iter_mut().for_each(Instance::stop);
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
}
