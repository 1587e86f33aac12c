//! Partitions that change hands in the middle of batches.

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
    // Slow answers: every revocation finds batches under way.
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
