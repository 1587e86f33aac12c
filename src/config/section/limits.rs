//! Where batches end, where reading pauses, how long a shutdown may take.

use std::time::Duration;

use crate::config::keys::{
    BATCH_AGE_MS, BATCH_BYTES, BATCH_ROWS, COMMIT_INTERVAL_MS, DRAIN_SECONDS, IN_FLIGHT_BYTES,
};
use crate::config::reader::Reader;
use crate::config::settings::Limits;
use crate::config::values::{bytes, milliseconds, number};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// BigQuery takes 20 MB a request; a batch may exceed its limit by its last row.
const LARGEST_BATCH: u64 = 16 * MIB;
/// A minute: whoever wants to wait longer wants batch loads.
const LONGEST_MS: u64 = 60_000;
/// A SIGTERM ends within 30 s; the last commit and flush take some of them.
const LONGEST_DRAIN: u64 = 25;

pub fn read(reader: &mut Reader<'_>) -> Option<Limits> {
    let in_flight_bytes = reader.required(&IN_FLIGHT_BYTES, |text| bytes(text, MIB, 64 * GIB));
    let batch_bytes = reader.required(&BATCH_BYTES, |text| bytes(text, KIB, LARGEST_BATCH));
    let batch_rows = reader.required(&BATCH_ROWS, |text| number(text, 1, 100_000));
    let batch_age = reader.required(&BATCH_AGE_MS, |text| milliseconds(text, LONGEST_MS));
    let interval = reader.required(&COMMIT_INTERVAL_MS, |text| milliseconds(text, LONGEST_MS));
    let drain = reader.required(&DRAIN_SECONDS, |text| number(text, 1, LONGEST_DRAIN));
    if let (Some(in_flight), Some(batch)) = (in_flight_bytes, batch_bytes)
        && batch > in_flight
        && let Some(found) = reader.text(&BATCH_BYTES)
    {
        reader.wrong(&found, format!("at most IN_FLIGHT_BYTES, which is {in_flight}"));
        return None;
    }
    Some(Limits {
        in_flight_bytes: in_flight_bytes?,
        batch_bytes: batch_bytes?,
        batch_rows: usize::try_from(batch_rows?).ok()?,
        batch_age: batch_age?,
        commit_interval: interval?,
        drain: Duration::from_secs(drain?),
    })
}
