//! Rebalances while batches are in flight.

use std::time::Duration;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, PARTITIONS};
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
