//! The keys that limit batches, memory and the time of a shutdown.

use std::time::Duration;

use crate::config::keys::{
    BATCH_AGE_MS, BATCH_BYTES, BATCH_ROWS, COMMIT_INTERVAL_MS, DRAIN_SECONDS, FRESHNESS_SLO,
    IN_FLIGHT_BYTES, MAX_DEAD_SHARE,
};
use crate::config::resolver::Resolver;
use crate::config::settings::Limits;
use crate::config::values::{age, bytes, milliseconds, number, share};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// BigQuery accepts 20 MB per request, and a batch may exceed its limit by its last row.
const LARGEST_BATCH: u64 = 16 * MIB;
/// One minute.
const LONGEST_MS: u64 = 60_000;
/// In seconds. A process has 30 s to end after a SIGTERM, and the last commit and flush follow the
/// drain.
const LONGEST_DRAIN: u64 = 25;

pub fn read(resolver: &mut Resolver<'_>) -> Option<Limits> {
    let in_flight_bytes = resolver.required(&IN_FLIGHT_BYTES, |text| bytes(text, MIB, 64 * GIB));
    let batch_bytes = resolver.required(&BATCH_BYTES, |text| bytes(text, KIB, LARGEST_BATCH));
    let batch_rows = resolver.required(&BATCH_ROWS, |text| number(text, 1, 100_000));
    let batch_age = resolver.required(&BATCH_AGE_MS, |text| milliseconds(text, LONGEST_MS));
    let interval = resolver.required(&COMMIT_INTERVAL_MS, |text| milliseconds(text, LONGEST_MS));
    let freshness = resolver.optional(&FRESHNESS_SLO, age);
    let drain = resolver.required(&DRAIN_SECONDS, |text| number(text, 1, LONGEST_DRAIN));
    let most_dead = resolver.optional(&MAX_DEAD_SHARE, share);
    if let (Some(in_flight), Some(batch)) = (in_flight_bytes, batch_bytes)
        && batch > in_flight
        && let Some(setting) = resolver.find(&BATCH_BYTES)
    {
        resolver.wrong(setting, format!("at most IN_FLIGHT_BYTES, which is {in_flight}"));
        return None;
    }
    Some(Limits {
        in_flight_bytes: in_flight_bytes?,
        batch_bytes: batch_bytes?,
        batch_rows: usize::try_from(batch_rows?).ok()?,
        batch_age: batch_age?,
        commit_interval: interval?,
        freshness: freshness?,
        drain: Duration::from_secs(drain?),
        most_dead: most_dead?,
    })
}
