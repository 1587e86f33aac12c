//! Memory stays bounded while BigQuery does not respond and the topic holds more than fits.

use std::time::Duration;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::Domain;
use crate::support::events::Publisher;
use crate::support::kafka::shared;
use crate::support::proof::{Guarantee, prove, wait_progress};
use crate::support::until::until_true;

const MIB: u64 = 1 << 20;
/// The default of `IN_FLIGHT_BYTES`.
const IN_FLIGHT: u64 = 64 * MIB;
/// Memory that the process may use in addition to the bytes in flight.
const BESIDES: u64 = 64 * MIB;
const WITHIN: Duration = Duration::from_secs(180);

/// With this padding in every good event, the topic holds over three times what may be in flight.
const EVENTS: usize = 60_000;
const PADDING: usize = 4_000;

#[test]
fn memory_is_bounded_while_bigquery_stalls() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("memory", "", 1);
    let domain = Domain::new("memory", kafka, &bigquery.urls());
    domain.set("IN_FLIGHT_BYTES", &format!("{}MiB", IN_FLIGHT / MIB));
    let mut publisher = Publisher::new(kafka, &domain, 10).padded(PADDING);
    publisher.publish(100);
    publisher.flush();
    let mut instance = domain.start();
    wait_progress(&bigquery, "before the stall", WITHIN);
    bigquery.freeze();
    publisher.publish(EVENTS);
    let sent = publisher.flush();
    // At the limit, the instance must stop reading.
    until_true("the limit is reached", WITHIN, || {
        instance.assert_running();
        instance.metric("generic_consumer_in_flight_bytes").unwrap_or(0.0) >= IN_FLIGHT as f64 * 0.9
    });
    // Long enough for an unbounded reader to read the whole topic.
    std::thread::sleep(Duration::from_secs(10));
    let read = instance.metric("generic_consumer_read_records_total").expect("metrics");
    assert!(
        (read as usize) < sent.len() / 2,
        "{read} of {} events were read while none could be written",
        sent.len()
    );
    let peak = instance.process.peak_resident().expect("the process is running");
    println!("peak resident memory {} MiB with {} MiB in flight", peak / MIB, IN_FLIGHT / MIB);
    assert!(peak < IN_FLIGHT + BESIDES, "{} MiB resident", peak / MIB);
    bigquery.thaw();
    prove(&bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
    let peak = instance.process.peak_resident().expect("the process is running");
    println!("peak resident memory {} MiB after catching up", peak / MIB);
    assert!(peak < IN_FLIGHT + BESIDES, "{} MiB resident while catching up", peak / MIB);
    instance.stop();
}
