//! What BigQuery does to every client now and then, without an outage: a quota is used up, a new table
//! is not found yet, a stream expires.
//!
//! `OUTAGE_SECONDS` says how long the quota takes to refill (20). The live service takes up to 600.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, TABLE};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::shared;
use crate::support::proof::{Guarantee, prove, wait, wait_progress};
use crate::support::signal::Signal;
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(180);

fn refill() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").map_or(20, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

/// The streams that have rows.
fn streams(bigquery: &EmbeddedBigQuery) -> BTreeSet<String> {
    bigquery.rows(TABLE).into_iter().map(|row| row.stream).collect()
}

#[test]
fn a_used_up_quota_neither_restarts_the_instance_nor_replaces_its_streams() {
    let kafka = shared();
    let mut bigquery = EmbeddedBigQuery::start("quota", "", 1);
    let domain = Domain::new("quota", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 21);
    publisher.publish(400);
    let mut instance = domain.start();
    wait(&bigquery, &publisher.flush(), WITHIN);
    let before = streams(&bigquery);
    bigquery.kill();
    bigquery.set_faults(&format!("quota=1:{}", refill().as_millis()));
    bigquery.start_again();
    publisher.publish(400);
    let sent = publisher.flush();
    let rows = bigquery.rows(TABLE).len();
    let began = Instant::now();
    while began.elapsed() < refill() {
        instance.assert_running();
        let alive = instance.get("/livez");
        assert!(alive.as_ref().is_some_and(|(status, _)| *status == 200), "{alive:?}");
        assert_eq!(bigquery.rows(TABLE).len(), rows, "the quota is used up");
        std::thread::sleep(Duration::from_millis(500));
    }
    let arrived = prove(&bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
    assert_eq!(streams(&bigquery), before);
    assert_eq!(arrived.invisible, 0);
    assert_eq!(instance.metric("generic_consumer_rejoins_total"), Some(0.0));
    instance.stop();
}

#[test]
fn a_new_table_is_waited_for() {
    let kafka = shared();
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let name = format!("new-table-{}", guarantee.key());
        let bigquery = EmbeddedBigQuery::start(&name, "table_delay=1:5000", 1);
        let domain = Domain::new(&name, kafka, &bigquery.urls());
        domain.set("DELIVERY_GUARANTEE", guarantee.key());
        let mut publisher = Publisher::new(kafka, &domain, 22);
        publisher.publish(400);
        let sent = publisher.flush();
        let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
        prove(&bigquery, &sent, guarantee, Duration::ZERO);
        assert!(run.output().contains("NotFound"), "the table was found at once");
    }
}

#[test]
fn an_expired_stream_is_replaced() {
    let kafka = shared();
    let mut bigquery = EmbeddedBigQuery::start("expired", "", 1);
    let idle = Duration::from_secs(3);
    bigquery.kill();
    bigquery.set_stream_expiry(idle.as_secs());
    bigquery.start_again();
    let domain = Domain::new("expired", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 23);
    publisher.publish(400);
    let mut instance = domain.start();
    wait(&bigquery, &publisher.flush(), WITHIN);
    let expired = streams(&bigquery);
    // Nothing tells from outside that a stream has expired: only its own time passes.
    std::thread::sleep(idle * 2);
    publisher.publish(400);
    prove(&bigquery, &publisher.flush(), Guarantee::ExactlyOnce, WITHIN);
    let all = streams(&bigquery);
    assert_eq!((all.len(), expired.len()), (expired.len() * 2, 4), "{all:?}");
    instance.stop();
}

/// The partition's next owner finalizes a stream that the frozen one has not flushed yet.
#[test]
fn an_owner_that_was_frozen_before_its_flush_goes_on() {
    let kafka = shared();
    // Flushes fail most of the time, so that one is nearly always under way.
    let bigquery = EmbeddedBigQuery::start("frozen", "flush=0.7", 1);
    let domain = Domain::new("frozen", kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(kafka, &domain, 24), 200);
    let mut frozen = domain.start();
    wait_progress(&bigquery, "before the freeze", WITHIN);
    let mut other = domain.start_ready();
    for _ in 0..3 {
        frozen.process.signal(Signal::STOP);
        until_true("the frozen instance has lost its partitions", WITHIN, || {
            kafka.members(&domain.group) == Some(1)
        });
        for _ in 0..10 {
            wait_progress(&bigquery, "while one is frozen", WITHIN);
        }
        frozen.process.signal(Signal::CONT);
        frozen.wait_ready();
        wait_progress(&bigquery, "after it thaws", WITHIN);
    }
    prove(&bigquery, &feed.stop(), Guarantee::ExactlyOnce, WITHIN);
    frozen.stop();
    other.stop();
}
