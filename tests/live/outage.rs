//! Kafka or BigQuery is down for a while. The instance keeps running and recovers by itself.
//!
//! `OUTAGE_SECONDS` is the length of the outage: 20 by default, at most 150, because the tests'
//! producer fails if an event is not acknowledged within 180 s.

use std::time::Duration;

use super::verify::assert_whole;
use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::Domain;
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::{Kafka, shared};
use crate::support::proof::{Guarantee, compare, prove, wait_progress};

const WITHIN: Duration = Duration::from_secs(180);

/// The length of the outage. The default is longer than the session timeout (6 s) and the
/// transaction timeout (10 s).
fn away() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").map_or(20, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

#[test]
fn an_instance_survives_a_bigquery_outage() {
    let kafka = shared();
    let mut bigquery = EmbeddedBigQuery::start("bigquery-away", "", 1);
    let domain = Domain::new("bigquery-away", kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(kafka, &domain, 7), 300);
    let mut instance = domain.start();
    wait_progress(&bigquery, "before the outage", WITHIN);
    bigquery.kill();
    std::thread::sleep(away());
    instance.assert_running();
    bigquery.start_again();
    wait_progress(&bigquery, "after the outage", WITHIN);
    let arrived = prove(&bigquery, &feed.stop(), Guarantee::ExactlyOnce, WITHIN);
    instance.stop();
    assert!(arrived.visible > 0);
    assert_whole(&domain, Guarantee::ExactlyOnce);
}

#[test]
fn an_instance_starts_while_bigquery_is_down() {
    let kafka = shared();
    let mut bigquery = EmbeddedBigQuery::start("bigquery-late", "", 1);
    let domain = Domain::new("bigquery-late", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 8);
    publisher.publish(200);
    let sent = publisher.flush();
    bigquery.kill();
    let mut instance = domain.start();
    std::thread::sleep(Duration::from_secs(5));
    instance.assert_running();
    bigquery.start_again();
    prove(&bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
    instance.stop();
}

#[test]
fn an_instance_survives_a_broker_outage() {
    let mut kafka = Kafka::start("broker-away");
    let bigquery = EmbeddedBigQuery::start("broker-away", "", 1);
    let domain = Domain::new("broker-away", &kafka, &bigquery.urls());
    let feed = Feed::start(Publisher::new(&kafka, &domain, 9), 300);
    let mut instance = domain.start();
    for killed in [true, false] {
        wait_progress(&bigquery, "before the outage", WITHIN);
        if killed {
            kafka.kill()
        } else {
            kafka.stop()
        }
        std::thread::sleep(away());
        instance.assert_running();
        kafka.start_again();
        wait_progress(&bigquery, "after the outage", WITHIN);
    }
    let sent = feed.stop();
    prove(&bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
    instance.stop();
    compare(&bigquery, &sent, Guarantee::ExactlyOnce);
    assert_whole(&domain, Guarantee::ExactlyOnce);
}
